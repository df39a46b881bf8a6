// Predicted and true next tokens, batch after batch -> precision, recall and F1 over the vocabulary; logits are never kept.
import { fail } from "../../errors.js";
import { averageClassScores, type ClassCounts, classCountsOf } from "./class_scores.js";
import { type RowStatistics, type SparseRow, sparseStatistics } from "./statistics.js";

/** Token ids, as typed arrays or plain ones. */
export type TokenIds = ArrayLike<number> | ArrayLike<bigint>;

/** Each in 0..1; macro over the tokens that occur among predictions or truths. */
export interface NextTokenScores {
  /** Share of tokens predicted rightly; it equals micro precision, recall and F1. */
  readonly token_accuracy: number;
  readonly next_token_macro_precision: number;
  readonly next_token_macro_recall: number;
  /** The mean of the tokens' F1. */
  readonly next_token_macro_f1: number;
}

/** Counts of a vocabulary, all 0: 3·V numbers. */
export function createNextTokenCounts(vocabSize: number): ClassCounts {
  return {
    truePositives: new Float64Array(vocabSize),
    predicted: new Float64Array(vocabSize),
    actual: new Float64Array(vocabSize),
  };
}

/** Adds predictions (the arg max of each trained position) and true tokens of a batch to the counts. */
export function countNextTokens(counts: ClassCounts, predicted: TokenIds, actual: TokenIds): void {
  checkLengths(predicted, actual);
  const V = counts.actual.length;
  for (let i = 0; i < actual.length; i++) {
    const [guess, truth] = [Number(predicted[i]), Number(actual[i])];
    // A typed array would ignore an id outside.
    if (!(guess >= 0 && guess < V && truth >= 0 && truth < V))
      fail("data", `token id ${truth >= 0 && truth < V ? guess : truth} is outside the vocabulary of ${V}`, {
        where: `position ${i}`,
      });
    counts.predicted[guess]! += 1;
    counts.actual[truth]! += 1;
    if (guess === truth) counts.truePositives[truth]! += 1;
  }
}

/**
 * Equal to scikit-learn's `precision_recall_fscore_support(average="macro", zero_division=0)` of all tokens as one list,
 * https://scikit-learn.org/stable/modules/model_evaluation.html, and to torchmetrics' `MulticlassF1Score(average="macro")`.
 */
export function nextTokenScores(counts: ClassCounts): NextTokenScores {
  const { accuracy, macro } = averageClassScores(counts);
  return {
    token_accuracy: accuracy,
    next_token_macro_precision: macro.precision,
    next_token_macro_recall: macro.recall,
    next_token_macro_f1: macro.f1,
  };
}

/** Per-row counts for a bootstrap over rows, scored by `nextTokenOfCounts`; only tokens that occur take a column. */
export function nextTokenStatistics(
  rows: readonly { readonly predicted: TokenIds; readonly actual: TokenIds }[],
): RowStatistics {
  const classes = new Map<number, number>();
  const classOf = (id: number | bigint | undefined) => {
    const number = Number(id);
    if (!classes.has(number)) classes.set(number, classes.size);
    return classes.get(number)!;
  };
  const numbered = rows.map(({ predicted, actual }) => {
    checkLengths(predicted, actual);
    return Array.from(
      { length: actual.length },
      (_, i) => [classOf(predicted[i]), classOf(actual[i])] as const,
    );
  });
  const K = classes.size;
  return sparseStatistics(
    3 * K,
    numbered.map((pairs) => countsOfRow(K, pairs)),
  );
}

/** Scores of summed `nextTokenStatistics`. */
export function nextTokenOfCounts(sums: Float64Array): NextTokenScores {
  return nextTokenScores(classCountsOf(sums));
}

function countsOfRow(K: number, pairs: readonly (readonly [guess: number, truth: number])[]): SparseRow {
  const counts = new Map<number, number>();
  const count = (column: number) => counts.set(column, (counts.get(column) ?? 0) + 1);
  for (const [guess, truth] of pairs) {
    count(K + guess);
    count(2 * K + truth);
    if (guess === truth) count(truth);
  }
  return [...counts];
}

function checkLengths(predicted: TokenIds, actual: TokenIds): void {
  if (predicted.length !== actual.length)
    fail("data", `there are ${predicted.length} predictions, but ${actual.length} tokens`);
}
