// A graph and the sizes of a batch -> the memory that onnxruntime needs to run it, part by part, before anything is run.
import { fail } from "../errors.js";
import { type Dim, evaluateDim } from "../graph/dims.js";
import type { Graph } from "../graph/graph.js";
import { SHARED_CAST_LIMIT } from "../graph/onnx.js";
import { NF4_BLOCK } from "../graph/ops/nf4.js";
import type { ElementType, Node, ValueType } from "../graph/value.js";
import { type Arena, type Chunk, createArena } from "../runtime/arena.js";

/** Values of the symbols of a graph: B, T, M. */
export type Sizes = Readonly<Record<string, number>>;

export interface RunMemory {
  /** What the arena holds once the graph has been run. */
  readonly resident: number;
  /** Parts of it at the moment when most is in use; the rest is gaps between them. */
  readonly activations: number;
  readonly logits: number;
  readonly gradients: number;
  /** float32 copies of 16-bit and 4-bit weights. */
  readonly copies: number;
}

type Part = "activations" | "logits" | "gradients" | "copies";

/** What onnxruntime runs as one or a few nodes: a step of the graph, or the conversion of a 16-bit weight. */
interface Task {
  readonly node: Node;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/** Memory that one value has, or several one after another. */
interface Buffer {
  readonly type: ValueType;
  readonly part: Part;
  /** How often it is read in a run; infinite for what the graph returns. */
  uses: number;
  /** While a run is simulated: how often it will still be read, and its place. */
  left: number;
  chunk: Chunk | undefined;
}

const ELEMENT_BYTES: Readonly<Record<ElementType, number>> = {
  float32: 4,
  int32: 4,
  int64: 8,
  float16: 2,
  bfloat16: 2,
  uint8: 1,
  int8: 1,
  bool: 1,
};

function sizeOf({ dtype, shape }: ValueType, sizes: Sizes): number {
  const elements = shape.reduce<number>((product, dim: Dim) => {
    const size = evaluateDim(dim, sizes);
    if (Number.isNaN(size)) fail("graph", `the size ${dim} is not given`);
    return product * size;
  }, 1);
  return elements * ELEMENT_BYTES[dtype];
}

/** Memory of a graph run for batches of the given sizes, one after another. @param vocabSize tells logits from other values */
export function estimateRuns(graph: Graph, batches: readonly Sizes[], vocabSize: number): RunMemory {
  const arena = createArena();
  const unordered = tasksOf(graph);
  const tasks = executionOrder(unordered).map((i) => unordered[i]!);
  const buffers = shareBuffers(graph, tasks, vocabSize);
  let peak: RunMemory | undefined;
  for (const sizes of batches) {
    const moment = simulate(tasks, buffers, sizes, arena);
    if (!peak || total(moment) > total(peak)) peak = moment;
  }
  return { ...(peak ?? NOTHING), resident: arena.resident };
}

const NOTHING: RunMemory = { resident: 0, activations: 0, logits: 0, gradients: 0, copies: 0 };
const total = ({ activations, logits, gradients, copies }: RunMemory) =>
  activations + logits + gradients + copies;

/** A 4-bit weight in float32: as a conversion, it comes before all steps. */
const DEQUANTIZED = "dequantizeNf4";

/** Conversions and steps, numbered as `emitOnnx` writes them. */
function tasksOf({ steps, weights }: Graph): readonly Task[] {
  const stored = new Map(
    weights.flatMap(({ node, outputs }) => {
      const entry = node.source?.kind === "weight" ? node.source.entry : undefined;
      return entry?.dtype.endsWith("16")
        ? [[outputs[0]!, { node, shared: entry.length / 2 <= SHARED_CAST_LIMIT }]]
        : [];
    }) as [string, { node: Node; shared: boolean }][],
  );
  const early: Task[] = [];
  const shared = new Map<string, string>();
  let latest = { weight: "", copy: "" };
  const convert = (name: string): string => {
    const weight = stored.get(name);
    if (!weight) return name;
    const known = weight.shared ? shared.get(name) : latest.weight === name ? latest.copy : undefined;
    if (known !== undefined) return known;
    const copy = `${name} copy ${early.length}`;
    early.push({ node: weight.node, inputs: [], outputs: [copy] });
    if (weight.shared) shared.set(name, copy);
    else latest = { weight: name, copy };
    return copy;
  };
  const tasks: Task[] = [];
  for (const { node, inputs, outputs } of steps) {
    const readsRows = node.op!.name === "gather";
    const task = { node, inputs: readsRows ? inputs : inputs.map(convert), outputs };
    (node.op!.name === DEQUANTIZED ? early : tasks).push(task);
  }
  return [...early, ...tasks];
}

/**
 * The order in which onnxruntime computes: depth first from the last node that nobody uses, inputs of highest number first.
 * Source: GraphViewer's constructor and Graph::ReverseDFSFrom in onnxruntime/core/graph.
 */
function executionOrder(tasks: readonly Task[]): readonly number[] {
  const producer = new Map<string, number>();
  tasks.forEach(({ outputs }, i) => {
    for (const name of outputs) if (name !== "") producer.set(name, i);
  });
  const inputsOf = tasks.map(({ inputs }) => [
    ...new Set(inputs.flatMap((name) => producer.get(name) ?? [])),
  ]);
  const used = new Set(inputsOf.flat());
  const stack = tasks.flatMap((_, i) => (used.has(i) ? [] : [{ task: i, leave: false }]));
  const seen = new Set<number>();
  const order: number[] = [];
  while (stack.length > 0) {
    const { task, leave } = stack.pop()!;
    if (leave) order.push(task);
    else if (!seen.has(task)) {
      seen.add(task);
      stack.push({ task, leave: true });
      for (const input of [...inputsOf[task]!].sort((a, b) => a - b))
        if (!seen.has(input)) stack.push({ task: input, leave: false });
    }
  }
  return order;
}

/** 4-bit weights pass through a row as long as they are. */
const times = (a: Dim, b: Dim): Dim => Number(a) * Number(b);

const VIEWS: readonly (string | undefined)[] = ["reshape", "after"];
/** Outputs that overwrite the first input where nothing else needs it any more. */
const IN_PLACE: Readonly<Record<string, number>> = { crossEntropy: 2, softmaxMinusOneHot: 0 };

/**
 * Which values lie in one buffer, as onnxruntime's planner decides before anything runs: views, and later values of the
 * same shape. It reuses only where shapes are known; then the buffer is held in between, too. Known are static shapes and
 * numbers of trained positions, which inputs show: whatever has B or T comes from a shape that is computed.
 * Source: onnxruntime/core/framework/allocation_planner.cc
 */
function shareBuffers(graph: Graph, tasks: readonly Task[], vocabSize: number): ReadonlyMap<string, Buffer> {
  const results = new Set(graph.results.map(({ value }) => value));
  const partOf = (name: string, { op }: Node, { shape }: ValueType): Part => {
    if (!op || op.name === DEQUANTIZED) return "copies";
    if (results.has(name)) return "gradients";
    return shape.includes(vocabSize) && /^M\d*$/.test(String(shape[0])) ? "logits" : "activations";
  };
  const left = new Map<Buffer, number>();
  const uses = new Map<string, number>();
  for (const { inputs } of tasks) for (const name of inputs) uses.set(name, (uses.get(name) ?? 0) + 1);
  const buffers = new Map<string, Buffer>();
  const spare = new Map<string, Buffer[]>();
  const keys = new Map<Buffer, string>();
  for (const { node, inputs, outputs } of tasks) {
    outputs.forEach((name, i) => {
      if (name === "") return;
      const type = node.outputs[i]!;
      const isView = VIEWS.includes(node.op?.name);
      if (isView && !buffers.has(inputs[0]!)) return; // a view of an input
      const shape = node.op?.name === DEQUANTIZED ? [type.shape.reduce(times)] : type.shape;
      const key = `${type.dtype} ${shape.join()}`;
      const isKnown = type.shape.every((dim) => typeof dim === "number" || /^M\d*$/.test(dim));
      const mayReuse = isKnown && !results.has(name);
      const overwrites =
        mayReuse && IN_PLACE[node.op?.name ?? ""] === i && left.get(buffers.get(inputs[0]!)!) === 1;
      const first = isView || overwrites ? buffers.get(inputs[0]!) : undefined;
      const buffer = first ??
        (mayReuse && !isView ? spare.get(key)?.pop() : undefined) ?? {
          type,
          part: partOf(name, node, type),
          uses: 0,
          left: 0,
          chunk: undefined,
        };
      if (!keys.has(buffer) && isKnown) keys.set(buffer, key);
      const count = results.has(name) ? Number.POSITIVE_INFINITY : (uses.get(name) ?? 0);
      left.set(buffer, (left.get(buffer) ?? 0) + count);
      buffer.uses += count;
      buffers.set(name, buffer);
    });
    for (const name of inputs) {
      const buffer = buffers.get(name);
      if (!buffer) continue;
      const rest = left.get(buffer)! - 1;
      left.set(buffer, rest);
      const key = keys.get(buffer);
      if (rest === 0 && key !== undefined) spare.set(key, [...(spare.get(key) ?? []), buffer]);
    }
  }
  return buffers;
}

function simulate(
  tasks: readonly Task[],
  buffers: ReadonlyMap<string, Buffer>,
  sizes: Sizes,
  arena: Arena,
): RunMemory {
  const live: Record<Part, number> = { activations: 0, logits: 0, gradients: 0, copies: 0 };
  let peak: RunMemory = NOTHING;
  const known = new Map<ValueType, number>();
  const bytesOf = (type: ValueType): number => {
    const bytes = known.get(type) ?? sizeOf(type, sizes);
    known.set(type, bytes);
    return bytes;
  };
  const allocate = (buffer: Buffer) => {
    const bytes = bytesOf(buffer.type);
    buffer.chunk = arena.allocate(bytes);
    buffer.left = buffer.uses;
    live[buffer.part] += bytes;
  };
  const release = (buffer: Buffer) => {
    arena.release(buffer.chunk!);
    live[buffer.part] -= bytesOf(buffer.type);
    buffer.chunk = undefined;
  };
  for (const step of tasks) {
    const part = step.node.op?.weights === "unexpanded" ? "copies" : "activations";
    const passing = scratchOf(step).map(
      (type): Buffer => ({ type, part, uses: 0, left: 0, chunk: undefined }),
    );
    for (const buffer of passing) allocate(buffer);
    const own = new Set(step.outputs.flatMap((name) => buffers.get(name) ?? []));
    for (const buffer of own) if (!buffer.chunk) allocate(buffer);
    if (live.activations + live.logits + live.gradients + live.copies > total(peak))
      peak = { resident: 0, ...live };
    for (const buffer of passing) release(buffer);
    for (const name of step.inputs) {
      const buffer = buffers.get(name);
      if (buffer && --buffer.left === 0) release(buffer);
    }
  }
  // What the graph returned goes last.
  for (const buffer of new Set(buffers.values())) if (buffer.chunk) release(buffer);
  return peak;
}

/** What an op needs besides its outputs: values inside its ONNX form. */
function scratchOf({ node }: Task): readonly ValueType[] {
  const [output] = node.outputs;
  switch (node.op?.name) {
    case "where":
      // One selection of each branch.
      return [output!, { ...output! }];
    case "scatterAdd":
      // Zeros, and where an index may come twice one for each element.
      if (node.attributes.distinct === true) return [output!];
      return [output!, { dtype: "int64", shape: node.inputs[0]!.shape }];
    case "rotate":
      return [output!];
    case DEQUANTIZED:
    case "nf4Linear": {
      // The weight in float32, and the factors of its blocks on their way there.
      const { out, in: size } = node.attributes as { readonly out: number; readonly in: number };
      const factors: ValueType = { dtype: "float32", shape: [Math.ceil((out * size) / NF4_BLOCK)] };
      return [{ dtype: "float32", shape: [out, size] }, factors, { ...factors }];
    }
    case "int8SoftmaxProduct": {
      // Probabilities, with their noise, and in 8 bits.
      const logs = node.inputs[0]!;
      return [logs, { ...logs }, { dtype: "uint8", shape: logs.shape }];
    }
    default:
      return [];
  }
}
