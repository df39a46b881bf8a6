// The files of a golden case -> tensors, the batch, and the settings of its training run.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Batch } from "../../src/data/types.js";
import { toFloat32 } from "../../src/formats/dtype.js";
import { openSafetensors, readTensor } from "../../src/formats/safetensors.js";
import type { LoopOptions } from "../../src/train/loop.js";
import type { ObjectiveOptions } from "../../src/train/objective.js";

/** `hyper` of expected.json. */
export interface Hyper {
  readonly lr: number;
  readonly weight_decay: number;
  readonly max_grad_norm: number;
  readonly warmup_steps: number;
  readonly total_steps: number;
}

/** The loop of every case: AdamW in one group, cosine after a warm-up. */
export function loopOptionsOf(hyper: Hyper): LoopOptions {
  return {
    schedule: {
      name: "cosine",
      learningRate: hyper.lr,
      warmupSteps: hyper.warmup_steps,
      totalSteps: hyper.total_steps,
    },
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    weightDecay: hyper.weight_decay,
    decayAll: true,
    maxGradNorm: hyper.max_grad_norm,
    gradientAccumulationSteps: 1,
    stepsPerEpoch: 1,
    seed: 0,
  };
}

export async function readAll(path: string): Promise<ReadonlyMap<string, Float32Array>> {
  const file = await openSafetensors(path);
  const tensors = new Map<string, Float32Array>();
  for (const [name, entry] of file.entries) tensors.set(name, toFloat32(await readTensor(entry)));
  return tensors;
}

export function largestDifference(
  a: Float32Array,
  b: Float32Array,
  counts: (i: number) => boolean = () => true,
): number {
  expect(a.length).toBe(b.length);
  let largest = 0;
  for (let i = 0; i < a.length; i++) if (counts(i)) largest = Math.max(largest, Math.abs(a[i]! - b[i]!));
  expect(largest).not.toBeNaN();
  return largest;
}

export const largest = (values: Float32Array) => values.reduce((max, x) => Math.max(max, Math.abs(x)), 0);

export function readBatch(folder: string): Batch {
  const json = JSON.parse(readFileSync(join(folder, "inputs.json"), "utf8")) as Record<
    "input_ids" | "attention_mask" | "labels",
    number[][]
  >;
  const flat = (rows: number[][]) => Int32Array.from(rows.flat());
  return {
    B: json.input_ids.length,
    T: json.input_ids[0]!.length,
    inputIds: flat(json.input_ids),
    attentionMask: flat(json.attention_mask),
    labels: flat(json.labels),
    rows: json.input_ids.map((_, i) => i),
  };
}

/** Ways to compute the same: as it comes, and with little memory. */
export const WAYS: readonly (readonly [string, ObjectiveOptions])[] = [
  ["", {}],
  [
    " in chunks of trained positions, its blocks computed again",
    { chunks: { count: 3, rows: 1 }, gradientCheckpointing: true },
  ],
];
