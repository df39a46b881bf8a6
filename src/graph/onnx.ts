// A graph as an ONNX model: nodes and small constants as protobuf bytes, frozen weights as references into their own files.
import { create, toBinary } from "@bufbuild/protobuf";
import { fail } from "../errors.js";
import { fromFloat32 } from "../formats/dtype.js";
import type { TensorEntry } from "../formats/tensor.js";
import { type Dim, factorOf, product, symbolsOf } from "./dims.js";
import type { Emitter, OnnxAttribute } from "./emitter.js";
import type { Graph, NamedNode } from "./graph.js";
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  TensorProto_DataLocation as DataLocation,
  GraphProtoSchema,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
  NodeProtoSchema,
  OperatorSetIdProtoSchema,
  StringStringEntryProtoSchema,
  type TensorProto,
  TensorProtoSchema,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from "./onnx_pb.js";
import { onnxElementType } from "./ops/shape.js";
import { type Floating, isFloating, type Precision, typesOf } from "./precision.js";
import type { Value, ValueType } from "./value.js";

/** ONNX operator set and file version that the emitted models declare. */
const OPSET = 21n;
const IR_VERSION = 10n;
/** Weights of at most this many elements are converted once, larger 16-bit ones at each use, so that no full fp32 copy lives on. */
export const SHARED_CAST_LIMIT = 1 << 16;

/**
 * How the model refers to a tensor in a file: the file's name relative to a folder that the runtime is told; undefined
 * where whoever writes the model puts the tensor into it.
 */
export type Locate = (entry: TensorEntry) => string | undefined;

/** How a model is written that others run; all that is left out stays as phinetune itself computes it. */
export interface OnnxForm {
  readonly precision?: Precision | undefined;
  /** What the symbols of sizes are called outside. */
  readonly symbols?: Readonly<Record<string, string>> | undefined;
  /** Whether products are written as ONNX has them, for devices without the operators that join steps. */
  readonly plain?: boolean | undefined;
}

/** Serialises a graph. */
export function emitOnnx(graph: Graph, locate: Locate): Uint8Array {
  return toBinary(ModelProtoSchema, onnxModel(graph, locate));
}

