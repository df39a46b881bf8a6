// A training graph, the sizes of its batches and what is trained -> the memory that the run will hold, part by part.
import { countParameters, type TrainingPlan } from "../adapters/plan.js";
import { batchesOfEpoch, sequentialBatches } from "../data/batches.js";
import type { Batch, Encoded } from "../data/types.js";
import { fail } from "../errors.js";
import { buildGenerationGraph } from "../evaluate/generate.js";
import { buildLossGraph, shiftedTargets } from "../evaluate/loss.js";
import { type Chunks, chunkSizes, chunksFor } from "../evaluate/loss_head.js";
import type { Graph } from "../graph/graph.js";
import { ROUNDING_NOISE, ROWS } from "../graph/ops/int8.js";
import type { Node } from "../graph/value.js";
import type { BaseModel } from "../models/base_model.js";
import { EMBEDDING } from "../models/family.js";
import type { TrainOptions } from "../options.js";
import type { AnswerBatch } from "./answering.js";
import { estimateRuns, type RunMemory, type Sizes } from "./estimate.js";
import { buildTrainingGraph } from "./objective.js";
import { epochSettings } from "./training_data.js";

/** Bytes of each part at the peak of the training; they add up to `total`. */
export interface MemoryParts {
  /** Pages of the weight files that onnxruntime maps; the system can take them back when memory is short. */
  readonly weights_mapped: number;
  /** float32 copies of 16-bit and 4-bit weights, and packed ones of 8-bit weights. */
  readonly weights_converted: number;
  /** Trained values, their gradients and both moments of AdamW. */
  readonly trained: number;
  readonly activations: number;
  readonly logits: number;
  /** Gaps between the values in onnxruntime's arena. */
  readonly gaps: number;
  /** What evaluations of the held-out rows, with their answers, need beyond the training. */
  readonly evaluation: number;
  /** Node, onnxruntime, tokenizer and data. */
  readonly rest: number;
}

/** What the parts are found from. */
export interface MemoryInput {
  readonly base: BaseModel;
  readonly plan: TrainingPlan;
  /** Rows to train on. */
  readonly rows: readonly Encoded[];
  readonly held: readonly Encoded[];
  /** Batches of held-out rows that are answered. */
  readonly answers: readonly AnswerBatch[];
  /** Longest sequence in tokens where rows to train on are packed. */
  readonly packedLength?: number | undefined;
  readonly options: Pick<
    TrainOptions,
    | "perDeviceTrainBatchSize"
    | "perDeviceEvalBatchSize"
    | "seed"
    | "groupByLength"
    | "evalStrategy"
    | "gradientCheckpointing"
    | "maxNewTokens"
    | "predictWithGenerate"
  >;
  /** What the process holds before anything is compiled, with the trained values in it. */
  readonly before: number;
}

export interface MemoryEstimate {
  /** Sizes of the batches of the first epoch, in their order. */
  readonly sizes: readonly Sizes[];
  /** Parts for the whole epoch. */
  readonly parts: MemoryParts;
  /** How the trained positions of these batches are cut. */
  readonly chunks: Chunks;
  /** Parts after some batches, one after another. */
  readonly after: (batches: readonly Sizes[]) => MemoryParts;
}

/** What onnxruntime's library and an empty session hold, and how much a node of the graph adds. Measured. */
const LIBRARY_BYTES = 26e6;
const STEP_BYTES = 16e3;
/** What Node's heap grows by while a run goes on. */
const GROWTH_BYTES = 16e6;
/** And by answers, of which each token leaves arrays behind that wait for their collection. */
const ANSWERING_GROWTH_BYTES = 60e6;
/** The system maps this much around each page that is read first. */
const PAGES_AROUND = 65_536;

/** The size of a batch, as the symbols of the graph. */
export function sizesOf(batch: Batch): Sizes {
  return { B: batch.B, T: batch.T, M: shiftedTargets(batch).ids.length };
}

/** A batch's size with those of its chunks. */
export function withChunks(sizes: Sizes, chunks: Chunks): Sizes {
  return {
    ...sizes,
    ...Object.fromEntries(chunkSizes(chunks, sizes.M!).map((size, i) => [`M${i}`, size])),
  };
}

