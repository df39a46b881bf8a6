// The pieces of a graph: values (typed arrays known by shape) and the immutable nodes that make them.
import { fail } from "../errors.js";
import type { TensorEntry } from "../formats/tensor.js";
import { type Dim, printShape } from "./dims.js";
import type { Emitter } from "./emitter.js";
import type { ElementType, ValueType } from "./types.js";

export type { ElementType, ValueType };

/** One output of a node. */
export interface Value extends ValueType {
  readonly node: Node;
  /** Which output of the node it is. */
  readonly output: number;
}

export type Attribute = number | string | boolean | readonly number[] | readonly Dim[];
export type Attributes = Readonly<Record<string, Attribute>>;

/** Where a leaf gets its data from. */
export type Source =
  | { readonly kind: "input" }
  /** Frozen: lies in a file and stays there. Its element type in the file may be 16 bits wide. */
  | { readonly kind: "weight"; readonly entry: TensorEntry }
  | { readonly kind: "constant"; readonly data: Float32Array | Int32Array | BigInt64Array };

/** One step of a computation, or (with `source`) a leaf. */
export interface Node {
  readonly op: Op | undefined;
  readonly source: Source | undefined;
  readonly inputs: readonly Value[];
  readonly attributes: Attributes;
  readonly outputs: readonly Value[];
  /** Where it comes from, e.g. `model.layers.0.mlp.fc1/gemm`; made unique when the graph is put together. */
  readonly label: string;
  /** The block whose values are computed again for gradients, if it is part of one. */
  readonly block: Block | undefined;
}

/** Nodes whose values are computed again for gradients instead of kept. */
export interface Block {
  /** Label of what is added for it. */
  readonly path: string;
  /** Whether values that leave the block are kept; else gradients of what follows see them computed again, too. */
  readonly keepsResults: boolean;
}

/** What a gradient rule sees besides the incoming gradient. */
export interface RuleContext {
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  readonly attributes: Attributes;
}

/** Gradient with respect to one input, given `g`, the gradient of the first output. Written in our own ops. */
export type Rule = (g: Value, context: RuleContext) => Value;

/**
 * Everything there is to know about an op. Gradients flow through the first output only;
 * further outputs are by-products for the rules.
 */
export interface Op {
  readonly name: string;
  /** Type of each output; throws where the inputs do not fit. */
  readonly infer: (inputs: readonly Value[], attributes: Attributes) => readonly ValueType[];
  /** One rule an input, `null` where there is no gradient by decision; a function of the input's index for any number of inputs. */
  readonly vjp: readonly (Rule | null)[] | ((input: number) => Rule | null);
  /**
   * What onnxruntime does with frozen weights of this op before the first run: it makes packed copies that take the place of
   * the mapped ones; or it leaves what depends on weights alone to be computed at each run, since the result is larger than they are.
   */
  readonly weights?: "packed" | "unexpanded";
  /** Writes its ONNX form. */
  readonly onnx: (
    emitter: Emitter,
    inputs: readonly string[],
    outputs: readonly string[],
    node: Node,
  ) => void;
}

let scopes: readonly string[] = [];

function withScopes<T>(inner: readonly string[], build: () => T): T {
  const outer = scopes;
  scopes = inner;
  try {
    return build();
  } finally {
    scopes = outer;
  }
}

/** Runs `build` with `scope` added to the labels of all nodes it makes. */
export function inScope<T>(scope: string, build: () => T): T {
  return withScopes([...scopes, scope], build);
}

/** Runs `build` with labels that begin with the path of a module, whatever scope it is called in. */
export function atPath<T>(path: string, build: () => T): T {
  return withScopes([path], build);
}

let currentBlock: Block | undefined;

/**
 * Runs `build`; the nodes that it makes are a block: for gradients their values are computed again instead of kept.
 * Within a block whose results are kept, another one changes nothing.
 */
