// Hidden states -> losses of the trained positions, the most probable tokens, and gradients, chunk by chunk: the logits of
// one chunk are gone before those of the next are made.
import type { BuiltContext } from "../adapters/context.js";
import { baseTensorName, type TrainingPlan } from "../adapters/plan.js";
import { pullBack, topologicalOrder } from "../graph/autodiff.js";
import { add, after, argMax, concat, crossEntropy, fence, gather } from "../graph/ops.js";
import { atPath, input, scalar, type Value } from "../graph/value.js";
import type { BaseModel } from "../models/base_model.js";
import { OUTPUT_HEAD } from "../models/family.js";
import { int64, type NDArray } from "../runtime/session.js";

/** How the M trained positions of a batch are cut: into at most `count` chunks, of at least `rows` positions where there are as many. */
export interface Chunks {
  readonly count: number;
  readonly rows: number;
}

/** Reading the weight costs little beside a product with so many rows. */
const CHUNK_ROWS = 256;
const MOST_CHUNKS = 16;

/**
 * Chunks for batches of up to so many trained positions; larger ones are cut into larger chunks.
 * Where the head's weight is trained, each chunk has a gradient as large as the weight: then a chunk has D rows, whose
 * logits are as large, or more; and without knowledge of the batches there is one chunk.
 */
export function chunksFor(base: BaseModel, plan: TrainingPlan | undefined, positions?: number): Chunks {
  const names = new Set(plan?.parameters.map(({ name }) => name));
  const weight = `${OUTPUT_HEAD}.weight`;
  const isTrained = names.has(weight) || (plan?.ensureWeightTying && names.has(baseTensorName(base, weight)));
  const rows = isTrained ? Math.max(CHUNK_ROWS, base.config.hiddenSize) : CHUNK_ROWS;
  const wanted = positions === undefined ? (isTrained ? 1 : MOST_CHUNKS) : Math.ceil(positions / rows);
  return { count: Math.max(1, Math.min(wanted, MOST_CHUNKS)), rows };
}

/** Trained positions of each chunk: the first ones are full, the last may be empty. */
export function chunkSizes({ count, rows }: Chunks, positions: number): readonly number[] {
  const size = Math.max(rows, Math.ceil(positions / count));
  return Array.from({ length: count }, (_, i) => Math.max(0, Math.min(size, positions - i * size)));
}

/** Inputs that tell which trained positions each chunk has. */
export function chunkInputs(chunks: Chunks, positions: number): Record<string, NDArray> {
  let start = 0;
  const inputs: Record<string, NDArray> = {};
  for (const [i, size] of chunkSizes(chunks, positions).entries()) {
    const first = start;
    inputs[`chunk_${i}`] = { dims: [size], data: int64(Array.from({ length: size }, (_, j) => first + j)) };
    start += size;
  }
  return inputs;
}

/** One chunk of Mi trained positions. */
interface Chunk {
  /** Their hidden states [Mi, D]. */
  readonly x: Value;
  /** [Mi, V] */
  readonly logits: Value;
  /** Their summed loss, and the loss of each [Mi]. */
  readonly sum: Value;
  readonly losses: Value;
}

/** Hidden states at the M trained positions [M, D]. */
function trainedRows(hidden: Value): Value {
  return gather(hidden, input("target_rows", "int64", ["M"]), 0, { distinct: true });
}

/** Builds chunk after chunk. @param use what is made of a chunk; the next one waits for all of it */
function eachChunk(
  context: BuiltContext,
  x: Value,
  count: number,
  use: (chunk: Chunk) => readonly Value[],
): void {
  const ids = input("target_ids", "int64", ["M"]);
  let passed: Value | undefined;
  for (let i = 0; i < count; i++) {
    const all = input(`chunk_${i}`, "int64", [`M${i}`]);
    const rows = passed ? after(all, passed) : all;
    const part = gather(x, rows);
    const logits = context.linear(part, OUTPUT_HEAD, rows);
    passed = fence(use({ x: part, logits, ...crossEntropy(logits, gather(ids, rows)) }));
  }
}

/** Losses [M] and the most probable tokens [M] of the trained positions. */
export function predictions(
  context: BuiltContext,
  hidden: Value,
  count: number,
): { readonly losses: Value; readonly predicted: Value } {
  return atPath("loss", () => {
    const [losses, predicted]: [Value[], Value[]] = [[], []];
    eachChunk(context, trainedRows(hidden), count, (chunk) => {
      const best = argMax(chunk.logits, 1);
      predicted.push(best);
      losses.push(chunk.losses);
      return [best, chunk.losses];
    });
    return { losses: concat(losses, 0, "M"), predicted: concat(predicted, 0, "M") };
  });
}

/**
 * Losses [M] of the trained positions, and gradients of their sum: of the hidden states that were read, and of the trained
 * parameters as far as the head reads them.
 */
export function differentiatedLosses(
  context: BuiltContext,
  hidden: Value,
  count: number,
): { readonly losses: Value; readonly gradients: ReadonlyMap<Value, Value> } {
  return atPath("loss", () => {
    const trained = [...context.trained.values()];
    const leaves = new Set(trained.map(({ node }) => node));
    // Where only the head is trained, nothing asks for the gradient of the hidden states.
    const isCarriedOn = topologicalOrder([hidden]).some((node) => leaves.has(node));
    const x = trainedRows(hidden);
    const [losses, rows]: [Value[], Value[]] = [[], []];
    const sums = new Map<Value, Value>();
    eachChunk(context, x, count, (chunk) => {
      const targets = isCarriedOn ? [chunk.x, ...trained] : trained;
      const found = pullBack(new Map([[chunk.sum, scalar(1)]]), targets, [chunk.x]);
      for (const [i, target] of targets.entries()) {
        const gradient = found[i];
        const sum = sums.get(target);
        if (!gradient) continue;
        if (target === chunk.x) rows.push(gradient);
        else sums.set(target, sum ? add(sum, gradient) : gradient);
      }
      losses.push(chunk.losses);
      // onnxruntime computes the last one first: losses need the logits that the gradient then overwrites.
      return [...(isCarriedOn ? [rows.at(-1)!] : []), ...sums.values(), chunk.losses];
    });
    const all = concat(losses, 0, "M");
    const known = new Map(sums);
    if (isCarriedOn) known.set(x, after(concat(rows, 0, "M"), fence([...sums.values(), all])));
    return { losses: all, gradients: known };
  });
}
