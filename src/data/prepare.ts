// Rows of a data set -> encoded examples with their statistics, or all faults of all rows at once.
import { type Fault, fail, failIfAny } from "../errors.js";
import type { Tokenizer } from "../formats/tokenizer.js";
import {
  checkVocabulary,
  type DropReason,
  type EncodeSettings,
  encodeExample,
  truncateEncoded,
} from "./encode.js";
import { detectFormat, type RowFormat, type RowOptions } from "./formats.js";
import { collectInto, renderExample } from "./shapes.js";
import { type DatasetStatistics, type DroppedRow, summarize } from "./statistics.js";
import { readTokenized } from "./tokenized.js";
import type { Encoded, Row } from "./types.js";

export interface PrepareSettings extends EncodeSettings, RowOptions {
  readonly rows: AsyncIterable<Row> | Iterable<Row>;
  /** Undefined for a model without one: only rows of token ids can be read then. */
  readonly tokenizer: Tokenizer | undefined;
  /** Of the model: ids must be smaller. */
  readonly vocabSize: number;
}

export interface PreparedDataset {
  readonly format: RowFormat;
  /** The rows that can be trained on, in the order of the file. */
  readonly encoded: readonly Encoded[];
  /** What each of `encoded` was in the file. */
  readonly rows: readonly Row[];
  readonly dropped: readonly DroppedRow[];
  readonly statistics: DatasetStatistics;
}

/**
 * Detects the shape of the rows, renders, tokenises and cuts each.
 * @throws one PhinetuneError with the faults of every row; also when there are no rows, or none is left to train on.
 */
export async function prepareDataset(settings: PrepareSettings): Promise<PreparedDataset> {
  const { tokenizer, vocabSize, maxLength, columns } = settings;
  if (maxLength !== undefined && (!Number.isInteger(maxLength) || maxLength < 2))
    fail("usage", `a maximum length of ${maxLength} tokens is not possible`, {
      fix: "give a whole number of at least 2",
    });
  if (tokenizer) checkVocabulary(tokenizer, vocabSize);
  const rows: Row[] = [];
  for await (const row of settings.rows) rows.push(row);
  if (rows.length === 0)
    fail("data", "the data set has no rows", { fix: "give a file with at least one row" });
  const format = detectFormat(rows, settings);

  const faults: Fault[] = [];
  const collector = collectInto(faults);
  const encoded: Encoded[] = [];
  const kept: Row[] = [];
  const dropped: DroppedRow[] = [];
  const keep = (row: Row, result: Encoded | { readonly dropped: DropReason }): void => {
    if ("dropped" in result) {
      dropped.push({ source: row.source, line: row.line, reason: result.dropped });
      return;
    }
    encoded.push(result);
    kept.push(row);
  };
  for (const row of rows) {
    if (format === "tokenized") {
      const given = readTokenized(row, vocabSize, collector, columns);
      if (given) keep(row, truncateEncoded(given, settings));
      continue;
    }
    if (!tokenizer) failWithoutTokenizer(row);
    const example = renderExample(row, format, tokenizer, collector, columns);
    // With faults found, the rows after them are only looked at for more.
    if (example && faults.length === 0) keep(row, encodeExample(example, tokenizer, settings));
  }
  failIfAny(faults);
  const statistics = summarize(encoded, dropped, tokenizer?.stopTokenIds ?? []);
  if (encoded.length === 0) failWithNothingLeft(statistics, settings);
  return { format, encoded, rows: kept, dropped, statistics };
}

function failWithoutTokenizer({ source, line }: Row): never {
  return fail("tokenizer", "the rows are text, but the model's folder has no tokenizer.json", {
    where: `${source}:${line}`,
    fix: "add the model's tokenizer.json, or give rows with input_ids",
  });
}

function failWithNothingLeft({ rows, dropped }: DatasetStatistics, { maxLength }: PrepareSettings): never {
  const reasons = Object.entries(dropped).map(([reason, count]) => `${count} with ${reason}`);
  return fail("data", `none of the ${rows} rows can be trained on: ${reasons.join(", ")}`, {
    fix: dropped["answer truncated"]
      ? `raise the maximum length (${maxLength} tokens)`
      : "give rows whose answers are not empty",
  });
}
