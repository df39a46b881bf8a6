// 999 rows of alpaca-gpt4 with the tokenizer of stories15M: every id, label and figure against an independent program.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { batchesOfEpoch } from "../../src/data/batches.js";
import { paddingId } from "../../src/data/encode.js";
import { prepareDataset } from "../../src/data/prepare.js";
import type { Row } from "../../src/data/types.js";
import { loadTokenizer } from "../../src/formats/tokenizer.js";

interface Figures {
  readonly rows: number;
  readonly kept: number;
  readonly empty: number;
  readonly cut: number;
  readonly truncatedRows: number;
  readonly tokens: number;
  readonly trainedTokens: number;
  readonly ended: number;
  readonly max: number;
  readonly hash: string;
}

const shared = process.env.PHINETUNE_SHARED ?? "../shared";
const figures = JSON.parse(
  readFileSync(new URL("../fixtures/data_figures.json", import.meta.url), "utf8"),
) as Record<string, Figures>;
const source = join(shared, "data/alpaca_gpt4_sample_999.json");
const rows = (JSON.parse(readFileSync(source, "utf8")) as Row["fields"][]).map((fields, i) => ({
  source,
  line: i + 1,
  fields,
}));
const tokenizer = await loadTokenizer(join(shared, "models/stories15M"));

it.each(Object.entries(figures))(
  "equals the independent program at a limit of %s tokens",
  async (limit, wanted) => {
    const { encoded, statistics, format } = await prepareDataset({
      rows,
      tokenizer,
      maxLength: Number(limit),
      completionOnlyLoss: true,
      vocabSize: 32000,
    });
    expect(format).toBe("alpaca");
    const hash = createHash("sha256");
    for (const { inputIds, labels } of encoded) {
      hash.update(new Uint8Array(inputIds.buffer));
      hash.update(new Uint8Array(labels.buffer));
    }
    expect({
      rows: statistics.rows,
      kept: statistics.kept,
      empty: statistics.dropped["empty answer"] ?? 0,
      cut: statistics.dropped["answer truncated"] ?? 0,
      truncatedRows: statistics.truncatedRows,
      tokens: statistics.tokens,
      trainedTokens: statistics.trainedTokens,
      ended: Math.round(statistics.answersEndingInEos * statistics.answers),
      max: statistics.length.max,
      hash: hash.digest("hex"),
    }).toEqual(wanted);
  },
);

it("saves most of the padding by grouping", async () => {
  const { encoded, statistics } = await prepareDataset({
    rows,
    tokenizer,
    maxLength: 256,
    completionOnlyLoss: true,
    vocabSize: 32000,
  });
  const positions = (groupByLength: boolean): number => {
    let sum = 0;
    const settings = { batchSize: 8, seed: 1, epoch: 0, groupByLength, padTokenId: paddingId(tokenizer) };
    for (const { B, T } of batchesOfEpoch(encoded, settings)) sum += B * T;
    return sum - statistics.tokens;
  };
  expect(positions(true)).toBeLessThan(positions(false) / 4);
});
