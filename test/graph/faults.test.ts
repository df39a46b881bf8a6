// Faults that src/graph once had -> what is right by its own documents.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { PhinetuneError } from "../../src/errors.js";
import { gradients } from "../../src/graph/autodiff.js";
import { createGraph } from "../../src/graph/graph.js";
import {
  add,
  cast,
  gather,
  layerNorm,
  mul,
  mulByScalar,
  range,
  reduceMean,
  reduceSum,
  rmsNorm,
  slice,
  transpose,
} from "../../src/graph/ops.js";
import { constant, input, type Value, weight } from "../../src/graph/value.js";
import { createSession, type NDArray } from "../../src/runtime/session.js";
import { temporaryFolder } from "../fixtures/tiny_model.js";

const x = input("x", "float32", [2, 3]);
const array = (dims: readonly number[], ...data: number[]): NDArray => ({
  dims,
  data: Float32Array.from(data),
});
const feeds = { x: array([2, 3], 1, 2, 3, 4, 5, 6.5) };
const sum = (value: Value) =>
  reduceSum(
    value,
    value.shape.map((_, axis) => axis),
  );

async function run(results: Record<string, Value>, inputs: Record<string, NDArray>) {
  const session = await createSession(createGraph(results), { numThreads: 1 });
  const found = await session.run(inputs);
  await session.release();
  return found;
}

describe("shape rules", () => {
  it("slice: more elements from the end than there are are refused", () => {
    expect(() => slice(x, 1, -5)).toThrow(PhinetuneError);
  });

  it("reduceMean over no axes is what its shape rule says", async () => {
    const y = reduceMean(x, []);
    expect((await run({ y }, feeds)).y!.dims).toEqual(y.shape);
  });

  it("mul by a one of shape [1,1] broadcasts as any other number of that shape", () => {
    const v = input("v", "float32", [3]);
    expect(mul(v, constant(Float32Array.of(1), [1, 1])).shape).toEqual([1, 3]);
  });

  it("transpose takes eleven axes", () => {
    const many = input(
      "x",
      "float32",
      Array.from({ length: 11 }, (_, i) => i + 1),
    );
    expect(transpose(many, [1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10]).shape[0]).toBe(2);
  });
});

describe("gradients", () => {
  it("do not flow through whole numbers, where they would be cut to whole numbers", () => {
    const whole = cast(cast(x, "int64"), "float32");
    expect(() => gradients(sum(mulByScalar(whole, 0.5)), [x])).toThrow("x does not influence the loss");
  });

  it.each([
    ["layerNorm", (w: Value) => layerNorm(x, w, input("b", "float32", [3]), 1e-5)],
    ["rmsNorm", (w: Value) => rmsNorm(x, w, 1e-5)],
  ])("of %s run without the loss that they are of", async (_, build) => {
    const w = input("w", "float32", [3]);
    const loss = sum(mul(build(w), constant(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3])));
    const { g } = await run(
      { g: gradients(loss, [x])[0]! },
      {
        ...feeds,
        w: array([3], 1, 1, 1),
        b: array([3], 0, 0, 0),
      },
    );
    expect(g!.dims).toEqual([2, 3]);
  });

  it("of gathered rows run where an input shows their number as a product", () => {
    const rows = input("rows", "float32", ["B*T", 2]);
    const loss = sum(gather(rows, input("ids", "int64", ["M"])));
    // The gradient alone no longer holds the rows, so that nothing would show their number.
    expect(createGraph({ loss, g: gradients(loss, [rows])[0]! }).results).toHaveLength(2);
  });
});

describe("putting a graph together", () => {
  it("takes a size from an input that shows the whole product", () => {
    const rows = input("rows", "float32", ["B*T", 2]);
    expect(createGraph({ y: range("B*T"), rows_too: rows }).results).toHaveLength(2);
  });

  it("tells attributes apart that JSON does not", () => {
    const count = (a: number, b: number) =>
      createGraph({ a: mulByScalar(x, a), b: mulByScalar(x, b) }).steps.length;
    expect(count(Infinity, -Infinity)).toBe(2);
    expect(count(0, -0)).toBe(2);
  });

  it("lets an input be called like an op", () => {
    const y = mul(add(x, x), input("add", "float32", [2, 3]));
    expect(createGraph({ y }).inputs.map(({ outputs }) => outputs[0])).toEqual(["x", "add"]);
  });
});

describe("emission", () => {
  it("keeps clear of the second names of results", async () => {
    const y = mulByScalar(x, 2);
    const { float32_2: found } = await run({ a: y, float32_2: y }, feeds);
    expect([...found!.data]).toEqual([2, 4, 6, 8, 10, 13]);
  });

  it("returns a 16-bit weight as the float32 that its type says", async () => {
    const file = join(temporaryFolder(), "w.bin");
    writeFileSync(file, Uint16Array.of(0x3c00, 0x4000, 0x4200));
    const w = weight("w", { name: "w", dtype: "F16", shape: [3], file, offset: 0, length: 6 });
    expect([...(await run({ y: w }, {})).y!.data]).toEqual([1, 2, 3]);
  });
});
