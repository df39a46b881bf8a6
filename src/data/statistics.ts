// Encoded examples -> the figures that show, before a run, what would be trained on.
import type { DropReason } from "./encode.js";
import { type Encoded, IGNORED_LABEL } from "./types.js";

/** A row that is not trained on. */
export interface DroppedRow {
  readonly source: string;
  readonly line: number;
  readonly reason: DropReason;
}

export interface DatasetStatistics {
  /** Rows read. */
  readonly rows: number;
  /** Rows kept. */
  readonly kept: number;
  /** Rows left out, by reason. */
  readonly dropped: Readonly<Partial<Record<DropReason, number>>>;
  /** Kept rows that lost tokens at their end, and how many tokens. */
  readonly truncatedRows: number;
  readonly truncatedTokens: number;
  /** Tokens of the kept rows. */
  readonly tokens: number;
  /** Tokens that count in the loss: labels at position 1 and later. */
  readonly trainedTokens: number;
  /** Stretches of trained tokens, and the share of them that ends with a trained stop token (0 when there are none). */
  readonly answers: number;
  readonly answersEndingInEos: number;
  /** Length of the kept rows in tokens. */
  readonly length: {
    readonly min: number;
    readonly mean: number;
    readonly median: number;
    readonly max: number;
  };
  /** Rows by length, in classes that double: `upTo` 32, 64, 128, … */
  readonly histogram: readonly { readonly upTo: number; readonly rows: number }[];
}

/** Computes the figures. @param stopTokenIds the ids that end an answer */
export function summarize(
  encoded: readonly Encoded[],
  dropped: readonly DroppedRow[],
  stopTokenIds: readonly number[],
): DatasetStatistics {
  const stops = new Set(stopTokenIds);
  const byReason: Partial<Record<DropReason, number>> = {};
  for (const { reason } of dropped) byReason[reason] = (byReason[reason] ?? 0) + 1;
  let [tokens, trainedTokens, truncatedTokens, answers, ended] = [0, 0, 0, 0, 0];
  for (const { labels, ...row } of encoded) {
    tokens += labels.length;
    truncatedTokens += row.truncatedTokens;
    labels.forEach((label, i) => {
      if (label === IGNORED_LABEL) return;
      if (i > 0) trainedTokens++;
      if (i + 1 < labels.length && labels[i + 1] !== IGNORED_LABEL) return;
      answers++;
      if (stops.has(label)) ended++;
    });
  }
  const lengths = encoded.map((row) => row.inputIds.length).sort((a, b) => a - b);
  return {
    rows: encoded.length + dropped.length,
    kept: encoded.length,
    dropped: byReason,
    truncatedRows: encoded.filter((row) => row.truncatedTokens > 0).length,
    truncatedTokens,
    tokens,
    trainedTokens,
    answers,
    answersEndingInEos: answers === 0 ? 0 : ended / answers,
    length: {
      min: lengths[0] ?? 0,
      mean: lengths.length === 0 ? 0 : tokens / lengths.length,
      median: median(lengths),
      max: lengths.at(-1) ?? 0,
    },
    histogram: histogramOf(lengths),
  };
}

function median(sorted: readonly number[]): number {
  if (sorted.length === 0) return 0;
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function histogramOf(sorted: readonly number[]): { upTo: number; rows: number }[] {
  const longest = sorted.at(-1);
  if (longest === undefined) return [];
  const classes = [{ upTo: 32, rows: 0 }];
  while (classes.at(-1)!.upTo < longest) classes.push({ upTo: classes.at(-1)!.upTo * 2, rows: 0 });
  for (const length of sorted) classes.find(({ upTo }) => length <= upTo)!.rows++;
  return classes;
}
