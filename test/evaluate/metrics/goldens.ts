// goldens.jsonl -> what the Python libraries say of answers, labels and tokens.
import { readFileSync } from "node:fs";

type Three = readonly [precision: number, recall: number, f1: number];

export interface PairGolden {
  readonly kind: "pair";
  readonly answer: string;
  readonly reference: string;
  readonly squad: {
    readonly exact: number;
    readonly precision: number;
    readonly recall: number;
    readonly f1: number;
  };
  readonly rouge: Readonly<Record<"rouge1" | "rouge2" | "rougeL", Three>>;
  readonly bleu: number;
  readonly bleu_words: readonly string[];
  readonly chrf: number;
}

interface CorpusGolden {
  readonly kind: "corpus";
  readonly rows: readonly number[];
  readonly bleu: number;
  readonly chrf: number;
}

interface ClassificationGolden {
  readonly kind: "classification";
  readonly K: number;
  readonly actual: readonly number[];
  readonly predicted: readonly number[];
  readonly accuracy: number;
  readonly macro: Three;
  readonly weighted: Three;
  readonly per_class: readonly (readonly number[])[];
  readonly confusion: readonly (readonly number[])[];
}

interface NextTokenGolden {
  readonly kind: "next_token";
  readonly V: number;
  readonly actual: readonly number[];
  readonly predicted: readonly number[];
  readonly accuracy: number;
  readonly macro: Three;
}

interface PercentileGolden {
  readonly kind: "percentile";
  readonly values: readonly number[];
  readonly shares: readonly number[];
  readonly expected: readonly number[];
}

type Golden = PairGolden | CorpusGolden | ClassificationGolden | NextTokenGolden | PercentileGolden;

const all = readFileSync(new URL("goldens.jsonl", import.meta.url), "utf8")
  .trimEnd()
  .split("\n")
  .map((line) => JSON.parse(line) as Golden);

export function goldens<Kind extends Golden["kind"]>(kind: Kind): readonly Extract<Golden, { kind: Kind }>[] {
  return all.filter((golden) => golden.kind === kind) as Extract<Golden, { kind: Kind }>[];
}

/** How near a score must come to Python's. */
export const DIGITS = 9;
