// A graph -> the bytes of an ONNX model: parsed back, held against the graph, and run with weights that stay in their safetensors file.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import * as ort from "onnxruntime-node";
import { beforeAll, describe, expect, it } from "vitest";
import { fromFloat32 } from "../../src/formats/dtype.js";
import { openSafetensors, type SafetensorsFile, writeSafetensors } from "../../src/formats/safetensors.js";
import { elementCount, type TensorEntry } from "../../src/formats/tensor.js";
import { gradients } from "../../src/graph/autodiff.js";
import { createGraph } from "../../src/graph/graph.js";
import { emitOnnx, onnxModel, SHARED_CAST_LIMIT } from "../../src/graph/onnx.js";
import {
  TensorProto_DataLocation as DataLocation,
  type GraphProto,
  type ModelProto,
  ModelProtoSchema,
} from "../../src/graph/onnx_pb.js";
import {
  add,
  gather,
  gemm,
  matmul,
  mul,
  mulByScalar,
  reduceSum,
  reshape,
  sizeOf,
  transpose,
} from "../../src/graph/ops.js";
import { atPath, constant, input, scalar, type Value, weight } from "../../src/graph/value.js";
import { createSession } from "../../src/runtime/session.js";
import { computedOrder } from "../fixtures/computed_order.js";
import { temporaryFolder } from "../fixtures/tiny_model.js";

const BIG = [SHARED_CAST_LIMIT / 128 + 1, 128] as const;
let file: SafetensorsFile;
let path: string;

/** Every element of a tensor is a number that all three types hold exactly. */
const exactValues = (shape: readonly number[]) =>
  Float32Array.from({ length: elementCount(shape) }, (_, i) => ((i % 7) - 3) / 4);

beforeAll(async () => {
  path = join(temporaryFolder(), "model.safetensors");
  const tensor = (dtype: "F32" | "F16" | "BF16", shape: readonly number[]) =>
    fromFloat32(exactValues(shape), dtype, shape);
  await writeSafetensors(
    path,
    new Map([
      ["first.weight", tensor("F32", [3])],
      ["second.weight", tensor("F32", [4, 3])],
      ["half.weight", tensor("F16", [4, 3])],
      ["brain.weight", tensor("BF16", [4, 3])],
      ["big.weight", tensor("BF16", BIG)],
      ["large.weight", tensor("F16", BIG)],
    ]),
    { format: "pt" },
  );
  file = await openSafetensors(path);
});

const entry = (name: string): TensorEntry => file.entries.get(name)!;
const frozen = (name: string): Value => weight(name, entry(name));

function emit(results: Readonly<Record<string, Value>>): {
  model: ModelProto;
  graph: GraphProto;
  bytes: Uint8Array;
} {
  const bytes = emitOnnx(createGraph(results), ({ file: full }) => full.slice(full.lastIndexOf("/") + 1));
  const model = fromBinary(ModelProtoSchema, bytes);
  return { model, graph: model.graph!, bytes };
}

const opTypes = (graph: GraphProto) => graph.node.map(({ opType }) => opType);
const axes = (proto: GraphProto["input"][number] | undefined) => {
  const type = proto!.type!.value;
  return type.case === "tensorType" ? type.value.shape!.dim.map(({ value }) => value.value) : undefined;
};

