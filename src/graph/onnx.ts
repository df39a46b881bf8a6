// A graph as an ONNX model: nodes and small constants as protobuf bytes, frozen weights as references into their own files.
import { create, toBinary } from "@bufbuild/protobuf";
import { fail } from "../errors.js";
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
import type { Value, ValueType } from "./value.js";

/** ONNX operator set and file version that the emitted models declare. */
const OPSET = 21n;
const IR_VERSION = 10n;
/** Weights of at most this many elements are converted once, larger 16-bit ones at each use, so that no full fp32 copy lives on. */
export const SHARED_CAST_LIMIT = 1 << 16;

/** How the model refers to a tensor in a file: the file's name relative to a folder that the runtime is told. */
export type Locate = (entry: TensorEntry) => string;

/** Serialises a graph. */
export function emitOnnx(graph: Graph, locate: Locate): Uint8Array {
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
    node: appendTo(nodes),
    // onnxruntime computes the input whose node comes first in the file last.
    early: appendTo(early),
    declare: (name, type) => declared.push(valueInfo(name, type, (size) => !String(size).includes("*"))),
    int64(values) {
      const list = typeof values === "number" ? [values] : values;
      const data = BigInt64Array.from(list.map((value) => BigInt(Math.trunc(value))));
      const dims = typeof values === "number" ? [] : [list.length];
      return global(() => initializer(`int64_${list.join("_")}`, dims, onnxElementType.int64, bytesOf(data)));
    },
    float32(value, dims = []) {
      const name = ["float32", value, ...dims].join("_");
      return global(() => initializer(name, dims, onnxElementType.float32, bytesOf(Float32Array.of(value))));
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
        const parts = shape.map((dim) =>
          typeof dim === "number" ? emitter.int64([dim]) : emitSize(dim, [1], `size1_${dim}`),
        );
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

  for (const { node, outputs } of graph.constants)
    initializers.push(constantProto(outputs[0]!, node.outputs[0]!));
  const stored = new Map(graph.weights.map((weight) => [weight.outputs[0]!, weight]));
  for (const weight of graph.weights) initializers.push(weightProto(weight, locate));
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

  for (const step of graph.steps) {
    scope = step.outputs.find((name) => name !== "") ?? step.node.label;
    // Gathering rows of a 16-bit table needs no fp32 copy of the table: cast the rows instead.
    if (step.node.op!.name === "gather" && entryOf(stored.get(step.inputs[0]!))?.dtype.endsWith("16")) {
      const rows = fresh("rows");
      step.node.op!.onnx(emitter, step.inputs, [rows], step.node);
      emitter.node("Cast", [rows], step.outputs, { to: onnxElementType.float32 });
    } else step.node.op!.onnx(emitter, step.inputs.map(compute), step.outputs, step.node);
  }
  scope = "";
  for (const { name, value } of graph.results)
    if (name !== value) emitter.node("Identity", [compute(value)], [name]);

  const model = create(ModelProtoSchema, {
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
      input: graph.inputs.map(({ node, outputs }) => valueInfo(outputs[0]!, node.outputs[0]!)),
      output: graph.results.map(({ name, of }) => valueInfo(name, of)),
      valueInfo: declared,
    }),
  });
  return toBinary(ModelProtoSchema, model);
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

/** @param isTold sizes that stand in the type; all where left out */
function valueInfo(
  name: string,
  type: ValueType,
  isTold: (size: Dim) => boolean = () => true,
): ValueInfoProto {
  const dim = type.shape.map((size) => {
    if (!isTold(size)) return create(TensorShapeProto_DimensionSchema);
    return create(TensorShapeProto_DimensionSchema, {
      value:
        typeof size === "number"
          ? { case: "dimValue", value: BigInt(size) }
          : { case: "dimParam", value: String(product([size])) },
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

function constantProto(name: string, value: Value): TensorProto {
  const { source } = value.node;
  if (source?.kind !== "constant") fail("graph", `${name} is not a constant`);
  const dims = value.shape.map((size) => BigInt(size));
  return create(TensorProtoSchema, {
    name,
    dims,
    dataType: onnxElementType[value.dtype],
    rawData: bytesOf(source.data),
  });
}

function entryOf(weight: NamedNode | undefined): TensorEntry | undefined {
  return weight?.node.source?.kind === "weight" ? weight.node.source.entry : undefined;
}

function weightProto(weight: NamedNode, locate: Locate): TensorProto {
  const entry = entryOf(weight)!;
  const dataType = {
    F32: onnxElementType.float32,
    F16: onnxElementType.float16,
    BF16: onnxElementType.bfloat16,
    I8: onnxElementType.int8,
    U8: onnxElementType.uint8,
  }[entry.dtype as "F32" | "F16" | "BF16" | "I8" | "U8"];
  const reference = { location: locate(entry), offset: String(entry.offset), length: String(entry.length) };
  return create(TensorProtoSchema, {
    name: weight.outputs[0]!,
    dims: entry.shape.map(BigInt),
    dataType,
    dataLocation: DataLocation.EXTERNAL,
    externalData: Object.entries(reference).map(([key, value]) =>
      create(StringStringEntryProtoSchema, { key, value }),
    ),
  });
}
