// The engine of gradients, apart from single rules: sums over uses, what is walked, names, depth.
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/graph/autodiff.js";
import { createGraph, printGraph } from "../../src/graph/graph.js";
import { add, argMax, cast, gemm, mul, mulByScalar, reduceSum } from "../../src/graph/ops.js";
import { atPath, constant, input, type Value } from "../../src/graph/value.js";
import { createSession } from "../../src/runtime/session.js";

const sum = (x: Value) =>
  reduceSum(
    x,
    x.shape.map((_, axis) => axis),
  );

async function run(
  results: Record<string, Value>,
  feeds: Record<string, number[]>,
): Promise<Record<string, number[]>> {
  const session = await createSession(createGraph(results), { numThreads: 1 });
  const inputs = Object.entries(feeds).map(([name, values]) => [
    name,
    { dims: [values.length], data: Float32Array.from(values) },
  ]);
  const found = await session.run(Object.fromEntries(inputs));
  await session.release();
  return Object.fromEntries(
    Object.entries(found).map(([name, { data }]) => [name, Array.from(data as Float32Array)]),
  );
}

describe("gradients", () => {
  it("add up over all uses of a value", async () => {
    const x = input("x", "float32", [2]);
    const y = add(mul(x, x), add(x, mulByScalar(x, 3)));
    const [g] = gradients(sum(mul(y, x)), [x]);
    // (x² + 4x)·x
    expect(await run({ g: g! }, { x: [2, -1] })).toEqual({ g: [3 * 4 + 8 * 2, 3 - 8] });
  });

  it("reach a value that is itself an inner one, and its inputs beside it", async () => {
    const x = input("x", "float32", [2]);
    const y = mul(x, x);
    const [gy, gx] = gradients(sum(mul(y, y)), [y, x]);
    expect(await run({ gy: gy!, gx: gx! }, { x: [1, 3] })).toEqual({ gy: [2, 18], gx: [4, 108] });
  });

  it("bear the names of what they are gradients of, and walk nothing that is frozen", () => {
    const x = input("x", "float32", [2, 3]);
    const frozen = constant(new Float32Array(12).fill(1), [3, 4], "frozen");
    const a = input("layer.lora_A.weight", "float32", [4, 2]);
    const hidden = atPath("layer", () => gemm(x, frozen));
    const loss = sum(atPath("layer", () => gemm(hidden, a)));
    const [g] = gradients(loss, [a]);
    expect(printGraph(createGraph({ loss, "layer.lora_A.weight_grad": g! }))).toMatchInlineSnapshot(`
      "input x: float32[2,3]
      input layer.lora_A.weight: float32[4,2]
      layer/gemm: float32[2,4] = gemm(x, frozen) {"transA":false,"transB":false,"alpha":1}
      layer/gemm_2: float32[2,2] = gemm(layer/gemm, layer.lora_A.weight) {"transA":false,"transB":false,"alpha":1}
      loss: float32[] = reduceSum(layer/gemm_2) {"axes":[0,1],"keepdims":false}
      reduceSum_grad/reshape: float32[1,1] = reshape(constant) {"shape":[1,1]}
      reduceSum_grad/expand: float32[2,2] = expand(reduceSum_grad/reshape) {"shape":[2,2]}
      layer.lora_A.weight_grad: float32[4,2] = gemm(layer/gemm, reduceSum_grad/expand) {"transA":true,"transB":false,"alpha":1}
      return loss = loss
      return layer.lora_A.weight_grad = layer.lora_A.weight_grad"
    `);
  });

  it("go through ten thousand nodes", () => {
    const x = input("x", "float32", []);
    let y = x;
    for (let i = 0; i < 10_000; i++) y = mulByScalar(y, 1.0001);
    expect(gradients(y, [x])[0]!.shape).toEqual([]);
  });

  it("are refused where there is none", () => {
    const x = input("x", "float32", [3]);
    const other = input("other", "float32", [3]);
    expect(() => gradients(sum(x), [other])).toThrow("other does not influence the loss");
    expect(() => gradients(cast(argMax(x, 0), "float32"), [x])).toThrow("x does not influence the loss");
    expect(() => gradients(x, [x])).toThrow("must be a scalar");
  });
});