describe("an emitted model", () => {
  it("says which operators it is written in, and names inputs, outputs and symbols", () => {
    const x = input("x", "float32", ["B", "T", 3]);
    const ids = input("ids", "int64", ["M"]);
    const flat = reshape(x, ["B*T", 3]);
    const { model, graph } = emit({ flat, rows: gather(flat, ids) });
    expect(model.irVersion).toBe(10n);
    expect(model.producerName).toBe("phinetune");
    expect(model.opsetImport.map(({ domain, version }) => [domain, version])).toEqual([
      ["", 21n],
      ["com.microsoft", 1n],
    ]);
    expect(graph.input.map(({ name }) => name)).toEqual(["x", "ids"]);
    expect(graph.output.map(({ name }) => name)).toEqual(["flat", "rows"]);
    expect(axes(graph.input[0])).toEqual(["B", "T", 3n]);
    expect(axes(graph.output[0])).toEqual(["B*T", 3n]);
    expect(axes(graph.output[1])).toEqual(["M", 3n]);
    const types = [...graph.input, ...graph.output].map(({ type }) =>
      type!.value.case === "tensorType" ? type!.value.value.elemType : 0,
    );
    expect(types).toEqual([1, 7, 1, 1]);
  });

  it("points to frozen weights by file, offset and length, and copies none of their bytes", () => {
    const x = input("x", "float32", ["B", 3]);
    const y = gemm(add(x, frozen("first.weight")), frozen("second.weight"), { transB: true });
    const { graph } = emit({ y });
    const whole = readFileSync(path);
    const external = graph.initializer.filter(({ dataLocation }) => dataLocation === DataLocation.EXTERNAL);
    expect(external.map(({ name }) => name)).toEqual(["first.weight", "second.weight"]);
    for (const { name, dims, dataType, rawData, externalData } of external) {
      const { location, offset, length } = Object.fromEntries(
        externalData.map(({ key, value }) => [key, value]),
      );
      expect(location).toBe("model.safetensors");
      expect([dataType, rawData.length]).toEqual([1, 0]);
      expect(dims).toEqual(entry(name).shape.map(BigInt));
      const bytes = whole.subarray(Number(offset), Number(offset) + Number(length));
      const found = new Float32Array(Uint8Array.from(bytes).buffer);
      expect(found).toEqual(exactValues(entry(name).shape));
    }
  });

  it("stays small beside its weights", () => {
    const rows = gather(frozen("big.weight"), input("ids", "int64", ["M"]));
    const { bytes } = emit({ rows });
    expect(entry("big.weight").length).toBeGreaterThan(100_000);
    expect(bytes.length).toBeLessThan(2_000);
  });

  it("holds constants inside, equal ones once", () => {
    const x = input("x", "float32", ["B", 2]);
    const row = () => constant(Float32Array.of(1.5, -2), [2], "row");
    const y = mulByScalar(add(mulByScalar(add(x, row()), 3), row()), 3);
    const { graph } = emit({ y });
    const inside = graph.initializer.map(({ name, dims, rawData, dataLocation }) => {
      expect(dataLocation).toBe(DataLocation.DEFAULT);
      return [name, dims, [...new Float32Array(Uint8Array.from(rawData).buffer)]];
    });
    expect(inside).toEqual([
      ["row", [2n], [1.5, -2]],
      ["float32_3", [], [3]],
    ]);
  });

  it("takes only the viewed part of a constant's buffer", () => {
    const view = Float32Array.of(9, 1, 2, 9).subarray(1, 3);
    const { graph } = emit({ y: add(input("x", "float32", [2]), constant(view, [2], "view")) });
    expect([...new Float32Array(Uint8Array.from(graph.initializer[0]!.rawData).buffer)]).toEqual([1, 2]);
  });

  it("reads each size off an input once, and names every value once", () => {
    const x = input("x", "float32", ["B", "T"]);
    const size = () => sizeOf("B*T");
    const { graph } = emit({ a: add(size(), size()), b: add(sizeOf("T"), size()), y: reshape(x, ["B*T"]) });
    expect(opTypes(graph).filter((type) => type === "Shape")).toHaveLength(2);
    expect(opTypes(graph).filter((type) => type === "Mul")).toHaveLength(1);
    const defined = [...graph.input, ...graph.initializer].map(({ name }) => name);
    defined.push(...graph.node.flatMap(({ output }) => output));
    expect(new Set(defined).size).toBe(defined.length);
  });

  it("defines every value before it is used", () => {
    const x = input("x", "float32", ["B", 3]);
    const a = input("a", "float32", [4, 3]);
    const y = atPath("layer", () => gemm(x, a, { transB: true }));
    const loss = reduceSum(mul(y, y), [0, 1]);
    const { graph } = emit({ loss, a_grad: gradients(loss, [a])[0]! });
    const known = new Set([...graph.input, ...graph.initializer].map(({ name }) => name));
    for (const { input: inputs, output } of graph.node) {
      for (const name of inputs) if (name) expect(known, name).toContain(name);
      for (const name of output) known.add(name);
    }
    for (const { name } of graph.output) expect(known).toContain(name);
  });

  it("returns an input or a second name of a value by an Identity", () => {
    const x = input("x", "float32", [2]);
    const y = mulByScalar(x, 2);
    const { graph } = emit({ same: x, y, again: y });
    const identities = graph.node.filter(({ opType }) => opType === "Identity");
    expect(identities.map((node) => [node.input, node.output])).toEqual([
      [["x"], ["same"]],
      [["y"], ["again"]],
    ]);
  });
});

describe("16-bit weights", () => {
  it("keep their type in the model and are cast for their consumers", () => {
    const x = input("x", "float32", [4, 3]);
    const { graph } = emit({ y: add(add(x, frozen("half.weight")), frozen("brain.weight")) });
    expect(graph.initializer.map(({ name, dataType }) => [name, dataType])).toEqual([
      ["half.weight", 10],
      ["brain.weight", 16],
    ]);
    expect(opTypes(graph)).toEqual(["Cast", "Cast", "Add", "Add"]);
  });

  it("are cast once when small, and when large once for all uses that have no other large weight between them", () => {
    const casts = (...names: string[]) => {
      let y = input("x", "float32", entry(names[0]!).shape);
      for (const name of names) y = mulByScalar(add(y, frozen(name)), 2);
      const { graph } = emit({ y });
      return graph.node.filter(({ opType }) => opType === "Cast").map(({ input: [name] }) => name);
    };
    expect(casts("brain.weight", "half.weight", "brain.weight")).toEqual(["brain.weight", "half.weight"]);
    const [big, large] = ["big.weight", "large.weight"];
    expect(casts(big, big, large, big)).toEqual([big, large, big]);
  });

  it("are cast as late as possible", async () => {
    const x = input("x", "float32", [BIG[0], BIG[1]]);
    const y = mul(add(x, frozen("big.weight")), frozen("large.weight"));
    const order = await computedOrder(createGraph({ y }), path);
    expect(order).toEqual(["big.weight_f32", "add", "large.weight_f32", "y"]);
  });

  it("are gathered before they are cast", () => {
    const { graph } = emit({ rows: gather(frozen("big.weight"), input("ids", "int64", ["M"])) });
    expect(opTypes(graph)).toEqual(["Gather", "Cast"]);
  });

  it("of other types are refused with the tensor's name", () => {
    expect(() => weight("w", { ...entry("first.weight"), dtype: "I64" })).toThrow(
      /dtype I64.*first\.weight/s,
    );
  });
});

