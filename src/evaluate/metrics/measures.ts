// Answered rows -> what is counted of each row, and how sums of these counts become scores.
import { BLEU_WIDTH, bleuOfCounts, bleuStatistics } from "./bleu.js";
import type { ScoresOfSums } from "./bootstrap.js";
import { CHRF_WIDTH, chrfOfCounts, chrfStatistics } from "./chrf.js";
import { classificationOfCounts, classificationStatistics } from "./classification.js";
import { exactMatch, normalizedExactMatch } from "./exact_match.js";
import type { LabelMetric, TextMetric } from "./names.js";
import { ratio } from "./overlap.js";
import { rougeScores } from "./rouge.js";
import { squadScores } from "./squad.js";
import { denseStatistics, joinStatistics, type RowStatistics, sparseStatistics } from "./statistics.js";

/** An answer beside its reference. */
export interface AnsweredRow {
  readonly reference: string;
  readonly answer: string;
  /** Whether the answer ended by itself. */
  readonly stopped: boolean;
  /** Number of tokens of the answer. */
  readonly tokens: number;
  /** The right label, of a row whose answer is one of a few. */
  readonly label?: string | undefined;
}

/** What is counted of each row, and the scores of sums. */
export interface Measure<Name extends string> {
  readonly statistics: RowStatistics;
  readonly scores: ScoresOfSums<Name>;
}

/** Measures of the same rows as one. */
export function joinMeasures<A extends string, B extends string>(
  a: Measure<A>,
  b: Measure<B>,
): Measure<A | B> {
  const width = a.statistics.width;
  return {
    statistics: joinStatistics([a.statistics, b.statistics]),
    scores: (sums, rows) =>
      ({ ...a.scores(sums.subarray(0, width), rows), ...b.scores(sums.subarray(width), rows) }) as Record<
        A | B,
        number
      >,
  };
}

/** All that can be said of the text of answers. */
export function textMeasure(rows: readonly AnsweredRow[]): Measure<TextMetric> {
  const perRow = rows.map(meansOfRow);
  const names = Object.keys(perRow[0] ?? {}) as RowMean[];
  const means: Measure<RowMean> = {
    statistics: denseStatistics(
      names.length,
      perRow.map((scores) => names.map((name) => scores[name])),
    ),
    scores: (sums, count) =>
      Object.fromEntries(names.map((name, i) => [name, ratio(sums[i]!, count)])) as Record<RowMean, number>,
  };
  const bleu: Measure<"bleu"> = {
    statistics: denseStatistics(
      BLEU_WIDTH,
      rows.map(({ answer, reference }) => bleuStatistics(answer, reference)),
    ),
    scores: (sums) => ({ bleu: bleuOfCounts(sums) }),
  };
  const chrf: Measure<"chrf"> = {
    statistics: denseStatistics(
      CHRF_WIDTH,
      rows.map(({ answer, reference }) => chrfStatistics(answer, reference)),
    ),
    scores: (sums) => ({ chrf: chrfOfCounts(sums) }),
  };
  return joinMeasures(joinMeasures(means, bleu), chrf);
}

/** Scores of a row whose mean over rows is the metric. */
type RowMean = Exclude<TextMetric, "bleu" | "chrf">;

function meansOfRow({ answer, reference, stopped, tokens }: AnsweredRow): Record<RowMean, number> {
  const squad = squadScores(answer, reference);
  const { rouge1, rouge2, rougeL } = rougeScores(answer, reference);
  return {
    exact_match: exactMatch(answer, reference),
    normalized_exact_match: normalizedExactMatch(answer, reference),
    precision: squad.precision,
    recall: squad.recall,
    f1: squad.f1,
    rouge1_precision: rouge1.precision,
    rouge1_recall: rouge1.recall,
    rouge1_f1: rouge1.f1,
    rouge2_precision: rouge2.precision,
    rouge2_recall: rouge2.recall,
    rouge2_f1: rouge2.f1,
    rougeL_precision: rougeL.precision,
    rougeL_recall: rougeL.recall,
    rougeL_f1: rougeL.f1,
    stop_rate: stopped ? 1 : 0,
    mean_length: tokens,
  };
}

/** What an answer means beside the right label; rows without a label count for nothing. */
export interface LabeledRow {
  readonly label: string | undefined;
  /** undefined when the answer means no label. */
  readonly meant: string | undefined;
}

/** All that can be said of the labels that answers mean. */
export function labelMeasure(labels: readonly string[], rows: readonly LabeledRow[]): Measure<LabelMetric> {
  const closed = rows.filter(({ label }) => label !== undefined);
  const counted = classificationStatistics(
    labels,
    closed.map(({ label }) => label!),
    closed.map(({ meant }) => meant),
  );
  // Rows without a label are empty: their start is the start of the next row that has one.
  const starts = new Uint32Array(rows.length + 1);
  let before = 0;
  for (const [r, { label }] of rows.entries()) {
    if (label !== undefined) before++;
    starts[r + 1] = counted.starts[before]!;
  }
  const unmatched = sparseStatistics(
    1,
    rows.map(({ label, meant }) => (label !== undefined && meant === undefined ? [[0, 1]] : [])),
  );
  return {
    statistics: joinStatistics([{ ...counted, rows: rows.length, starts }, unmatched]),
    scores: (sums) => {
      const { accuracy, macro, weighted, total } = classificationOfCounts(
        sums.subarray(0, 3 * labels.length),
      );
      return {
        accuracy,
        macro_precision: macro.precision,
        macro_recall: macro.recall,
        macro_f1: macro.f1,
        weighted_precision: weighted.precision,
        weighted_recall: weighted.recall,
        weighted_f1: weighted.f1,
        no_label_rate: ratio(sums[3 * labels.length]!, total),
      };
    },
  };
}
