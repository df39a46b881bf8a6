// Answers and references -> chrF, by counts that can be summed over any selection of rows.
import { type Bag, bagOf, sharedItems } from "./overlap.js";
import { splitWords } from "./words.js";

const ORDERS = 6;
/** Recall weighs β² as much as precision. */
const BETA_SQUARED = 4;

/** Width of `chrfStatistics`. */
export const CHRF_WIDTH = 3 * ORDERS;

/** Counts of one row: for n = 1…6 the character n-grams of the answer, of the reference, and in common. */
export function chrfStatistics(answer: string, reference: string): Float64Array {
  const [predicted, actual] = [characters(answer), characters(reference)];
  const counts = new Float64Array(CHRF_WIDTH);
  for (let n = 1; n <= ORDERS; n++) {
    const total = Math.max(actual.length - n + 1, 0);
    // sacrebleu counts no n-grams of the answer where the reference is too short to have one.
    counts[3 * n - 3] = total > 0 ? Math.max(predicted.length - n + 1, 0) : 0;
    counts[3 * n - 2] = total;
    counts[3 * n - 1] = sharedItems(characterNgrams(predicted, n), characterNgrams(actual, n));
  }
  return counts;
}

/**
 * chrF2 in 0..100 of summed counts, equal to sacrebleu 2.6 (signature `nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no`):
 * F of the mean precision and the mean recall over the orders that both sides have.
 * Source: `CHRF._compute_f_score` of https://github.com/mjpost/sacrebleu, after Popović 2015, https://aclanthology.org/W15-3049/
 */
export function chrfOfCounts(counts: ArrayLike<number>): number {
  let [precision, recall, orders] = [0, 0, 0];
  for (let i = 0; i < CHRF_WIDTH; i += 3) {
    const [predicted, actual, hits] = [counts[i]!, counts[i + 1]!, counts[i + 2]!];
    if (predicted === 0 || actual === 0) continue;
    precision += hits / predicted;
    recall += hits / actual;
    orders++;
  }
  if (precision + recall === 0) return 0;
  precision /= orders;
  recall /= orders;
  return (100 * (1 + BETA_SQUARED) * precision * recall) / (BETA_SQUARED * precision + recall);
}

/** chrF of all rows together: sacrebleu's `corpus_chrf`. */
export function corpusChrf(answers: readonly string[], references: readonly string[]): number {
  const sums = new Float64Array(CHRF_WIDTH);
  for (const [row, answer] of answers.entries())
    for (const [i, count] of chrfStatistics(answer, references[row]!).entries()) sums[i]! += count;
  return chrfOfCounts(sums);
}

/** chrF of one row: sacrebleu's `sentence_chrf`. */
export function sentenceChrf(answer: string, reference: string): number {
  return chrfOfCounts(chrfStatistics(answer, reference));
}

/** Code points, without whitespace. */
function characters(text: string): readonly string[] {
  return Array.from(splitWords(text).join(""));
}

function characterNgrams(characters: readonly string[], n: number): Bag {
  return bagOf(runs(characters, n));
}

function* runs(characters: readonly string[], n: number): Generator<string> {
  for (let i = 0; i + n <= characters.length; i++) {
    let run = "";
    for (let j = i; j < i + n; j++) run += characters[j]!;
    yield run;
  }
}
