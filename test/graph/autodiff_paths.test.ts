// Losses with several, blocked or frozen ways to a value -> the gradients asked for, their names, and the work that is not done.
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openSafetensors, writeSafetensors } from "../../src/formats/safetensors.js";
import { f32Tensor } from "../../src/formats/tensor.js";
import { gradients } from "../../src/graph/autodiff.js";
import { createGraph } from "../../src/graph/graph.js";
import {
  add,
  crossEntropy,
  gemm,
  less,
  mul,
  mulByScalar,
  reduceSum,
  reshape,
  where,
} from "../../src/graph/ops.js";
import { atPath, input, scalar, type Value, weight } from "../../src/graph/value.js";
import { createSession } from "../../src/runtime/session.js";
import { temporaryFolder } from "../fixtures/tiny_model.js";

const sum = (x: Value) =>
  reduceSum(
    x,
    x.shape.map((_, axis) => axis),
  );

async function run(results: Record<string, Value>, feeds: Record<string, number[]>) {
  const session = await createSession(createGraph(results), { numThreads: 1 });
  const found = await session.run(
    Object.fromEntries(
      Object.entries(feeds).map(([name, values]) => [
        name,
        { dims: [values.length], data: Float32Array.from(values) },
      ]),
    ),
  );
  await session.release();
  return Object.fromEntries(
    Object.entries(found).map(([name, { data }]) => [name, Array.from(data as Float32Array)]),
  );
}

describe("gradients", () => {
  it("are exact after a chain of three hundred nodes", async () => {
    const x = input("x", "float32", [1]);
    let y = x;
    for (let i = 0; i < 150; i++) y = mulByScalar(add(y, x), 0.5);
    // y = x however often it is averaged with x, so dy/dx = 1 by a sum of 151 ways.
    const { y: found, g } = await run({ y, g: gradients(sum(y), [x])[0]! }, { x: [0.75] });
    expect(found![0]).toBeCloseTo(0.75, 6);
    expect(g![0]).toBeCloseTo(1, 6);
  });

  it("are powers where a chain multiplies", async () => {
    const x = input("x", "float32", [1]);
    let y = x;
    for (let i = 0; i < 5; i++) y = mul(y, y);
    // y = x³², dy/dx = 32·x³¹
    const { g } = await run({ g: gradients(sum(y), [x])[0]! }, { x: [1.0625] });
    expect(g![0]! / (32 * 1.0625 ** 31)).toBeCloseTo(1, 5);
  });

  it("of second order are gradients of gradients", async () => {
    const x = input("x", "float32", [2]);
    const [first] = gradients(sum(mul(mul(x, x), x)), [x]);
    const [second] = gradients(sum(first!), [x]);
    const found = await run({ first: first!, second: second! }, { x: [2, -3] });
    expect(found).toEqual({ first: [12, 27], second: [12, -18] });
  });

  it("take the open way beside a blocked one", async () => {
    const [x, w] = [input("x", "float32", [3]), input("w", "float32", [3])];
    const y = where(less(x, scalar(0)), mul(x, w), mulByScalar(x, 5));
    const found = await run({ g: gradients(sum(y), [x])[0]! }, { x: [-1, 2, -3], w: [7, 8, 9] });
    expect(found).toEqual({ g: [7, 5, 9] });
  });

  it("bear a name each, though two values have the same gradient, and one is asked for twice", async () => {
    const [a, b] = [input("a", "float32", [2]), input("b", "float32", [2])];
    const w = input("w", "float32", [2]);
    const found = gradients(sum(mul(add(mulByScalar(a, 2), b), w)), [a, b, a]);
    expect(found.map(({ node }) => node.label)).toEqual(["a_grad", "b_grad", "a_grad"]);
    const [ga, gb, again] = found;
    expect(await run({ ga: ga!, gb: gb!, again: again! }, { w: [3, 4] })).toEqual({
      ga: [6, 8],
      gb: [3, 4],
      again: [6, 8],
    });
  });

  it("of an inner value bear its path", () => {
    const x = input("x", "float32", [2]);
    const inner = atPath("model.layers.0", () => mul(x, x));
    const [g] = gradients(sum(mulByScalar(inner, 3)), [inner]);
    expect(g!.node.label).toBe("model.layers.0/mul_grad");
  });

  it("of the loss itself is 1", () => {
    const loss = sum(input("x", "float32", [2]));
    const [g] = gradients(loss, [loss]);
    expect(g!.node.source).toMatchObject({ kind: "constant", data: Float32Array.of(1) });
  });

  it("have the symbols of their values", () => {
    const [x, bias] = [input("x", "float32", ["B", "T", 3]), input("bias", "float32", [3])];
    const y = reshape(add(x, bias), ["B*T", 3]);
    expect(gradients(sum(mul(y, y)), [x, bias]).map(({ shape }) => shape)).toEqual([["B", "T", 3], [3]]);
  });

  it("do not flow into by-products", () => {
    const logits = input("logits", "float32", ["M", 4]);
    const { losses } = crossEntropy(logits, input("ids", "int64", ["M"]));
    expect(() => gradients(sum(losses), [logits])).toThrow(
      "a gradient would flow into by-product 1 of crossEntropy · reduceSum",
    );
  });

  it("pass by a frozen by-product beside a trained value", () => {
    const { losses } = crossEntropy(input("logits", "float32", ["M", 4]), input("ids", "int64", ["M"]));
    const a = input("a", "float32", ["M"]);
    expect(gradients(sum(mul(a, losses)), [a])[0]!.shape).toEqual(["M"]);
  });

  it("cost nothing for frozen weights and below the first trained one", async () => {
    const path = join(temporaryFolder(), "model.safetensors");
    const square = () => f32Tensor([2, 2], Float32Array.of(1, 2, 3, 4));
    await writeSafetensors(path, new Map(["w0", "w1", "w2"].map((name) => [name, square()])), {
      format: "pt",
    });
    const { entries } = await openSafetensors(path);
    const [w0, w1, w2] = ["w0", "w1", "w2"].map((name) => weight(name, entries.get(name)!));
    const a = input("a", "float32", [2, 2]);
    const x = input("x", "float32", ["M", 2]);
    const h0 = gemm(x, w0!);
    const h1 = add(gemm(h0, w1!), gemm(h0, a));
    const loss = sum(gemm(h1, w2!));
    const products = (results: Record<string, Value>) =>
      createGraph(results).steps.filter(({ node }) => node.op!.name === "gemm");
    const forward = products({ loss });
    const both = products({ loss, a_grad: gradients(loss, [a])[0]! });
    expect(forward).toHaveLength(4);
    // Back through w2 to h1, and from there to a: neither w0, w1, w2 nor h0 and x.
    expect(both.slice(0, 4).map(({ outputs }) => outputs)).toEqual(forward.map(({ outputs }) => outputs));
    expect(both.slice(4).map(({ inputs }) => inputs)).toEqual([
      [expect.stringContaining("grad"), "w2"],
      ["gemm", expect.stringContaining("grad")],
    ]);
  });
});
