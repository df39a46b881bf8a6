// Values of all kinds -> their names, what of them is merged, how they print, and which graphs are refused.
import { describe, expect, it } from "vitest";
import { PhinetuneError } from "../../src/errors.js";
import type { TensorEntry } from "../../src/formats/tensor.js";
import { gradients } from "../../src/graph/autodiff.js";
import { createGraph, type Graph, printGraph } from "../../src/graph/graph.js";
import {
  add,
  crossEntropy,
  expand,
  gather,
  layerNorm,
  mul,
  mulByScalar,
  range,
  reduceSum,
  sizeOf,
  sub,
} from "../../src/graph/ops.js";
import { atPath, constant, input, inScope, scalar, weight } from "../../src/graph/value.js";

const x = input("x", "float32", ["B", 3]);
const opNames = ({ steps }: Graph) => steps.map(({ node }) => node.op!.name);
const entry = (name: string): TensorEntry => ({
  name,
  dtype: "F32",
  shape: [3],
  file: "/model.safetensors",
  offset: 0,
  length: 12,
});

describe("printing", () => {
  it("shows types, attributes, by-products in use, and results under two names", () => {
    const [w, b] = [weight("norm.weight", entry("norm.weight")), input("norm.bias", "float32", [3])];
    const y = atPath("norm", () => layerNorm(x, w, b, 1e-5));
    const loss = reduceSum(mul(y, y), [0, 1]);
    const graph = createGraph({ loss, same: loss, x_grad: gradients(loss, [x])[0]! });
    expect(printGraph(graph)).toMatchInlineSnapshot(`
      "input x: float32[B,3]
      input norm.bias: float32[3]
      weight norm.weight: float32[3]
      norm/layerNorm: float32[B,3], norm/layerNorm:1: float32[B,1], norm/layerNorm:2: float32[B,1] = layerNorm(x, norm.weight, norm.bias) {"epsilon":0.00001}
      mul: float32[B,3] = mul(norm/layerNorm, norm/layerNorm)
      loss: float32[] = reduceSum(mul) {"axes":[0,1],"keepdims":false}
      reduceSum_grad/reshape: float32[1,1] = reshape(constant) {"shape":[1,1]}
      reduceSum_grad/expand: float32[B,3] = expand(reduceSum_grad/reshape) {"shape":["B",3]}
      mul_grad/mul: float32[B,3] = mul(reduceSum_grad/expand, norm/layerNorm)
      norm/layerNorm_grad/add: float32[B,3] = add(mul_grad/mul, mul_grad/mul)
      norm/layerNorm_grad/mul: float32[B,3] = mul(norm/layerNorm_grad/add, norm.weight)
      norm/layerNorm_grad/reduceMean: float32[B,1] = reduceMean(norm/layerNorm_grad/mul) {"axes":[1],"keepdims":true}
      norm/layerNorm_grad/sub: float32[B,3] = sub(norm/layerNorm_grad/mul, norm/layerNorm_grad/reduceMean)
      norm/layerNorm_grad/sub_2: float32[B,3] = sub(x, norm/layerNorm:1)
      norm/layerNorm_grad/mul_2: float32[B,3] = mul(norm/layerNorm_grad/sub_2, norm/layerNorm:2)
      norm/layerNorm_grad/mul_3: float32[B,3] = mul(norm/layerNorm_grad/mul, norm/layerNorm_grad/mul_2)
      norm/layerNorm_grad/reduceMean_2: float32[B,1] = reduceMean(norm/layerNorm_grad/mul_3) {"axes":[1],"keepdims":true}
      norm/layerNorm_grad/mul_4: float32[B,3] = mul(norm/layerNorm_grad/mul_2, norm/layerNorm_grad/reduceMean_2)
      norm/layerNorm_grad/sub_3: float32[B,3] = sub(norm/layerNorm_grad/sub, norm/layerNorm_grad/mul_4)
      x_grad: float32[B,3] = mul(norm/layerNorm_grad/sub_3, norm/layerNorm:2)
      return loss = loss
      return same = loss
      return x_grad = x_grad"
    `);
  });

  it("leaves out the by-products that nobody uses", () => {
    const { sum } = crossEntropy(input("logits", "float32", ["M", 4]), input("ids", "int64", ["M"]));
    expect(printGraph(createGraph({ loss: sum }))).toMatchInlineSnapshot(`
      "input logits: float32[M,4]
      input ids: int64[M]
      loss: float32[] = crossEntropy(logits, ids)
      return loss = loss"
    `);
  });
});

