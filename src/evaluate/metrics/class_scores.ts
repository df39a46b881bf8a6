// Hits, predictions and true members of each class -> precision, recall and F1, per class and averaged.
import { type PrecisionRecallF1, precisionRecallF1, ratio } from "./overlap.js";

/** Counts for each of K classes; all that the scores need. */
export interface ClassCounts {
  /** How often the class was predicted and right. */
  readonly truePositives: Uint32Array | Float64Array;
  /** How often it was predicted. */
  readonly predicted: Uint32Array | Float64Array;
  /** How often it was right to predict it: its support. */
  readonly actual: Uint32Array | Float64Array;
}

export interface AveragedClassScores {
  /** Share of right predictions, in 0..1; it equals micro precision, recall and F1. */
  readonly accuracy: number;
  /** Mean over the classes that occur, among predictions or truths; each in 0..1. */
  readonly macro: PrecisionRecallF1;
  /** Mean over classes, weighted by their support; each in 0..1. */
  readonly weighted: PrecisionRecallF1;
  /** Number of predictions. */
  readonly total: number;
  /** Number of classes that occur. */
  readonly classes: number;
}

/** Scores of one class, 0 where the divisor is 0. */
export function classScores(counts: ClassCounts, index: number): PrecisionRecallF1 {
  return precisionRecallF1(counts.truePositives[index]!, counts.predicted[index]!, counts.actual[index]!);
}

/**
 * Averages over classes. A class that neither is predicted nor is true of any row does not enter the macro mean, as in
 * scikit-learn's `precision_recall_fscore_support(zero_division=0)` without `labels`
 * (https://scikit-learn.org/stable/modules/model_evaluation.html) and torchmetrics' `MulticlassF1Score`
 * (https://lightning.ai/docs/torchmetrics). Macro F1 is the mean of the classes' F1, not the F1 of means.
 */
export function averageClassScores(counts: ClassCounts): AveragedClassScores {
  const macro = { precision: 0, recall: 0, f1: 0 };
  const weighted = { precision: 0, recall: 0, f1: 0 };
  let [hits, total, classes] = [0, 0, 0];
  for (let index = 0; index < counts.actual.length; index++) {
    const support = counts.actual[index]!;
    if (support === 0 && counts.predicted[index] === 0) continue;
    classes++;
    hits += counts.truePositives[index]!;
    total += support;
    const scores = classScores(counts, index);
    add(macro, scores, 1);
    add(weighted, scores, support);
  }
  return {
    accuracy: ratio(hits, total),
    macro: divided(macro, classes),
    weighted: divided(weighted, total),
    total,
    classes,
  };
}

type Sums = { -readonly [score in keyof PrecisionRecallF1]: number };

function add(sums: Sums, scores: PrecisionRecallF1, weight: number): void {
  sums.precision += weight * scores.precision;
  sums.recall += weight * scores.recall;
  sums.f1 += weight * scores.f1;
}

function divided(sums: Sums, by: number): PrecisionRecallF1 {
  return { precision: ratio(sums.precision, by), recall: ratio(sums.recall, by), f1: ratio(sums.f1, by) };
}

/** Counts laid out as [truePositives, predicted, actual], 3·K numbers, as sums over rows have them. */
export function classCountsOf(sums: Float64Array): ClassCounts {
  const K = sums.length / 3;
  return {
    truePositives: sums.subarray(0, K),
    predicted: sums.subarray(K, 2 * K),
    actual: sums.subarray(2 * K),
  };
}
