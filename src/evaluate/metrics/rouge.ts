// An answer and its reference -> ROUGE-1, ROUGE-2 and ROUGE-L, each with precision, recall and F1.
import { bagOf, ngrams, type PrecisionRecallF1, precisionRecallF1, sharedItems } from "./overlap.js";

/** Each score in 0..1; of many rows the score is the mean. */
export interface RougeScores {
  readonly rouge1: PrecisionRecallF1;
  readonly rouge2: PrecisionRecallF1;
  readonly rougeL: PrecisionRecallF1;
}

/**
 * ROUGE as Google's `rouge_score` computes it with its default tokenizer and `use_stemmer=False`; an empty text scores 0.
 * Source: https://github.com/google-research/google-research/tree/master/rouge, after Lin 2004, https://aclanthology.org/W04-1013/
 */
export function rougeScores(answer: string, reference: string): RougeScores {
  const predicted = rougeWords(answer);
  const actual = rougeWords(reference);
  return {
    rouge1: rougeN(predicted, actual, 1),
    rouge2: rougeN(predicted, actual, 2),
    rougeL: precisionRecallF1(longestCommonSubsequence(predicted, actual), predicted.length, actual.length),
  };
}

/** Runs of a–z and 0–9 of the lowercased text. All other letters separate: "café" is "caf", a Chinese text has no word. */
export function rougeWords(text: string): string[] {
  return text.toLowerCase().match(/[a-z0-9]+/g) ?? [];
}

function rougeN(predicted: readonly string[], actual: readonly string[], n: number): PrecisionRecallF1 {
  const hits = sharedItems(bagOf(ngrams(predicted, n)), bagOf(ngrams(actual, n)));
  return precisionRecallF1(hits, Math.max(predicted.length - n + 1, 0), Math.max(actual.length - n + 1, 0));
}

/** Length of the longest sequence of words that both have in this order, with gaps. */
function longestCommonSubsequence(a: readonly string[], b: readonly string[]): number {
  const ids = new Map<string, number>();
  const idsOf = (words: readonly string[]) =>
    Uint32Array.from(words, (word) => {
      if (!ids.has(word)) ids.set(word, ids.size);
      return ids.get(word)!;
    });
  const [left, right] = [idsOf(a), idsOf(b)];
  // lengths[j]: the longest of left[..i] and right[..j], row i after row i.
  const lengths = new Uint32Array(right.length + 1);
  for (const word of left) {
    let diagonal = 0;
    for (let j = 0; j < right.length; j++) {
      const above = lengths[j + 1]!;
      lengths[j + 1] = word === right[j] ? diagonal + 1 : Math.max(above, lengths[j]!);
      diagonal = above;
    }
  }
  return lengths[right.length]!;
}