describe("a session", () => {
  it("computes with weights out of the file, of each type and at each place", async () => {
    const x = input("x", "float32", ["B", 3]);
    const results = {
      first: add(x, frozen("first.weight")),
      second: gemm(x, frozen("second.weight"), { transB: true }),
      half: gemm(x, frozen("half.weight"), { transB: true }),
      brain: gemm(x, frozen("brain.weight"), { transB: true }),
      rows: gather(frozen("big.weight"), input("ids", "int64", ["M"])),
    };
    const session = await createSession(createGraph(results), { numThreads: 1 });
    const w = exactValues([4, 3]);
    for (const B of [1, 2, 5]) {
      const data = Float32Array.from({ length: 3 * B }, (_, i) => i / 2 - 1);
      const found = await session.run({
        x: { dims: [B, 3], data },
        ids: { dims: [2], data: BigInt64Array.of(BigInt(BIG[0] - 1), 1n) },
      });
      const products = Array.from({ length: B * 4 }, (_, at) => {
        const [row, column] = [Math.trunc(at / 4), at % 4];
        return [0, 1, 2].reduce((sum, i) => sum + data[3 * row + i]! * w[3 * column + i]!, 0);
      });
      expect([...found.first!.data]).toEqual([...data].map((value, i) => value + w[i % 3]!));
      for (const name of ["second", "half", "brain"]) {
        expect(found[name]!.dims).toEqual([B, 4]);
        expect([...found[name]!.data], name).toEqual(products);
      }
      const table = exactValues(BIG);
      expect([...found.rows!.data]).toEqual([
        ...table.subarray((BIG[0] - 1) * 128),
        ...table.subarray(128, 256),
      ]);
    }
    await session.release();
  });

  it("refuses a missing input and dims that contradict each other, with what the graph wants", async () => {
    const [a, b] = [input("a", "float32", ["B", 2]), input("b", "float32", ["B", 1])];
    const session = await createSession(createGraph({ y: mul(add(a, b), scalar(2)) }), { numThreads: 1 });
    const array = (...dims: number[]) => ({ dims, data: new Float32Array(elementCount(dims)) });
    await expect(session.run({ a: array(3, 2) })).rejects.toThrow("input b: float32[B,1] is missing");
    await expect(session.run({ a: array(3, 2), b: array(2, 1) })).rejects.toThrow(
      'input b has dims [2,1]; the graph wants [B,1] with {"B":3}',
    );
    await expect(session.run({ a: array(3, 3), b: array(3, 1) })).rejects.toThrow("input a has dims [3,3]");
    expect((await session.run({ a: array(4, 2), b: array(4, 1) })).y!.dims).toEqual([4, 2]);
    await session.release();
  });
});

it("written in plain operators, products come out the same", async () => {
  const a = input("a", "float32", ["B", 3, 2]);
  const b = input("b", "float32", ["B", 4, 3]);
  const build = () => ({
    both: matmul(a, b, { transA: true, transB: true, alpha: 0.5 }),
    second: matmul(transpose(a, [0, 2, 1]), b, { transB: true }),
  });
  const data = (length: number) => Float32Array.from({ length }, (_, i) => Math.sin(3 * i));
  const feeds = { a: { dims: [2, 3, 2], data: data(12) }, b: { dims: [2, 4, 3], data: data(24) } };
  const usual = await createSession(createGraph(build()), { numThreads: 1 });
  const wanted = await usual.run(feeds);
  await usual.release();

  const model = onnxModel(createGraph(build()), () => undefined, {
    plain: true,
    symbols: { B: "batch" },
  });
  expect(new Set(opTypes(model.graph!))).toEqual(new Set(["Transpose", "Mul", "MatMul"]));
  expect(axes(model.graph!.input[0])![0]).toBe("batch");
  const session = await ort.InferenceSession.create(toBinary(ModelProtoSchema, model));
  const found = await session.run(
    Object.fromEntries(
      Object.entries(feeds).map(([name, { dims, data }]) => [name, new ort.Tensor("float32", data, dims)]),
    ),
  );
  await session.release();
  for (const name of ["both", "second"])
    for (const [i, value] of (found[name]!.data as Float32Array).entries())
      expect(value).toBeCloseTo((wanted[name]!.data as Float32Array)[i]!, 5);
});
