// Per-row statistics of two systems on the same rows -> the difference of their scores, with an interval.
import { fail } from "../../errors.js";
import { createRandom } from "../../random.js";
import { type RowStatistics, sumRows } from "./statistics.js";

export interface BootstrapOptions {
  /** How often the rows are drawn anew; 2000 by default. */
  readonly resamples?: number;
  /** The same seed gives the same rows, hence the same intervals; 0 by default. */
  readonly seed?: number | string;
  /** Share of resamples inside an interval; 0.95 by default. */
  readonly confidence?: number;
}

/** A score, and the percentiles between which it lies in the given share of resamples. */
export interface Estimate {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

export interface Comparison {
  readonly a: Estimate;
  readonly b: Estimate;
  /** b − a: above 0 where b scores higher. */
  readonly difference: Estimate;
  /**
   * Twice the smaller share of resamples with a difference on either side of 0 (0 itself is on both), at most 1: small
   * when the sign of the difference does not depend on which rows were asked. With one resample added to the share
   * (Davison & Hinkley 1997, section 4.2), so that it is never 0.
   */
  readonly p: number;
}

/** Score of the sums of rows: sums of the statistics, and the number of rows that were summed. */
export type ScoreOfSums = (sums: Float64Array, rows: number) => number;
/** Several scores by name; the names must be the same for all sums. */
export type ScoresOfSums<Name extends string> = (
  sums: Float64Array,
  rows: number,
) => Readonly<Record<Name, number>>;

/**
 * Paired bootstrap over rows with percentile intervals: a resample draws as many rows as there are, with replacement, the
 * same ones for both systems, and scores their sums; thus BLEU and macro F1 are resampled as what they are.
 * Sources: Efron & Tibshirani 1993, chapter 13; Koehn 2004, https://aclanthology.org/W04-3250/
 */
export function pairedBootstrap(
  a: RowStatistics,
  b: RowStatistics,
  score: ScoreOfSums,
  options: BootstrapOptions = {},
): Comparison {
  return pairedBootstraps(a, b, (sums, rows) => ({ score: score(sums, rows) }), options).score;
}

/** `pairedBootstrap` of several scores by the same resamples. */
export function pairedBootstraps<Name extends string>(
  a: RowStatistics,
  b: RowStatistics,
  scores: ScoresOfSums<Name>,
  { resamples = 2000, seed = 0, confidence = 0.95 }: BootstrapOptions = {},
): Record<Name, Comparison> {
  const { rows } = a;
  check(rows, b.rows, resamples, confidence);
  const [sumsA, sumsB] = [new Float64Array(a.width), new Float64Array(b.width)];
  const [wholeA, wholeB] = [scores(sumRows(a), rows), scores(sumRows(b), rows)];
  const names = Object.keys(wholeA) as Name[];
  const drawnA = names.map(() => new Float64Array(resamples));
  const drawnB = names.map(() => new Float64Array(resamples));
  const random = createRandom(seed, "bootstrap");
  const weights = new Uint32Array(rows);
  for (let sample = 0; sample < resamples; sample++) {
    weights.fill(0);
    for (let i = 0; i < rows; i++) weights[Math.floor((random.nextUint32() / 2 ** 32) * rows)]! += 1;
    const scoresA = scores(sumRows(a, weights, sumsA), rows);
    const scoresB = scores(sumRows(b, weights, sumsB), rows);
    for (const [i, name] of names.entries()) {
      drawnA[i]![sample] = scoresA[name];
      drawnB[i]![sample] = scoresB[name];
    }
  }
  const compared = names.map((name, i) => {
    const differences = drawnB[i]!.map((value, sample) => value - drawnA[i]![sample]!);
    return [
      name,
      {
        a: estimate(wholeA[name], drawnA[i]!, confidence),
        b: estimate(wholeB[name], drawnB[i]!, confidence),
        difference: estimate(wholeB[name] - wholeA[name], differences, confidence),
        p: signShare(differences),
      },
    ] as const;
  });
  return Object.fromEntries(compared) as Record<Name, Comparison>;
}

function estimate(value: number, drawn: Float64Array, confidence: number): Estimate {
  const sorted = drawn.slice().sort();
  const tail = (1 - confidence) / 2;
  return { value, low: percentile(sorted, tail), high: percentile(sorted, 1 - tail) };
}

/** The value below which a share of the sorted values lies, interpolated linearly as `numpy.percentile` does. */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  const position = share * (sorted.length - 1);
  const below = Math.floor(position);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below]! + (position - below) * (sorted[above]! - sorted[below]!);
}

function signShare(differences: Float64Array): number {
  let [notAbove, notBelow] = [0, 0];
  for (const difference of differences) {
    if (difference <= 0) notAbove++;
    if (difference >= 0) notBelow++;
  }
  return Math.min(1, (2 * (Math.min(notAbove, notBelow) + 1)) / (differences.length + 1));
}

function check(rowsA: number, rowsB: number, resamples: number, confidence: number): void {
  if (rowsA !== rowsB)
    fail("data", `a paired comparison needs the same rows: one system has ${rowsA}, the other ${rowsB}`);
  if (rowsA === 0) fail("data", "there is no row to compare", { fix: "give at least one row" });
  if (!Number.isInteger(resamples) || resamples < 1)
    fail("usage", `${resamples} resamples`, { fix: "give a whole number from 1" });
  if (!(confidence > 0 && confidence < 1))
    fail("usage", `the confidence ${confidence} is not between 0 and 1`, { fix: "give 0.95, for example" });
}
