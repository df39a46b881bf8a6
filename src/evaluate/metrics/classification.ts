// True and predicted labels -> the confusion matrix and its scores.
import { fail } from "../../errors.js";
import {
  type AveragedClassScores,
  averageClassScores,
  type ClassCounts,
  classCountsOf,
  classScores,
} from "./class_scores.js";
import type { PrecisionRecallF1 } from "./overlap.js";
import { type RowStatistics, type SparseRow, sparseStatistics } from "./statistics.js";

/** How often each label (row) was answered by each label (column); the last column counts answers that are no label. */
export interface ConfusionMatrix {
  readonly labels: readonly string[];
  /** [K, K + 1] */
  readonly counts: readonly (readonly number[])[];
}

export interface ClassReport extends PrecisionRecallF1 {
  readonly label: string;
  /** Rows that have this label. */
  readonly support: number;
}

export interface ClassificationScores extends AveragedClassScores {
  readonly perClass: readonly ClassReport[];
}

/** @param predicted undefined where the answer is no label */
export function confusionMatrix(
  labels: readonly string[],
  actual: readonly string[],
  predicted: readonly (string | undefined)[],
): ConfusionMatrix {
  const counts = labels.map(() => new Array<number>(labels.length + 1).fill(0));
  for (const { truth, guess } of labelPairs(labels, actual, predicted)) counts[truth]![guess]! += 1;
  return { labels, counts };
}

/**
 * Accuracy, and precision, recall and F1 per class, macro and weighted; all in 0..1.
 * An answer that is no label is wrong: it lowers accuracy and its class's recall, and no class's precision.
 * Equal to scikit-learn's `precision_recall_fscore_support(labels=those that occur, zero_division=0)` and `accuracy_score`,
 * https://scikit-learn.org/stable/modules/model_evaluation.html
 */
export function classificationScores({ labels, counts }: ConfusionMatrix): ClassificationScores {
  const classes: ClassCounts = {
    truePositives: Float64Array.from(labels, (_, k) => counts[k]![k]!),
    predicted: Float64Array.from(labels, (_, k) => counts.reduce((sum, row) => sum + row[k]!, 0)),
    actual: Float64Array.from(labels, (_, k) => counts[k]!.reduce((sum, count) => sum + count, 0)),
  };
  const perClass = labels.map((label, k) => ({
    label,
    ...classScores(classes, k),
    support: classes.actual[k]!,
  }));
  return { ...averageClassScores(classes), perClass };
}

/** Per-row counts of width 3·K, to be summed over any selection of rows and scored by `classificationOfCounts`. */
export function classificationStatistics(
  labels: readonly string[],
  actual: readonly string[],
  predicted: readonly (string | undefined)[],
): RowStatistics {
  const K = labels.length;
  return sparseStatistics(
    3 * K,
    labelPairs(labels, actual, predicted).map(({ truth, guess }) => classRow(K, truth, guess)),
  );
}

/** Scores of summed `classificationStatistics`. */
export function classificationOfCounts(sums: Float64Array): AveragedClassScores {
  return averageClassScores(classCountsOf(sums));
}

function classRow(K: number, truth: number, guess: number): SparseRow {
  const row: [number, number][] = [[2 * K + truth, 1]];
  if (guess < K) row.push([K + guess, 1]);
  if (guess === truth) row.push([truth, 1]);
  return row;
}

/** Labels as their numbers; K stands for an answer that is no label. */
function labelPairs(
  labels: readonly string[],
  actual: readonly string[],
  predicted: readonly (string | undefined)[],
): { readonly truth: number; readonly guess: number }[] {
  if (actual.length !== predicted.length)
    fail("data", `there are ${actual.length} labels, but ${predicted.length} predictions`);
  const numbers = new Map(labels.map((label, k) => [label, k]));
  return actual.map((label, row) => ({
    truth:
      numbers.get(label) ??
      fail("data", `the label ${JSON.stringify(label)} is none of the ${labels.length} labels`, {
        where: `row ${row + 1}`,
      }),
    guess: guessOf(numbers, predicted[row]),
  }));
}

function guessOf(numbers: ReadonlyMap<string, number>, predicted: string | undefined): number {
  return (predicted === undefined ? undefined : numbers.get(predicted)) ?? numbers.size;
}
