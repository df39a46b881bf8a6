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

/** seconds = a + b · tokens, padding included. */
export interface Pace {
  readonly a: number;
  readonly b: number;
  /** What the first steps take beyond that, while memory is touched for the first time. */
  readonly warmUp: number;
}

export interface Calibration {
  readonly steps: readonly TimedStep[];
  readonly pace: Pace;
  /** Batches that were run, in their order: indices into those given. */
  readonly ran: readonly number[];
}

export interface CalibrationOptions {
  /** Seconds after which no further step is begun; at least one is timed. */
  readonly limit: number;
  readonly loop: LoopOptions;
}

/** Some batches of middle length, the shortest, and the longest: in this order, as time may allow no more. @returns indices */
export function calibrationBatches(tokens: readonly number[], count: number): readonly number[] {
  const sorted = tokens.map((_, i) => i).sort((x, y) => tokens[x]! - tokens[y]!);
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))]!;
  if (count === 1) return [at(0.5)];
  const between = Array.from({ length: Math.max(0, count - 2) }, (_, i) => at((i + 1) / (count - 1)));
  return [...between, at(0), at(1)];
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

  const timed: TimedStep[] = [];
  const first: TimedStep[] = [];
  const ran: number[] = [];
  let longest = 0;
  for (const [index, batch] of batches.entries()) {
    const isNew = tokensOf(batch) > longest;
    const last = timed.at(-1);
    // A first run takes several times as long as the next.
    const expected = last ? ((isNew ? 4 : 1) * last.seconds * tokensOf(batch)) / last.tokens : 0;
    if (last && elapsed() + expected > limit) continue;
    if (isNew) first.push(await step(batch));
    timed.push(await step(batch));
    ran.push(index);
    longest = Math.max(longest, tokensOf(batch));
  }
  // Other work on the machine makes single times too long: where it costs little, each is taken a second time.
  for (const [i, index] of ran.entries()) {
    const { seconds } = timed[i]!;
    if (elapsed() + seconds > limit / 2) continue;
    const again = await step(batches[index]!);
    if (again.seconds < seconds) timed[i] = again;
  }
  await events.return(undefined);
  const { a, b } = fitPace(timed);
  const warmUp = first.reduce((sum, { seconds, tokens }) => sum + Math.max(0, seconds - a - b * tokens), 0);
  return { steps: timed, pace: { a, b, warmUp }, ran };
}

/** Least squares with neither number negative; a single point gives a line through 0. */
export function fitPace(steps: readonly Pick<TimedStep, "tokens" | "seconds">[]): {
  readonly a: number;
  readonly b: number;
} {
  const n = steps.length;
  if (n === 0) return { a: 0, b: 0 };
  const mean = (of: (step: (typeof steps)[number]) => number) =>
    steps.reduce((sum, step) => sum + of(step), 0) / n;
  const [x, y] = [mean(({ tokens }) => tokens), mean(({ seconds }) => seconds)];
  const spread = mean(({ tokens }) => (tokens - x) ** 2);
  const slope = spread === 0 ? 0 : mean(({ tokens, seconds }) => (tokens - x) * (seconds - y)) / spread;
  const a = y - slope * x;
  if (spread === 0 || a < 0) {
    const square = mean(({ tokens }) => tokens ** 2);
    return { a: 0, b: mean(({ tokens, seconds }) => tokens * seconds) / square };
  }
  return slope < 0 ? { a: y, b: 0 } : { a, b: slope };
}