export function inBlock<T>(block: Block, build: () => T): T {
  const outer = currentBlock;
  currentBlock = outer?.keepsResults ? outer : block;
  try {
    return build();
  } finally {
    currentBlock = outer;
  }
}

function createNode(parts: Omit<Node, "outputs">, types: readonly ValueType[]): Node {
  const outputs: Value[] = [];
  const node: Node = { ...parts, outputs };
  for (const [output, type] of types.entries()) outputs.push(Object.freeze({ ...type, node, output }));
  Object.freeze(outputs);
  return Object.freeze(node);
}

/** Applies an op: checks the inputs by its shape rule and returns all outputs. */
export function applyAll(op: Op, inputs: readonly Value[], attributes: Attributes = {}): readonly Value[] {
  const label = [...scopes, op.name].join("/");
  const types = op.infer(inputs, attributes);
  return createNode({ op, source: undefined, inputs, attributes, label, block: currentBlock }, types).outputs;
}

/** Applies an op and returns its first output. */
export function apply(op: Op, inputs: readonly Value[], attributes: Attributes = {}): Value {
  return applyAll(op, inputs, attributes)[0]!;
}

/** The same node under another label (gradients get the name of what they are the gradient of). */
export function relabel(value: Value, label: string): Value {
  return createNode({ ...value.node, label }, value.node.outputs).outputs[value.output]!;
}

/** The same computation of other inputs of the same types, outside of any block. */
export function copyNode(node: Node, inputs: readonly Value[]): Node {
  return createNode({ ...node, inputs, label: `${node.label}_again`, block: undefined }, node.outputs);
}

function leaf(source: Source, label: string, type: ValueType): Value {
  const parts = { op: undefined, source, inputs: [], attributes: {}, label, block: undefined };
  return createNode(parts, [type]).outputs[0]!;
}

/** A value that is given anew at each run. */
export function input(name: string, dtype: ElementType, shape: readonly Dim[]): Value {
  return leaf({ kind: "input" }, name, { dtype, shape });
}

const ROUNDED: Readonly<Record<string, ElementType>> = { I8: "int8", U8: "uint8" };

/** A frozen weight: float32 in the graph, whatever floating type it has in its file; 8-bit whole numbers stay what they are. */
export function weight(name: string, entry: TensorEntry): Value {
  const rounded = ROUNDED[entry.dtype];
  if (rounded) return leaf({ kind: "weight", entry }, name, { dtype: rounded, shape: entry.shape });
  if (!["F32", "F16", "BF16"].includes(entry.dtype)) {
    fail("weights", `the tensor has dtype ${entry.dtype}; weights must be F32, F16 or BF16`, {
      where: `${entry.file}: ${entry.name}`,
      fix: "convert the model to a floating type",
    });
  }
  return leaf({ kind: "weight", entry }, name, { dtype: "float32", shape: entry.shape });
}

/** Data that is part of the graph. */
export function constant(
  data: Float32Array | Int32Array | BigInt64Array,
  shape: readonly number[],
  name = "constant",
): Value {
  const dtype = data instanceof Float32Array ? "float32" : data instanceof Int32Array ? "int32" : "int64";
  return leaf({ kind: "constant", data }, name, { dtype, shape });
}

/** A float32 scalar. */
export function scalar(value: number): Value {
  return constant(Float32Array.of(value), []);
}

/** The number in a constant scalar, else undefined. */
export function scalarValue(value: Value): number | undefined {
  const { source } = value.node;
  return source?.kind === "constant" && source.data.length === 1 ? Number(source.data[0]) : undefined;
}

/** `float32[B,T,2048]`. */
export function printType(type: ValueType): string {
  return type.dtype + printShape(type.shape);
}

/** Throws a fault of a shape rule. */
export function failShape(op: string, inputs: readonly ValueType[], expected: string): never {
  return fail("graph", `${op} cannot take ${inputs.map(printType).join(", ")}; it needs ${expected}`, {
    where: [...scopes, op].join("/"),
  });
}
