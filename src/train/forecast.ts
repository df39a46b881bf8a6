// Options and settings of a run -> how many steps, evaluations and checkpoints it will have, and how long evaluations take.
import { sequentialBatches } from "../data/batches.js";
import type { Encoded } from "../data/types.js";
import type { TrainOptions } from "../options.js";
import { type Pace, secondsOf } from "./calibrate.js";
import type { LoopOptions } from "./loop.js";

export interface Schedule {
  readonly max_steps: number;
  readonly steps_per_epoch: number;
  readonly warmup_steps: number;
  /** With those before and after the training. */
  readonly evaluations: number;
  /** That stay on disk. */
  readonly checkpoints: number;
  /** Of one checkpoint: values and both moments. */
  readonly checkpoint_bytes: number;
  /** What the run leaves on disk: checkpoints and the product. */
  readonly disk_bytes: number;
}

export function scheduleOf(
  options: TrainOptions,
  { schedule: { totalSteps, warmupSteps }, stepsPerEpoch }: LoopOptions,
  trainable: number,
  heldRows: number,
): Schedule {
  const { evalStrategy, evalSteps, loggingSteps, saveSteps, saveTotalLimit } = options;
  const between =
    evalStrategy === "no"
      ? Number.POSITIVE_INFINITY
      : evalStrategy === "epoch"
        ? stepsPerEpoch
        : (evalSteps ?? loggingSteps);
  const evaluations = heldRows === 0 ? 0 : 2 + Math.floor(totalSteps / between);
  const saved = saveSteps > 0 ? Math.floor((totalSteps - 1) / saveSteps) : 0;
  const checkpoints = saveTotalLimit > 0 ? Math.min(saved, saveTotalLimit) : saved;
  const bytesEach = options.method === "full" && options.saveDtype !== "float32" ? 2 : 4;
  return {
    max_steps: totalSteps,
    steps_per_epoch: stepsPerEpoch,
    warmup_steps: warmupSteps,
    evaluations,
    checkpoints,
    checkpoint_bytes: 3 * 4 * trainable,
    disk_bytes: checkpoints * 3 * 4 * trainable + bytesEach * trainable,
  };
}

/** A forward pass takes about this share of a step: the backward pass of an adapter is one product as large, that of a whole model two. */
const FORWARD_SHARE = { lora: 0.45, full: 0.33 } as const;
/** The same where most of it is computed again in the backward pass. */
const CHECKPOINTED_SHARE = { lora: 0.34, full: 0.27 } as const;

/** Time of one evaluation of the loss on the held-out rows; answers are not in it. */
export function evaluationSeconds(
  pace: Pace,
  held: readonly Encoded[],
  {
    perDeviceEvalBatchSize: batchSize,
    method,
    gradientCheckpointing,
  }: Pick<TrainOptions, "perDeviceEvalBatchSize" | "method" | "gradientCheckpointing">,
): number {
  const share = (gradientCheckpointing ? CHECKPOINTED_SHARE : FORWARD_SHARE)[method];
  let seconds = 0;
  for (const { B, T } of sequentialBatches(held, { batchSize, padTokenId: 0 }))
    seconds += share * secondsOf(pace, { rows: B, length: T });
  return seconds;
}
