// Losses step after step -> warnings, each given once: the loss explodes, it never moves, nothing has a gradient.
import type { StepEvent } from "./events.js";

/** What is remembered; a checkpoint keeps it, so that a run that goes on warns as one that ran through. */
export interface WatchState {
  /** Moving mean of the loss, and its least value so far; null before the first step. */
  mean: number | null;
  least: number | null;
  /** Mean over the first steps. */
  start: number | null;
  /** What was warned of. */
  readonly warned: string[];
}

export const noWatch = (): WatchState => ({ mean: null, least: null, start: null, warned: [] });

/** Weight of the newest loss in the moving mean. */
const NEWEST = 0.1;
/** Steps before anything is judged. */
const SETTLED = 20;
/** Steps after which a loss that stands still is reported. */
const PATIENCE = 200;
/** The mean must rise to this multiple of its least value, and by this much. */
const EXPLODED = { factor: 2, rise: 1 };
/** Share of the first mean that counts as standing still. */
const STILL = 0.005;

/** Notes a step. @returns a warning, the first time that there is one of its kind */
export function watchStep(
  state: WatchState,
  { step, loss, grad_norm, learning_rate }: StepEvent,
): string | undefined {
  state.mean = state.mean === null ? loss : state.mean + NEWEST * (loss - state.mean);
  if (step <= SETTLED) {
    state.start = state.mean;
    state.least = state.mean;
    return grad_norm === 0 && step > 1
      ? once(state, "gradient", `the gradient is 0 in step ${step}: nothing is learned`)
      : undefined;
  }
  const [mean, least, start] = [state.mean, state.least!, state.start!];
  state.least = Math.min(least, mean);
  if (mean > EXPLODED.factor * least && mean - least > EXPLODED.rise) {
    return once(
      state,
      "exploded",
      `the loss rose from ${least.toFixed(3)} to ${mean.toFixed(3)} at step ${step} (means of about ${1 / NEWEST} steps); lower --learning-rate (now ${learning_rate.toExponential(1)}), raise --warmup-steps, or go back to an earlier checkpoint`,
    );
  }
  if (step === PATIENCE && Math.abs(mean - start) < STILL * start && start - least < STILL * start) {
    return once(
      state,
      "still",
      `the loss has not moved in ${step} steps: ${start.toFixed(4)} at first, ${mean.toFixed(4)} now; raise --learning-rate (now ${learning_rate.toExponential(1)}), or look at the rows with the data command`,
    );
  }
  return undefined;
}

function once(state: WatchState, kind: string, message: string): string | undefined {
  if (state.warned.includes(kind)) return undefined;
  state.warned.push(kind);
  return message;
}
