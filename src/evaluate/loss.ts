// A batch with labels -> the loss of its trained tokens. The one place where labels are shifted, and where means are formed.

import { createContext } from "../adapters/context.js";
import type { TrainingPlan } from "../adapters/plan.js";
import { type Batch, IGNORED_LABEL } from "../data/types.js";
import { createGraph, type Graph } from "../graph/graph.js";
import type { BaseModel } from "../models/base_model.js";
import { createSession, int64, type NDArray, type SessionOptions } from "../runtime/session.js";
import { type Chunks, chunkInputs, chunksFor, predictions } from "./loss_head.js";

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

/** Trained positions: rows of the hidden states [B*T, D] that predict a trained token, and these tokens. */
export interface Targets {
  readonly rows: readonly number[];
  readonly ids: readonly number[];
}

/** The trained positions of a batch, in order: position t predicts the label of t + 1, but not the first of the next row. */
export function shiftedTargets({ B, T, labels, attentionMask }: Batch): Targets {
  const rows: number[] = [];
  const ids: number[] = [];
  for (let b = 0; b < B; b++) {
    for (let t = 0; t + 1 < T; t++) {
      const label = labels[b * T + t + 1]!;
      if (label === IGNORED_LABEL) continue;
      const [row, next] = [attentionMask[b * T + t]!, attentionMask[b * T + t + 1]!];
      if (row > 0 && next > row) continue;
      rows.push(b * T + t);
      ids.push(label);
    }
  }
  return { rows, ids };
}

/** Position of each token in its row: the number of real tokens of that row before it. The mask numbers the rows. */
export function positionsOf(attentionMask: Int32Array, B: number, T: number): number[] {
  const positions = new Array<number>(B * T);
  for (let b = 0; b < B; b++) {
    let [row, position] = [0, 0];
    for (let t = 0; t < T; t++) {
      const current = attentionMask[b * T + t]!;
      if (current > 0) position = current === row ? position + 1 : 0;
      if (current > 0) row = current;
      positions[b * T + t] = position;
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

/** The inputs of a graph that has a loss. @param chunks as its head was built; one chunk where left out */
export function lossInputs(
  batch: Batch,
  { rows, ids }: Targets = shiftedTargets(batch),
  chunks: Chunks = { count: 1, rows: 1 },
): Record<string, NDArray> {
  return {
    ...modelInputs(batch),
    ...chunkInputs(chunks, rows.length),
    target_rows: { dims: [rows.length], data: int64(rows) },
    target_ids: { dims: [ids.length], data: int64(ids) },
  };
}

/** How a model predicts the trained tokens of one example. */
export interface ExampleScore extends LossSums {
  /** Its index in the data set, as the batch has it. */
  readonly row: number;
  /** The most probable token at each trained position, and the right one. */
  readonly predicted: readonly number[];
  readonly actual: readonly number[];
}

export interface LossEvaluator {
  /** Scores batch after batch, an example at a time; logits are never kept. @param trained values of the trained parameters */
  score(
    batches: Iterable<Batch>,
    trained: ReadonlyMap<string, Float32Array>,
  ): AsyncGenerator<readonly ExampleScore[]>;
  /** Sums over all examples. */
  evaluate(batches: Iterable<Batch>, trained: ReadonlyMap<string, Float32Array>): Promise<LossSums>;
  release(): Promise<void>;
}

/** The graph of the token losses and the most probable tokens, without gradients. */
export function buildLossGraph(
  base: BaseModel,
  plan: TrainingPlan | undefined,
  { count }: Chunks = chunksFor(base, undefined),
): Graph {
  const context = createContext(base, { plan });
  return createGraph({ ...predictions(context, base.family.forward(context, base.config), count) });
}

/** Prepares evaluation of the base, or of the base with what is trained. */
export async function createLossEvaluator(
  base: BaseModel,
  plan: TrainingPlan | undefined,
  options: SessionOptions = {},
): Promise<LossEvaluator> {
  const chunks = chunksFor(base, undefined);
  const session = await createSession(buildLossGraph(base, plan, chunks), options);

  async function* score(
    batches: Iterable<Batch>,
    trained: ReadonlyMap<string, Float32Array>,
  ): AsyncGenerator<readonly ExampleScore[]> {
    for (const batch of batches) {
      const targets = shiftedTargets(batch);
      if (targets.ids.length === 0) continue;
      const result = await session.run({
        ...lossInputs(batch, targets, chunks),
        ...trainedInputs(plan, trained),
      });
      yield scoresOfExamples(
        batch,
        targets,
        result.losses!.data as Float32Array,
        result.predicted!.data as BigInt64Array,
      );
    }
  }
  return {
    score,
    async evaluate(batches, trained) {
      let sums: LossSums = { loss: 0, tokens: 0, correct: 0 };
      for await (const examples of score(batches, trained)) {
        for (const { loss, tokens, correct } of examples)
          sums = { loss: sums.loss + loss, tokens: sums.tokens + tokens, correct: sums.correct + correct };
      }
      return sums;
    },
    release: () => session.release(),
  };
}

/** Splits what was computed for M trained positions by the example that each belongs to. */
function scoresOfExamples(
  { B, T, rows }: Batch,
  targets: Targets,
  losses: Float32Array,
  predicted: BigInt64Array,
): ExampleScore[] {
  const scores: ExampleScore[] = [];
  let start = 0;
  for (let b = 0; b < B; b++) {
    let end = start;
    while (end < targets.rows.length && targets.rows[end]! < (b + 1) * T) end++;
    const guesses = Array.from(predicted.subarray(start, end), Number);
    const actual = targets.ids.slice(start, end);
    scores.push({
      row: rows[b]!,
      loss: sumOf(losses.subarray(start, end)),
      tokens: end - start,
      correct: actual.filter((id, i) => id === guesses[i]).length,
      predicted: guesses,
      actual,
    });
    start = end;
  }
  return scores;
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
