// The training loop: batches in, typed events out, the trained values changed in place.
import type { TrainingPlan } from "../adapters/plan.js";
import type { Batch } from "../data/types.js";
import { fail } from "../errors.js";
import { meanLoss } from "../evaluate/loss.js";
import type { StepEvent } from "./events.js";
import type { Objective } from "./objective.js";
import { type AdamWOptions, adamW, clipFactor, globalNorm, type Moments } from "./optimizer.js";
import { learningRateAt, type Schedule } from "./schedule.js";

export interface LoopOptions extends AdamWOptions {
  readonly schedule: Schedule;
  readonly gradientAccumulationSteps: number;
  readonly maxGradNorm: number;
  /** Decay biases and norms as well. */
  readonly decayAll: boolean;
  readonly stepsPerEpoch: number;
  readonly seed: number;
}

/** Everything that training changes. */
export interface TrainState {
  /** Number of updates made. */
  step: number;
  /** Real tokens seen. */
  numTokens: number;
  /** Sum of all token losses so far, and their number. */
  loss: number;
  tokens: number;
  /** Time that the steps took. */
  seconds: number;
  readonly values: ReadonlyMap<string, Float32Array>;
  readonly moments: ReadonlyMap<string, Moments>;
}

/** The state before the first step. */
export function createTrainState(values: ReadonlyMap<string, Float32Array>): TrainState {
  const moments = [...values].map(
    ([name, { length }]) =>
      [name, { mean: new Float32Array(length), variance: new Float32Array(length) }] as const,
  );
  return { step: 0, numTokens: 0, loss: 0, tokens: 0, seconds: 0, values, moments: new Map(moments) };
}

/**
 * Trains from the state's step until the schedule's last.
 * A step averages over the trained tokens of all its micro-batches, whatever their lengths: it equals the one big batch.
 * @param batchesOf the micro-batches of an epoch, from 0
 * @throws when loss or gradient is no longer finite, with the step and the rows.
 */
export async function* trainingLoop(
  plan: TrainingPlan,
  objective: Objective,
  batchesOf: (epoch: number) => Iterable<Batch>,
  state: TrainState,
  options: LoopOptions,
): AsyncGenerator<StepEvent> {
  const { schedule, gradientAccumulationSteps, stepsPerEpoch } = options;
  for (let epoch = Math.floor(state.step / stepsPerEpoch); state.step < schedule.totalSteps; epoch++) {
    // A run that goes on in the middle of an epoch passes over what it has trained on.
    let done = state.step - epoch * stepsPerEpoch;
    for (const microBatches of grouped(batchesOf(epoch), gradientAccumulationSteps)) {
      if (done-- > 0) continue;
      if (state.step >= schedule.totalSteps) return;
      const started = performance.now();
      const sums = new Map<string, Float32Array>();
      let [loss, tokens] = [0, 0];
      for (const [microBatch, batch] of microBatches.entries()) {
        const part = await objective.differentiate(batch, state.values, {
          seed: options.seed,
          step: state.step,
          microBatch,
        });
        loss += part.loss;
        tokens += part.tokens;
        state.numTokens += batch.attentionMask.reduce((sum, row) => sum + (row > 0 ? 1 : 0), 0);
        for (const [name, gradient] of part.gradients) accumulate(sums, name, gradient);
      }
      const gradNorm = globalNorm(sums.values()) / tokens;
      if (!Number.isFinite(loss) || !Number.isFinite(gradNorm))
        stopAtNonFinite(loss, gradNorm, state.step + 1, microBatches);

      const learningRate = learningRateAt(schedule, state.step);
      const factor = clipFactor(gradNorm, options.maxGradNorm) / tokens;
      for (const { name, undecayed } of plan.parameters) {
        const weightDecay = undecayed && !options.decayAll ? 0 : options.weightDecay;
        adamW(state.values.get(name)!, sums.get(name)!, state.moments.get(name)!, {
          ...options,
          weightDecay,
          learningRate,
          step: state.step + 1,
          factor,
        });
      }
      state.step++;
      state.loss += loss;
      state.tokens += tokens;
      const seconds = (performance.now() - started) / 1000;
      state.seconds += seconds;
      yield {
        type: "step",
        step: state.step,
        loss: meanLoss({ loss, tokens }),
        grad_norm: gradNorm,
        learning_rate: learningRate,
        epoch: state.step / stepsPerEpoch,
        num_tokens: state.numTokens,
        step_seconds: seconds,
      };
    }
  }
}

/** Runs of `size` items; the last may be shorter. */
function* grouped<T>(items: Iterable<T>, size: number): Generator<readonly T[]> {
  let group: T[] = [];
  for (const item of items) {
    group.push(item);
    if (group.length === size) {
      yield group;
      group = [];
    }
  }
  if (group.length > 0) yield group;
}

function accumulate(sums: Map<string, Float32Array>, name: string, gradient: Float32Array): void {
  const sum = sums.get(name);
  if (!sum) sums.set(name, gradient);
  else for (let i = 0; i < sum.length; i++) sum[i]! += gradient[i]!;
}

function stopAtNonFinite(loss: number, gradNorm: number, step: number, batches: readonly Batch[]): never {
  const rows = batches.flatMap((batch) => batch.rows);
  fail("training", `loss ${loss}, gradient norm ${gradNorm}: no longer finite`, {
    where: `step ${step}, rows ${rows.slice(0, 16).join(", ")}${rows.length > 16 ? ", …" : ""}`,
    fix: "lower --learning-rate, or look at these rows with the data command",
  });
}