describe("names", () => {
  it("get a number where they repeat, and keep the path they were made at", () => {
    const layer = (n: number, from: typeof x) =>
      atPath(`model.layers.${n}`, () => inScope("mlp", () => mulByScalar(mulByScalar(from, 2), 3)));
    const { steps } = createGraph({ y: add(layer(1, layer(0, x)), x) });
    expect(steps.flatMap(({ outputs }) => outputs)).toEqual([
      "model.layers.0/mlp/scale",
      "model.layers.0/mlp/scale_2",
      "model.layers.1/mlp/scale",
      "model.layers.1/mlp/scale_2",
      "y",
    ]);
  });

  it("go back to the outer scope, even after a fault", () => {
    inScope("outer", () => {
      expect(() => inScope("inner", () => add(x, input("z", "float32", [2])))).toThrow("outer/inner/add");
      expect(add(x, x).node.label).toBe("outer/add");
      expect(atPath("path", () => add(x, x)).node.label).toBe("path/add");
    });
    expect(add(x, x).node.label).toBe("add");
  });

  it("of results come first: an inner value gives way", () => {
    const { steps, results } = createGraph({ scale: mulByScalar(mulByScalar(x, 2), 3) });
    expect(steps.map(({ outputs }) => outputs[0])).toEqual(["scale_2", "scale"]);
    expect(results.map(({ name, value }) => [name, value])).toEqual([["scale", "scale"]]);
  });

  it("are unique in the whole graph", () => {
    const y = mulByScalar(add(x, scalar(2)), 2);
    const graph = createGraph({ y, z: sub(mul(y, scalar(3)), mul(y, y)) });
    const all = [graph.inputs, graph.weights, graph.constants, graph.steps].flatMap((nodes) =>
      nodes.flatMap(({ outputs }) => outputs),
    );
    expect(new Set(all).size).toBe(all.length);
    expect(all).not.toContain("");
  });
});

describe("equal work", () => {
  it("is done once, through any depth, but not across a change of order", () => {
    const chain = () => add(mul(mulByScalar(x, 2), x), x);
    expect(opNames(createGraph({ y: sub(chain(), chain()) }))).toEqual(["scale", "mul", "add", "sub"]);
    const [a, b] = [input("a", "float32", [3]), input("b", "float32", [3])];
    expect(opNames(createGraph({ y: mul(sub(a, b), sub(b, a)) }))).toEqual(["sub", "sub", "mul"]);
  });

  it("keeps the label of the first of its kind, and other by-products apart", () => {
    const first = atPath("first", () => mulByScalar(x, 2));
    const second = atPath("second", () => mulByScalar(x, 2));
    const { steps } = createGraph({ y: add(first, second) });
    expect(steps.map(({ outputs, inputs }) => [outputs[0], inputs])).toEqual([
      ["first/scale", ["x"]],
      ["y", ["first/scale", "first/scale"]],
    ]);
    const logits = input("logits", "float32", ["M", 4]);
    const { sum, losses } = crossEntropy(logits, input("ids", "int64", ["M"]));
    const { results } = createGraph({ sum, losses });
    expect(results.map(({ value }) => value)).toEqual(["sum", "losses"]);
  });

  it("holds small constants equal by type, shape and bits, large ones by identity", () => {
    const count = (...values: ReturnType<typeof constant>[]) =>
      createGraph(Object.fromEntries(values.map((value, i) => [`y${i}`, value]))).constants.length;
    const floats = (...data: number[]) => constant(Float32Array.from(data), [data.length]);
    expect(count(floats(1, 2), floats(1, 2))).toBe(1);
    expect(count(floats(1, 2), floats(1, 3))).toBe(2);
    expect(count(floats(0), floats(-0))).toBe(2);
    expect(count(floats(1, 2), constant(Float32Array.of(1, 2), [1, 2]))).toBe(2);
    expect(count(floats(1), constant(Int32Array.of(1), [1]), constant(BigInt64Array.of(1n), [1]))).toBe(3);
    const table = new Float32Array(100);
    expect(count(constant(table, [100]), constant(table, [100], "other"))).toBe(1);
    expect(count(constant(table, [100]), constant(table.slice(), [100]))).toBe(2);
  });

  it("takes one tensor of a file under one name for one weight", () => {
    const first = entry("w");
    expect(createGraph({ y: add(weight("w", first), weight("w", first)) }).weights).toHaveLength(1);
  });
});

describe("a graph is refused", () => {
  it.each<readonly [string, () => Graph, string]>([
    [
      "with two inputs of one name and other types",
      () => createGraph({ y: gather(input("a", "float32", [4]), input("a", "int64", [2])) }),
      "two different leaves are called a",
    ],
    [
      "with two tensors under one name",
      () => createGraph({ y: add(weight("w", entry("one")), weight("w", entry("two"))) }),
      "two different leaves are called w",
    ],
    [
      "with an input and a weight of one name",
      () => createGraph({ y: add(weight("w", entry("w")), input("w", "float32", [3])) }),
      "two different leaves are called w",
    ],
    [
      "with a size that no input shows",
      () => createGraph({ y: sizeOf("S"), shown: x }),
      "no input shows the size S · y",
    ],
    [
      "with a part of a product that no input shows",
      () => createGraph({ y: range("B*T"), shown: x }),
      "the size T · y",
    ],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(PhinetuneError);
    expect(build).toThrow(message);
  });

  it("takes a size that an input shows on any axis", () => {
    const { results } = createGraph({
      y: expand(scalar(1), ["B"]),
      n: sizeOf("B"),
      twice: mulByScalar(x, 2),
    });
    expect(results.map(({ name }) => name)).toEqual(["y", "n", "twice"]);
  });
});

describe("the order of steps", () => {
  it("puts each after what it depends on, and leaves out what no result needs", () => {
    const shared = mulByScalar(x, 2);
    add(shared, shared);
    const graph = createGraph({ late: sub(mul(shared, x), shared), early: shared });
    expect(opNames(graph)).toEqual(["scale", "mul", "sub"]);
    const known = new Set(graph.inputs.flatMap(({ outputs }) => outputs));
    for (const { inputs, outputs } of graph.steps) {
      for (const name of inputs) expect(known).toContain(name);
      for (const name of outputs) known.add(name);
    }
  });
});
