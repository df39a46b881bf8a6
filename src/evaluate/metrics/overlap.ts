// Two bags of items -> how much they share, as precision, recall and F1.

/** Each in 0..1. */
export interface PrecisionRecallF1 {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

/** How often each item occurs. */
export type Bag = ReadonlyMap<string, number>;

export function bagOf(items: Iterable<string>): Bag {
  const bag = new Map<string, number>();
  for (const item of items) bag.set(item, (bag.get(item) ?? 0) + 1);
  return bag;
}

/** Number of items in common, an item counted as often as both have it. */
export function sharedItems(a: Bag, b: Bag): number {
  let shared = 0;
  for (const [item, count] of a) shared += Math.min(count, b.get(item) ?? 0);
  return shared;
}

/** Runs of n neighbouring words; there are max(0, words − n + 1). */
export function* ngrams(words: readonly string[], n: number): Generator<string> {
  for (let i = 0; i + n <= words.length; i++) yield words.slice(i, i + n).join(" ");
}

/** hits/predicted, hits/actual and their harmonic mean; a quotient with divisor 0 is 0. */
export function precisionRecallF1(hits: number, predicted: number, actual: number): PrecisionRecallF1 {
  return {
    precision: ratio(hits, predicted),
    recall: ratio(hits, actual),
    // 2pr/(p + r) with p = hits/predicted and r = hits/actual.
    f1: ratio(2 * hits, predicted + actual),
  };
}

/** The mean of each score over rows; 0 without rows. */
export function meanScores(rows: readonly PrecisionRecallF1[]): PrecisionRecallF1 {
  const mean = (score: keyof PrecisionRecallF1) =>
    ratio(
      rows.reduce((sum, row) => sum + row[score], 0),
      rows.length,
    );
  return { precision: mean("precision"), recall: mean("recall"), f1: mean("f1") };
}

/** A quotient, 0 when the divisor is 0: scikit-learn's `zero_division=0`. */
export function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
