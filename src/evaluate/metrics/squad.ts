// An answer and its reference -> precision, recall and F1 of their bags of words, as SQuAD counts them.
import { answerWords } from "./exact_match.js";
import { bagOf, type PrecisionRecallF1, precisionRecallF1, sharedItems } from "./overlap.js";

/**
 * Words in common over words of the answer, over words of the reference, and F1; each in 0..1.
 * When either has no word left, all three are 1 if both have none, else 0.
 * Source: `compute_f1` of SQuAD 2.0's official evaluation script, https://rajpurkar.github.io/SQuAD-explorer/
 * (https://arxiv.org/abs/1806.03822); it has the same precision and recall inside. The score of many rows is their mean.
 */
export function squadScores(answer: string, reference: string): PrecisionRecallF1 {
  const predicted = answerWords(answer);
  const actual = answerWords(reference);
  if (predicted.length === 0 || actual.length === 0) {
    const same = predicted.length === actual.length ? 1 : 0;
    return { precision: same, recall: same, f1: same };
  }
  const hits = sharedItems(bagOf(predicted), bagOf(actual));
  return precisionRecallF1(hits, predicted.length, actual.length);
}
