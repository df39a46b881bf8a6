// Answers and references -> BLEU, by counts that can be summed over any selection of rows.
import { bagOf, ngrams, sharedItems } from "./overlap.js";
import { splitWords, stripEnd } from "./words.js";

const ORDERS = 4;

/** Width of `bleuStatistics`. */
export const BLEU_WIDTH = 2 + 2 * ORDERS;

/**
 * Counts of one row, in sacrebleu's order: words of the answer, words of the reference, n-grams in common for n = 1…4,
 * n-grams of the answer for n = 1…4.
 */
export function bleuStatistics(answer: string, reference: string): Float64Array {
  const [predicted, actual] = [bleuWords(answer), bleuWords(reference)];
  const counts = new Float64Array(BLEU_WIDTH);
  counts[0] = predicted.length;
  counts[1] = actual.length;
  for (let n = 1; n <= ORDERS; n++) {
    counts[1 + n] = sharedItems(bagOf(ngrams(predicted, n)), bagOf(ngrams(actual, n)));
    counts[1 + ORDERS + n] = Math.max(predicted.length - n + 1, 0);
  }
  return counts;
}

/**
 * BLEU in 0..100 of summed counts, equal to sacrebleu 2.6 (signature `nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp`).
 * @param effectiveOrder leaves out the orders for which the answer is too short: for a single sentence
 * Source: `BLEU.compute_bleu` of https://github.com/mjpost/sacrebleu (Post 2018, https://arxiv.org/abs/1804.08771),
 * after Papineni et al. 2002, https://aclanthology.org/P02-1040/
 */
export function bleuOfCounts(counts: ArrayLike<number>, effectiveOrder = false): number {
  const [predicted, actual] = [counts[0]!, counts[1]!];
  let logSum = 0;
  let orders = 0;
  let anyHit = false;
  // "exp" smoothing: the k-th order without a hit counts as 2^-k hits.
  let smoothing = 1;
  for (let n = 1; n <= ORDERS; n++) {
    const [hits, total] = [counts[1 + n]!, counts[1 + ORDERS + n]!];
    if (total === 0) break;
    anyHit ||= hits > 0;
    if (hits === 0) smoothing *= 2;
    logSum += Math.log(hits === 0 ? 100 / (smoothing * total) : (100 * hits) / total);
    orders = n;
  }
  if (!anyHit || (orders < ORDERS && !effectiveOrder)) return 0;
  const brevityPenalty = predicted < actual ? Math.exp(1 - actual / predicted) : 1;
  return brevityPenalty * Math.exp(logSum / orders);
}

/** BLEU of all rows together: sacrebleu's `corpus_bleu`. */
export function corpusBleu(answers: readonly string[], references: readonly string[]): number {
  const sums = new Float64Array(BLEU_WIDTH);
  for (const [row, answer] of answers.entries())
    for (const [i, count] of bleuStatistics(answer, references[row]!).entries()) sums[i]! += count;
  return bleuOfCounts(sums);
}

/** BLEU of one row: sacrebleu's `sentence_bleu`, with effective order. */
export function sentenceBleu(answer: string, reference: string): number {
  return bleuOfCounts(bleuStatistics(answer, reference), true);
}

/**
 * Words by the rules of mteval-v13a: punctuation apart, but full stop and comma within numbers.
 * Source: `tokenizer_13a.py` and `tokenizer_re.py` of https://github.com/mjpost/sacrebleu
 */
export function bleuWords(text: string): string[] {
  const plain = stripEnd(text)
    .replaceAll("<skipped>", "")
    .replaceAll("-\n", "")
    .replaceAll("\n", " ")
    .replaceAll("&quot;", '"')
    .replaceAll("&amp;", "&")
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">");
  return splitWords(
    ` ${plain} `
      .replace(/([{-~[-` -&(-+:-@/])/gu, " $1 ")
      .replace(/([^0-9])([.,])/gu, "$1 $2 ")
      .replace(/([.,])([^0-9])/gu, " $1 $2")
      .replace(/([0-9])(-)/gu, "$1 $2 "),
  );
}
