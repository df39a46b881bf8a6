// What `eval` finds out about a base and its adapters on the same rows, and the rows where they differ most.
import type { DatasetStatistics } from "../data/statistics.js";
import type { LabelSummary } from "./metrics/index.js";
import type { Changes, Scores } from "./scorecard.js";

/** One model: the base, or the base with an adapter. */
export interface SystemResult {
  /** `base`, or the folder of the adapter. */
  readonly name: string;
  readonly scores: Scores;
  /** Per label and with the confusion matrix, where rows have labels. */
  readonly labels: LabelSummary | undefined;
  /** Differences from the base with intervals; undefined for the base itself. */
  readonly changes: Changes | undefined;
  /** Scores of the rows of each task, where rows have one. */
  readonly tasks: Readonly<Record<string, Scores>>;
  readonly seconds: number;
}

/** A row with the answers of all models, in their order. */
export interface ComparedRow {
  readonly source: string;
  readonly line: number;
  readonly prompt: string;
  readonly reference: string;
  readonly task: string | undefined;
  readonly label: string | undefined;
  readonly losses: readonly number[];
  readonly answers: readonly { readonly text: string; readonly f1: number; readonly stopped: boolean }[];
}

export interface CompareResult {
  readonly rows: readonly ComparedRow[];
  readonly trainedTokens: number;
  readonly statistics: DatasetStatistics;
  readonly systems: readonly SystemResult[];
}

/** Rows where the answers of one model are nearest to the reference, and farthest from it, beside those of the base: by F1. */
export function changedMost(
  rows: readonly ComparedRow[],
  system: number,
  count: number,
): { readonly improved: readonly ComparedRow[]; readonly worsened: readonly ComparedRow[] } {
  const answered = rows.filter(({ answers }) => answers.length > system);
  const gain = ({ answers }: ComparedRow) => answers[system]!.f1 - answers[0]!.f1;
  const ordered = [...answered].sort((a, b) => gain(b) - gain(a));
  return {
    improved: ordered.slice(0, count).filter((row) => gain(row) > 0),
    worsened: ordered
      .reverse()
      .slice(0, count)
      .filter((row) => gain(row) < 0),
  };
}