/** A graph as ONNX's messages. */
export function onnxModel(
  graph: Graph,
  locate: Locate,
  { precision, symbols = {}, plain = false }: OnnxForm = {},
): ModelProto {
  const nodes: NodeProto[] = [];
  const early: NodeProto[] = [];
  const declared: ValueInfoProto[] = [];
  const initializers: TensorProto[] = [];
  const taken = new Set<string>(
    [...graph.inputs, ...graph.weights, ...graph.constants, ...graph.steps].flatMap(({ outputs }) => outputs),
  );
  for (const { name } of graph.results) taken.add(name);
  const constants = new Map<string, string>();
  const sizes = new Map<string, string>();
  let scope = "";
  const types = new Map<string, Floating>(precision ? typesOf(graph, precision) : []);
  const typeOf = (name: string): Floating => types.get(name) ?? "float32";
  /** What the current node computes in. */
  let current: Floating = "float32";

  const fresh = (hint: string): string => {
    const wanted = scope ? `${scope}/${hint}` : hint;
    let name = wanted;
    for (let count = 2; taken.has(name); count++) name = `${wanted}_${count}`;
    taken.add(name);
    return name;
  };
  const initializer = (
    hint: string,
    dims: readonly number[],
    dataType: number,
    bytes: Uint8Array,
  ): string => {
    const key = `${dataType}[${dims.join()}]${bytes.join()}`;
    const known = constants.get(key);
    if (known) return known;
    const name = fresh(hint);
    initializers.push(create(TensorProtoSchema, { name, dims: dims.map(BigInt), dataType, rawData: bytes }));
    constants.set(key, name);
    return name;
  };
  const global = <T>(build: () => T): T => {
    const outer = scope;
    scope = "";
    try {
      return build();
    } finally {
      scope = outer;
    }
  };

  const appendTo =
    (list: NodeProto[]): Emitter["node"] =>
    (type, inputs, outputs, attributes = {}, domain = "") => {
      let used = outputs.length;
      while (used > 1 && outputs[used - 1] === "") used--;
      // Kernels may leave any output out but the first.
      const kept = outputs.slice(0, used).map((name, i) => (name === "" && i === 0 ? fresh(type) : name));
      const name = outputs.find((output) => output !== "") ?? fresh(type);
      list.push(nodeProto(name, type, inputs, kept, attributes, domain));
    };

  const emitter: Emitter = {
    fresh,
    plain,
    elementType: (type) => onnxElementType[type === "float32" ? current : type],
    node: appendTo(nodes),
    // onnxruntime computes the input whose node comes first in the file last.
    early: appendTo(early),
    declare: (name, type) =>
      declared.push(valueInfo(name, type, symbols, (size) => !String(size).includes("*"))),
    int64(values) {
      const list = typeof values === "number" ? [values] : values;
      const data = BigInt64Array.from(list.map((value) => BigInt(Math.trunc(value))));
      const dims = typeof values === "number" ? [] : [list.length];
      return global(() => initializer(`int64_${list.join("_")}`, dims, onnxElementType.int64, bytesOf(data)));
    },
    float32(value, dims = []) {
      const name = [current, value, ...dims].join("_");
      const bytes = floatBytes(Float32Array.of(value), current);
      return global(() => initializer(name, dims, onnxElementType[current], bytes));
    },
    uint8(value) {
      return global(() => initializer(`uint8_${value}`, [], onnxElementType.uint8, Uint8Array.of(value)));
    },
    size: (dim) => emitSize(dim, [], `size_${dim}`),
    shape(shape) {
      const key = `shape_${shape.join("_")}`;
      const known = sizes.get(key);
      if (known) return known;
      if (shape.every((dim) => typeof dim === "number")) return emitter.int64(shape as readonly number[]);
      return global(() => {
        const isHidden = (dim: Dim) => typeof dim !== "number" && !isShown(dim);
        const hidden = shape.filter(isHidden).length;
        const parts = shape.map((dim) => {
          if (typeof dim === "number") return emitter.int64([dim]);
          // One size may be left to the runtime to find.
          return hidden === 1 && isHidden(dim) ? emitter.int64([-1]) : emitSize(dim, [1], `size1_${dim}`);
        });
        const name = fresh(key);
        emitter.node("Concat", parts, [name], { axis: 0 });
        sizes.set(key, name);
        return name;
      });
    },
  };

  /** A symbolic size, read off the shapes of the inputs that show its symbols; as a scalar ([]) or a list of one ([1]). */
  function emitSize(dim: Dim, form: readonly number[], key: string): string {
    const constantForm = (value: number) => emitter.int64(form.length === 0 ? value : [value]);
    if (typeof dim === "number") return constantForm(dim);
    const known = sizes.get(key);
    if (known) return known;
    return global(() => {
      // An input may show a whole product ("B*T") without showing its factors.
      if (graph.inputs.some(({ node }) => node.outputs[0]!.shape.includes(dim))) return emitSymbol(dim, form);
      const factors = symbolsOf(dim).map((symbol) => emitSymbol(symbol, form));
      if (factorOf(dim) !== 1) factors.push(constantForm(factorOf(dim)));
      const total = factors.reduce((left, right) => {
        const name = fresh(key);
        emitter.node("Mul", [left, right], [name]);
        return name;
      });
      sizes.set(key, total);
      return total;
    });
  }

  function isShown(dim: Dim): boolean {
    const shows = (size: Dim) => graph.inputs.some(({ node }) => node.outputs[0]!.shape.includes(size));
    return shows(dim) || symbolsOf(dim).every(shows);
  }

  function emitSymbol(symbol: string, form: readonly number[]): string {
    const key = `symbol${form.length}_${symbol}`;
    const known = sizes.get(key);
    if (known) return known;
    const shown = graph.inputs.find(({ node }) => node.outputs[0]!.shape.includes(symbol));
    if (!shown) fail("graph", `no input shows the size ${symbol}`);
    const axis = shown.node.outputs[0]!.shape.indexOf(symbol);
    const [shape, name] = [fresh(`shape_of_${shown.outputs[0]}`), fresh(key)];
    emitter.node("Shape", [shown.outputs[0]!], [shape]);
    emitter.node("Gather", [shape, emitter.int64(form.length === 0 ? axis : [axis])], [name], { axis: 0 });
    sizes.set(key, name);
    return name;
  }

  const kept = new Map(graph.constants.map(({ node, outputs }) => [outputs[0]!, node.outputs[0]!]));
  if (!precision) for (const [name, constant] of kept) initializers.push(constantProto(name, constant));
  const stored = new Map(graph.weights.map((weight) => [weight.outputs[0]!, weight]));
  for (const weight of graph.weights) {
    const location = locate(entryOf(weight)!);
    if (location !== undefined) initializers.push(weightProto(weight, location));
  }
  const shared = new Map<string, string>();
  let latest = { weight: "", copy: "" };

  /**
   * The fp32 form of an input: a 16-bit weight passes through a Cast of its own, so that its copy dies with its consumer;
   * uses with no other weight between them share one. No copy is made before it is needed.
   */
  const compute = (name: string): string => {
    const weight = stored.get(name);
    const entry = weight && entryOf(weight);
    if (!entry?.dtype.endsWith("16")) return name;
    const small = entry.length / 2 <= SHARED_CAST_LIMIT;
    const known = small ? shared.get(name) : latest.weight === name ? latest.copy : undefined;
    if (known) return known;
    const copy = global(() => fresh(`${name}_f32`));
    emitter.early("Cast", [name], [copy], { to: onnxElementType.float32 });
    if (small) shared.set(name, copy);
    else latest = { weight: name, copy };
    return copy;
  };

  /** A floating value in the type wanted: as it is, or through a Cast that all who want it share. */
  const typed = (name: string, wanted: Floating): string => {
    if (typeOf(name) === wanted) return name;
    const key = `${name} ${wanted}`;
    const known = shared.get(key);
    if (known) return known;
    const copy = global(() => fresh(`${name}_${wanted}`));
    const constant = kept.get(name);
    if (constant) initializers.push(constantProto(copy, constant, wanted));
    else nodes.push(nodeProto(copy, "Cast", [name], [copy], { to: onnxElementType[wanted] }, ""));
    shared.set(key, copy);
    return copy;
  };
  // A value that bears the name of a result of another type goes by another one.
  const inner = new Map<string, string>();
  for (const { name, value, of } of precision ? graph.results : [])
    if (name === value && isFloating(of) && typeOf(value) !== precision!.ofResult(name))
      inner.set(value, fresh(`${value}_${typeOf(value)}`));
  for (const [value, name] of inner) types.set(name, typeOf(value));
  const named = (name: string) => inner.get(name) ?? name;
  /** Writes a step whose floating inputs are first brought to the type in which it computes. */
  const emitTyped = ({ node, inputs, outputs }: NamedNode, { ofNode }: Precision): void => {
    const chosen = ofNode(node);
    const first = inputs.find((_, i) => isFloating(node.inputs[i]!));
    current = chosen === "same" ? typeOf(first ?? "") : chosen;
    const given = inputs.map((name, i) => (isFloating(node.inputs[i]!) ? typed(named(name), current) : name));
    node.op!.onnx(emitter, given, outputs.map(named), node);
    current = "float32";
  };

  for (const step of graph.steps) {
    scope = step.outputs.find((name) => name !== "") ?? step.node.label;
    if (precision) {
      emitTyped(step, precision);
      continue;
    }
    // Gathering rows of a 16-bit table needs no fp32 copy of the table: cast the rows instead.
    if (step.node.op!.name === "gather" && entryOf(stored.get(step.inputs[0]!))?.dtype.endsWith("16")) {
      const rows = fresh("rows");
      step.node.op!.onnx(emitter, step.inputs, [rows], step.node);
      emitter.node("Cast", [rows], step.outputs, { to: onnxElementType.float32 });
    } else step.node.op!.onnx(emitter, step.inputs.map(compute), step.outputs, step.node);
  }
  scope = "";
  const results = graph.results.map(({ name, value, of }): ValueInfoProto => {
    const dtype = precision && isFloating(of) ? precision.ofResult(name) : of.dtype;
    const made = precision && isFloating(of) ? typed(named(value), dtype as Floating) : compute(value);
    if (made !== name) emitter.node("Identity", [made], [name]);
    return valueInfo(name, { dtype, shape: of.shape }, symbols);
  });

  // A constant that is wanted only in the other type is not written in its own.
  const read = new Set(nodes.flatMap(({ input }) => input));
  for (const [name, constant] of precision ? kept : [])
    if (read.has(name)) initializers.push(constantProto(name, constant));

  return create(ModelProtoSchema, {
    irVersion: IR_VERSION,
    producerName: "phinetune",
    opsetImport: [
      create(OperatorSetIdProtoSchema, { domain: "", version: OPSET }),
      create(OperatorSetIdProtoSchema, { domain: "com.microsoft", version: 1n }),
    ],
    graph: create(GraphProtoSchema, {
      name: "phinetune",
      node: [...early, ...nodes],
      initializer: initializers,
      input: graph.inputs.map(
        ({
          node: {
            outputs: [type],
          },
          outputs: [name],
        }) => valueInfo(name!, isFloating(type!) ? { ...type!, dtype: typeOf(name!) } : type!, symbols),
      ),
      output: results,
      valueInfo: declared,
    }),
  });
}

