// Some batches of a run -> how long its steps take: a few are really made, and a line is laid through their times.
import type { Trained } from "../adapters/plan.js";
import type { Batch } from "../data/types.js";
import { createTrainState, type LoopOptions, trainingLoop } from "./loop.js";
import type { Objective } from "./objective.js";

export interface TimedStep {
  readonly rows: number;
  readonly length: number;
  /** With padding. */
  readonly tokens: number;
  readonly seconds: number;
}

/** seconds = a + b · tokens + c · tokens · length, padding included: attention looks from each token at all others. */
export interface Pace {
  readonly a: number;
  readonly b: number;
  readonly c: number;
}

export interface Calibration {
  readonly steps: readonly TimedStep[];
  readonly pace: Pace;
  /** What the first steps take beyond that, while memory is touched for the first time. */
  readonly warmUp: number;
  /** Batches that were run, in their order: indices into those given. */
  readonly ran: readonly number[];
}

export interface CalibrationOptions {
  /** Seconds after which no further step is begun; at least one is timed. */
  readonly limit: number;
  readonly loop: LoopOptions;
}

/** Batches of middle length, the shortest, the longest, and some between: in this order, as time may allow no more. @returns indices */
export function calibrationBatches(tokens: readonly number[], count: number): readonly number[] {
  const sorted = tokens.map((_, i) => i).sort((x, y) => tokens[x]! - tokens[y]!);
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))]!;
  if (count < 3) return count === 1 ? [at(0.5)] : [at(0), at(1)];
  const between = Array.from({ length: count - 3 }, (_, i) => at((i + 1) / (count - 2)));
  return [at(0.5), at(0), at(1), ...between];
}

const tokensOf = ({ B, T }: Batch) => B * T;

/**
 * Makes a real step of each batch, which changes the values of `trained`.
 * A batch that is longer than all before is run twice, for the first time goes into touching memory.
 */
export async function calibrate(
  objective: Objective,
  trained: Trained,
  batches: readonly Batch[],
  { limit, loop }: CalibrationOptions,
): Promise<Calibration> {
  const state = createTrainState(trained.values);
  const schedule = { ...loop.schedule, totalSteps: Number.POSITIVE_INFINITY };
  const settings = { ...loop, schedule, gradientAccumulationSteps: 1, stepsPerEpoch: 1 };
  const started = performance.now();
  const elapsed = () => (performance.now() - started) / 1000;
  let current: Batch = batches[0]!;
  const events = trainingLoop(trained.plan, objective, () => [current], state, settings);
  const step = async (batch: Batch): Promise<TimedStep> => {
    current = batch;
    const { value } = await events.next();
    return { rows: batch.B, length: batch.T, tokens: tokensOf(batch), seconds: value!.step_seconds };
  };

  const times = new Map<number, TimedStep[]>();
  const first: TimedStep[] = [];
  let longest = 0;
  let last: TimedStep | undefined;
  for (const [index, batch] of batches.entries()) {
    const isNew = tokensOf(batch) > longest;
    // A first run takes several times as long as the next.
    const expected = last ? ((isNew ? 4 : 1) * last.seconds * tokensOf(batch)) / last.tokens : 0;
    if (last && elapsed() + expected > limit) continue;
    if (isNew) first.push(await step(batch));
    last = await step(batch);
    times.set(index, [last]);
    longest = Math.max(longest, tokensOf(batch));
  }
  // A single time says little on a machine that does other work as well.
  for (let round = 1; round < ROUNDS; round++) {
    for (const [index, known] of times)
      if (elapsed() + known[0]!.seconds <= limit) known.push(await step(batches[index]!));
  }
  await events.return(undefined);
  const timed = [...times.values()].map((known) => ({ ...known[0]!, seconds: middle(known) }));
  const pace = fitPace(timed);
  const warmUp = first.reduce((sum, each) => sum + Math.max(0, each.seconds - secondsOf(pace, each)), 0);
  return { steps: timed, pace, warmUp, ran: [...times.keys()] };
}

/** How often each batch is timed, where there is time. */
const ROUNDS = 3;

/** Median of the times, of an even number the mean of the two in the middle. */
function middle(steps: readonly TimedStep[]): number {
  const sorted = steps.map(({ seconds }) => seconds).sort((x, y) => x - y);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** What a batch of this size takes. */
export function secondsOf({ a, b, c }: Pace, { rows, length }: Pick<TimedStep, "rows" | "length">): number {
  return a + b * rows * length + c * rows * length * length;
}

/**
 * The pace whose errors, relative to the times, have the least sum of squares; none of its numbers is negative.
 * With three numbers, each set of those that are not 0 is tried.
 */
export function fitPace(steps: readonly Pick<TimedStep, "rows" | "length" | "seconds">[]): Pace {
  const points = steps.map(({ rows, length, seconds }) => {
    const terms = [1, rows * length, rows * length * length];
    return terms.map((term) => term / seconds);
  });
  let best = { error: Number.POSITIVE_INFINITY, numbers: [0, 0, 0] };
  // Fewest numbers first: more of them must earn it.
  for (const chosen of [[1], [0], [2], [0, 1], [1, 2], [0, 2], [0, 1, 2]]) {
    if (chosen.length > points.length) continue;
    const found = leastSquares(points.map((point) => chosen.map((i) => point[i]!)));
    if (!found?.every((number) => number >= 0)) continue;
    const numbers = [0, 0, 0];
    for (const [at, i] of chosen.entries()) numbers[i] = found[at]!;
    const error = points.reduce(
      (sum, point) => sum + (1 - point.reduce((total, term, i) => total + term * numbers[i]!, 0)) ** 2,
      0,
    );
    if (error < best.error - 1e-12) best = { error, numbers };
  }
  const [a, b, c] = best.numbers as [number, number, number];
  return { a, b, c };
}

/** x with the least |rows · x − 1|², by Gauss-Jordan on the normal equations; undefined where they tell nothing apart. */
function leastSquares(rows: readonly (readonly number[])[]): readonly number[] | undefined {
  const n = rows[0]?.length ?? 0;
  const scale = Array.from({ length: n }, (_, i) => Math.hypot(...rows.map((row) => row[i]!)));
  const scaled = rows.map((row) => row.map((term, i) => term / scale[i]!));
  const matrix = Array.from({ length: n }, (_, i) => [
    ...Array.from({ length: n }, (_, j) => scaled.reduce((sum, row) => sum + row[i]! * row[j]!, 0)),
    scaled.reduce((sum, row) => sum + row[i]!, 0),
  ]);
  for (let i = 0; i < n; i++) {
    const pivot = matrix[i]![i]!;
    if (!(pivot > 1e-9)) return undefined;
    matrix[i] = matrix[i]!.map((value) => value / pivot);
    for (let j = 0; j < n; j++) {
      const factor = matrix[j]![i]!;
      if (j !== i) matrix[j] = matrix[j]!.map((value, at) => value - factor * matrix[i]![at]!);
    }
  }
  return matrix.map((row, i) => row[n]! / scale[i]!);
}
