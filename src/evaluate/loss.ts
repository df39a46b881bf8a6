// A batch with labels -> the loss of its trained tokens. The one place where labels are shifted, and where means are formed.

import { type BuiltContext, createContext } from "../adapters/context.js";
import type { TrainingPlan } from "../adapters/plan.js";
import { type Batch, IGNORED_LABEL } from "../data/types.js";
import { createGraph } from "../graph/graph.js";
import { argMax, cast, crossEntropy, equal, gather, reduceSum } from "../graph/ops.js";
import { input, type Value } from "../graph/value.js";
import type { BaseModel } from "../models/base_model.js";
import { OUTPUT_HEAD } from "../models/family.js";
import { createSession, int64, type NDArray, type SessionOptions } from "../runtime/session.js";

/** Sums over trained tokens; their quotients are the only means in phinetune. */
export interface LossSums {
  readonly loss: number;
  readonly tokens: number;
  readonly correct: number;
}

/** Sum of token losses over number of tokens. */
export function meanLoss({ loss, tokens }: { readonly loss: number; readonly tokens: number }): number {
  return loss / tokens;
}

/** Sum of token losses, in float64. */
export function sumOf(losses: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < losses.length; i++) sum += losses[i]!;
  return sum;
}

/** Which rows of the hidden states [B*T, D] predict a trained token, and which token: position t predicts the label of t + 1. */
export function shiftedTargets({ B, T, labels }: Batch): {
  readonly rows: readonly number[];
  readonly ids: readonly number[];
} {
  const rows: number[] = [];
  const ids: number[] = [];
  for (let b = 0; b < B; b++) {
    for (let t = 0; t + 1 < T; t++) {
      const label = labels[b * T + t + 1]!;
      if (label === IGNORED_LABEL) continue;
      rows.push(b * T + t);
      ids.push(label);
    }
  }
  return { rows, ids };
}

/** Position of each token in its sequence: the number of real tokens before it. */
export function positionsOf(attentionMask: Int32Array, B: number, T: number): number[] {
  const positions = new Array<number>(B * T);
  for (let b = 0; b < B; b++) {
    let position = -1;
    for (let t = 0; t < T; t++) {
      position += attentionMask[b * T + t]!;
      positions[b * T + t] = Math.max(position, 0);
    }
  }
  return positions;
}

/** The inputs that every graph of a model takes, from a batch. */
export function modelInputs({
  B,
  T,
  inputIds,
  attentionMask,
}: Pick<Batch, "B" | "T" | "inputIds" | "attentionMask">): Record<string, NDArray> {
  const dims = [B, T];
  return {
    input_ids: { dims, data: int64(inputIds) },
    attention_mask: { dims, data: int64(attentionMask) },
    position_ids: { dims, data: int64(positionsOf(attentionMask, B, T)) },
  };
}

/** The inputs of a graph that has a loss. */
export function lossInputs(batch: Batch): Record<string, NDArray> {
  const { rows, ids } = shiftedTargets(batch);
  return {
    ...modelInputs(batch),
    target_rows: { dims: [rows.length], data: int64(rows) },
    target_ids: { dims: [ids.length], data: int64(ids) },
  };
}

/** Builds logits of the M trained positions only, and their loss: the full logits [B*T, V] are never made. */
export function buildLoss(
  context: BuiltContext,
  base: BaseModel,
): { readonly sum: Value; readonly losses: Value; readonly logits: Value; readonly ids: Value } {
  const hidden = base.family.forward(context, base.config); // [B*T, D]
  const rows = input("target_rows", "int64", ["M"]);
  const ids = input("target_ids", "int64", ["M"]);
  const logits = context.linear(gather(hidden, rows), OUTPUT_HEAD); // [M, V]
  return { ...crossEntropy(logits, ids), logits, ids };
}

export interface LossEvaluator {
  /** Loss and hits of next-token prediction over batches. @param trained values of the trained parameters */
  evaluate(batches: Iterable<Batch>, trained: ReadonlyMap<string, Float32Array>): Promise<LossSums>;
  release(): Promise<void>;
}

/** Prepares evaluation of the base, or of the base with an adapter. */
export async function createLossEvaluator(
  base: BaseModel,
  plan: TrainingPlan | undefined,
  options: SessionOptions = {},
): Promise<LossEvaluator> {
  const context = createContext(base, { plan });
  const { losses, logits, ids } = buildLoss(context, base);
  const correct = reduceSum(cast(equal(argMax(logits, 1), ids), "float32"), [0]);
  const session = await createSession(createGraph({ losses, correct }), options);
  return {
    async evaluate(batches, trained) {
      let sums: LossSums = { loss: 0, tokens: 0, correct: 0 };
      for (const batch of batches) {
        const inputs = lossInputs(batch);
        const tokens = inputs.target_ids!.data.length;
        if (tokens === 0) continue;
        const result = await session.run({ ...inputs, ...trainedInputs(plan, trained) });
        sums = {
          loss: sums.loss + sumOf(result.losses!.data as Float32Array),
          tokens: sums.tokens + tokens,
          correct: sums.correct + Number(result.correct!.data[0]),
        };
      }
      return sums;
    },
    release: () => session.release(),
  };
}

/** Values of the trained parameters as inputs of a graph. */
export function trainedInputs(
  plan: TrainingPlan | undefined,
  trained: ReadonlyMap<string, Float32Array>,
): Record<string, NDArray> {
  return Object.fromEntries(
    (plan?.parameters ?? []).map(({ name, shape }) => [name, { dims: shape, data: trained.get(name)! }]),
  );
}