function bytesOf(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

function nodeProto(
  name: string,
  opType: string,
  input: readonly string[],
  output: readonly string[],
  attributes: Readonly<Record<string, OnnxAttribute>>,
  domain: string,
): NodeProto {
  const attribute = Object.entries(attributes).map(([key, value]) => attributeProto(key, value));
  return create(NodeProtoSchema, { name, opType, domain, input: [...input], output: [...output], attribute });
}

function attributeProto(name: string, value: OnnxAttribute): AttributeProto {
  if (typeof value === "number")
    return create(AttributeProtoSchema, { name, type: AttributeType.INT, i: BigInt(value) });
  if (typeof value === "string")
    return create(AttributeProtoSchema, {
      name,
      type: AttributeType.STRING,
      s: new TextEncoder().encode(value),
    });
  if ("float" in value)
    return create(AttributeProtoSchema, { name, type: AttributeType.FLOAT, f: value.float });
  return create(AttributeProtoSchema, { name, type: AttributeType.INTS, ints: value.ints.map(BigInt) });
}

/**
 * @param symbols what sizes are called
 * @param isTold sizes that stand in the type; all where left out
 */
function valueInfo(
  name: string,
  type: ValueType,
  symbols: Readonly<Record<string, string>>,
  isTold: (size: Dim) => boolean = () => true,
): ValueInfoProto {
  const dim = type.shape.map((size) => {
    if (!isTold(size)) return create(TensorShapeProto_DimensionSchema);
    return create(TensorShapeProto_DimensionSchema, {
      value:
        typeof size === "number"
          ? { case: "dimValue", value: BigInt(size) }
          : { case: "dimParam", value: symbols[size] ?? String(product([size])) },
    });
  });
  const tensor = create(TypeProto_TensorSchema, {
    elemType: onnxElementType[type.dtype],
    shape: create(TensorShapeProtoSchema, { dim }),
  });
  return create(ValueInfoProtoSchema, {
    name,
    type: create(TypeProtoSchema, { value: { case: "tensorType", value: tensor } }),
  });
}

function floatBytes(values: Float32Array, type: Floating): Uint8Array {
  return type === "float32" ? bytesOf(values) : fromFloat32(values, "F16", [values.length]).bytes;
}

/** @param type of floating constants, where it is not their own */
function constantProto(name: string, value: Value, type?: Floating): TensorProto {
  const { source } = value.node;
  if (source?.kind !== "constant") fail("graph", `${name} is not a constant`);
  const dims = value.shape.map((size) => BigInt(size));
  return create(TensorProtoSchema, {
    name,
    dims,
    dataType: onnxElementType[type ?? value.dtype],
    rawData: type ? floatBytes(source.data as Float32Array, type) : bytesOf(source.data),
  });
}

function entryOf(weight: NamedNode | undefined): TensorEntry | undefined {
  return weight?.node.source?.kind === "weight" ? weight.node.source.entry : undefined;
}

const STORED = {
  F32: onnxElementType.float32,
  F16: onnxElementType.float16,
  BF16: onnxElementType.bfloat16,
  I8: onnxElementType.int8,
  U8: onnxElementType.uint8,
};

/** A weight as ONNX's message, without its data. */
export function weightHead(weight: NamedNode): TensorProto {
  const entry = entryOf(weight)!;
  return create(TensorProtoSchema, {
    name: weight.outputs[0]!,
    dims: entry.shape.map(BigInt),
    dataType: STORED[entry.dtype as keyof typeof STORED]!,
  });
}

function weightProto(weight: NamedNode, location: string): TensorProto {
  const entry = entryOf(weight)!;
  const reference = { location, offset: String(entry.offset), length: String(entry.length) };
  return create(TensorProtoSchema, {
    ...weightHead(weight),
    dataLocation: DataLocation.EXTERNAL,
    externalData: Object.entries(reference).map(([key, value]) =>
      create(StringStringEntryProtoSchema, { key, value }),
    ),
  });
}