/** Finds out what a training holds at its peak, without running anything. */
export function estimateMemory(given: MemoryInput): MemoryEstimate {
  const { base, plan, rows, options, before } = given;
  const epoch = epochSettings({ padTokenId: 0, packedLength: given.packedLength }, options, 0);
  const sizes: Sizes[] = [];
  for (const batch of batchesOfEpoch(rows, epoch)) sizes.push(sizesOf(batch));
  const positions = sizes.reduce((most, { M }) => Math.max(most, M!), 0);
  const chunks = chunksFor(base, plan, positions);
  const { gradientCheckpointing } = options;
  const graph = buildTrainingGraph(base, plan, { chunks, gradientCheckpointing });
  const { trainable } = countParameters(base, plan);
  const mapped = mappedBytes(graph, distinctTokens(rows, base.config.vocabSize));
  const [evaluation, answering] = [evaluationBytes(given), answeringBytes(given)];
  // During the training its arena stays; before and after it there is none.
  const between = options.predictWithGenerate ? Math.max(evaluation, answering) : evaluation;
  const onTop = options.evalStrategy === "no" ? 0 : between;
  const after = (batches: readonly Sizes[]): MemoryParts => {
    const cut = batches.map((batch) => withChunks(batch, chunks));
    const run = estimateRuns(graph, cut, base.config.vocabSize);
    return {
      weights_mapped: mapped,
      weights_converted: run.copies + packedBytes(graph),
      // Besides the values: a gradient in Node, that of the step before, which waits for its collection, and two moments.
      trained: (1 + 2 + 2) * 4 * trainable + run.gradients,
      activations: run.activations,
      logits: run.logits + noiseBytes(graph, cut),
      gaps: Math.max(0, gapsOf(run)),
      evaluation:
        Math.max(onTop, evaluation - run.resident, answering - run.resident) +
        (given.answers.length > 0 ? ANSWERING_GROWTH_BYTES : 0),
      rest: before - 4 * trainable + LIBRARY_BYTES + graph.steps.length * STEP_BYTES + GROWTH_BYTES,
    };
  };
  return { sizes, chunks, parts: after(decisiveSizes(sizes)), after };
}

/** The numbers by which an output head in 8 bits rounds, a row for each of the longest chunk. */
function noiseBytes(graph: Graph, batches: readonly Sizes[]): number {
  const noise = graph.inputs.find(({ outputs: [name] }) => name!.startsWith(ROUNDING_NOISE));
  const rows = batches.reduce((most, { M0 = 0 }) => Math.max(most, M0), 0);
  return noise ? 4 * rows * (noise.node.outputs[0]!.shape[1] as number) : 0;
}

/** What an evaluation's session holds after its largest batch, which comes first. */
function evaluationBytes({ base, plan, held, options }: MemoryInput): number {
  for (const batch of sequentialBatches(held, { batchSize: options.perDeviceEvalBatchSize, padTokenId: 0 })) {
    const chunks = chunksFor(base, undefined);
    const graph = buildLossGraph(base, plan, chunks);
    const { resident } = estimateRuns(graph, [withChunks(sizesOf(batch), chunks)], base.config.vocabSize);
    return resident + packedBytes(graph) + graph.steps.length * STEP_BYTES;
  }
  return 0;
}

/**
 * What a generator holds after the batch with the longest answers: onnxruntime's arena, and in Node keys and values, whose
 * arrays, while they grow, lie beside those before, a fifth smaller.
 */
function answeringBytes({ base, plan, answers, options }: MemoryInput): number {
  if (answers.length === 0) return 0;
  const { config } = base;
  const size = ({ rows, length }: AnswerBatch) => rows * (length + options.maxNewTokens);
  const { rows: B, length } = answers.reduce((best, batch) => (size(batch) > size(best) ? batch : best));
  const S = length + options.maxNewTokens;
  const graph = buildGenerationGraph(base, plan, Math.max(config.maxPositions, S));
  const steps = [
    { B, T: length, S: length, P: 0 },
    { B, T: 1, S, P: S - 1 },
  ];
  const { resident } = estimateRuns(graph, steps, config.vocabSize);
  const cache = 2 * 4 * config.layers * B * config.kvHeads * S * config.headSize;
  return resident + KEPT_CACHES * cache + packedBytes(graph) + graph.steps.length * STEP_BYTES;
}

const KEPT_CACHES = 1.8;

/** Batches that are tried out of an epoch with more of them. */
const TRIED = 100;

/** The batches on which memory depends: the first ones, some of those that follow, the longest, and the one with most trained tokens. */
function decisiveSizes(sizes: readonly Sizes[]): readonly Sizes[] {
  const most = (of: (batch: Sizes) => number) =>
    sizes.reduce((best, batch) => (of(batch) > of(best) ? batch : best), sizes[0]!);
  const extremes = [most(({ B, T }) => B! * T! * T!), most(({ M }) => M!)];
  const stride = Math.max(1, sizes.length / TRIED);
  const spread = Array.from(
    { length: Math.ceil(sizes.length / stride) },
    (_, i) => sizes[Math.floor(i * stride)]!,
  );
  const chosen = new Set([...sizes.slice(0, TRIED / 4), ...spread, ...extremes]);
  return sizes.filter((batch) => chosen.has(batch));
}

function distinctTokens(rows: readonly Encoded[], vocabSize: number): number {
  const occurs = new Uint8Array(vocabSize);
  for (const { inputIds } of rows) for (const id of inputIds) occurs[id] = 1;
  return occurs.reduce((sum, bit) => sum + bit, 0);
}

export function totalOf(parts: MemoryParts): number {
  return Object.values(parts).reduce((sum: number, bytes: number) => sum + bytes, 0);
}

const gapsOf = ({ resident, activations, logits, gradients, copies }: RunMemory) =>
  resident - activations - logits - gradients - copies;

/** Names of the 8-bit weights of which each session makes packed copies. */
function packedWeights({ steps, weights }: Graph): ReadonlySet<string> {
  const taken = new Set(steps.flatMap(({ node, inputs }) => (node.op!.weights === "packed" ? inputs : [])));
  const is8Bit = ({ source }: Node) => source?.kind === "weight" && source.entry.dtype.endsWith("8");
  return new Set(
    weights.flatMap(({ node, outputs: [name] }) => (taken.has(name!) && is8Bit(node) ? [name!] : [])),
  );
}

function packedBytes(graph: Graph): number {
  const packed = packedWeights(graph);
  return graph.weights.reduce((sum, { node, outputs: [name] }) => {
    if (node.source?.kind !== "weight" || !packed.has(name!) || name!.endsWith(ROWS)) return sum;
    return sum + node.source.entry.length;
  }, 0);
}

/** Frozen weights whole; of an embedding that nothing else reads, the rows that occur. */
function mappedBytes(graph: Graph, tokens: number): number {
  const packed = packedWeights(graph);
  const used = new Map<string, boolean>(); // whether it is read whole
  for (const { node, inputs } of graph.steps) {
    for (const [i, name] of inputs.entries())
      used.set(name, (used.get(name) ?? false) || !(i === 0 && node.op!.name === "gather"));
  }
  return graph.weights.reduce((sum, { node, outputs: [name] }) => {
    if (node.source?.kind !== "weight" || packed.has(name!)) return sum;
    const { length, shape } = node.source.entry;
    const isTable = name!.startsWith(EMBEDDING) && !used.get(name!);
    const rows = tokens * (length / Math.max(1, shape[0] ?? 1) + PAGES_AROUND);
    return sum + (isTable ? Math.min(length, rows) : length);
  }, 0);
}

const FLAGS: Readonly<Record<keyof MemoryParts, string>> = {
  weights_mapped:
    "the mapped weights, which the system can take back at a price in time: give --load-in-4bit, or a smaller model",
  weights_converted: "converted weights: a smaller model, or one stored in float32",
  trained: "what is trained: fewer --lora-target-modules, or a smaller --lora-r",
  activations:
    "activations: give --gradient-checkpointing, lower --per-device-train-batch-size and raise --gradient-accumulation-steps, or lower --max-length",
  logits:
    "logits: lower --per-device-train-batch-size and raise --gradient-accumulation-steps, or lower --max-length",
  gaps: "gaps between activations: give --gradient-checkpointing, or lower --per-device-train-batch-size and raise --gradient-accumulation-steps",
  evaluation:
    "evaluation: lower --per-device-eval-batch-size, or --max-new-tokens where answers are generated",
  rest: "the runtime and the data: give fewer rows",
};

/** A warning when the expected peak does not fit into what is free, with the flag that shrinks the largest part. */
export function adviceOn(parts: MemoryParts, machine: { readonly available: number }): readonly string[] {
  const expected = totalOf(parts);
  if (expected <= machine.available) return [];
  return [
    `the run is expected to need ${gigabytes(expected)}, but ${gigabytes(machine.available)} is free; ${largestPart(parts)}`,
  ];
}

/** Beyond this multiple of the machine's memory a run is not begun. */
const HOPELESS = 1.5;

/** @throws when a run cannot fit into the machine by far */
export function refuseHopeless(parts: MemoryParts, { total }: { readonly total: number }): void {
  const expected = totalOf(parts);
  if (expected > HOPELESS * total) {
    fail(
      "runtime",
      `the run is expected to need ${gigabytes(expected)}; the machine has ${gigabytes(total)}`,
      {
        fix: `${largestPart(parts)}; --no-memory-check trains all the same`,
      },
    );
  }
}

const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;

/** The largest part with its size, and the flag that shrinks it. */
export function largestPart(parts: MemoryParts): string {
  const sorted = (Object.entries(parts) as [keyof MemoryParts, number][]).sort(([, x], [, y]) => y - x);
  const [name, bytes] = sorted[0]!;
  return `the largest part (${gigabytes(bytes)}) is ${FLAGS[name]}`;
}
