// The op table through the real onnxruntime: results against loops in float64, gradients against central differences of these loops.
import { describe, expect, it } from "vitest";
import { PhinetuneError } from "../../src/errors.js";
import { gradients } from "../../src/graph/autodiff.js";
import { evaluateDim } from "../../src/graph/dims.js";
import { createGraph } from "../../src/graph/graph.js";
import { ops } from "../../src/graph/ops/index.js";
import {
  add,
  concat,
  gather,
  gemm,
  layerNorm,
  matmul,
  mul,
  reduceSum,
  reshape,
  slice,
  transpose,
  where,
} from "../../src/graph/ops.js";
import { type ElementType, input, type Value } from "../../src/graph/value.js";
import { createSession, type NDArray } from "../../src/runtime/session.js";
import { count, type Numbers, type OpCase, type Operand, randomNumbers } from "./op_cases/case.js";
import { opCases } from "./op_cases.js";

/** Relative to the largest element: float32 arithmetic against float64. */
const TOLERANCE = 2e-5;
const STEP = 1e-5;

function arrayOf(values: Numbers, dtype: ElementType): NDArray["data"] {
  const list = Array.from(values);
  if (dtype === "int64") return BigInt64Array.from(list, BigInt);
  if (dtype === "int32") return Int32Array.from(list);
  if (dtype === "int8") return Int8Array.from(list);
  if (dtype === "uint8") return Uint8Array.from(list);
  return dtype === "bool" ? Uint8Array.from(list) : Float32Array.from(list);
}

function expectClose(found: Numbers, wanted: Numbers, what: string): void {
  expect(found.length, what).toBe(wanted.length);
  const scale = Math.max(1, ...Array.from(wanted, Math.abs));
  for (let i = 0; i < wanted.length; i++)
    expect(
      Math.abs(found[i]! - wanted[i]!) / scale,
      `${what} [${i}]: ${found[i]} for ${wanted[i]}`,
    ).toBeLessThan(TOLERANCE);
}

/** Σ y·w, and its slope for each element of operand `of`. */
function slopes(
  { operands, reference }: OpCase,
  values: readonly Numbers[],
  weights: Numbers,
  of: number,
): number[] {
  const weighted = (changed: Numbers) => {
    const y = reference(...operands.map((_, i) => (i === of ? changed : values[i]!)));
    return Array.from(y).reduce((sum, value, i) => sum + value * weights[i]!, 0);
  };
  return Array.from(values[of]!, (x, i) => {
    // A masked score has no slope that a step could show.
    if (Math.abs(x) > 1e30) return 0;
    const moved = (by: number) => Array.from(values[of]!, (value, j) => (j === i ? x + by : value));
    return (weighted(moved(STEP)) - weighted(moved(-STEP))) / (2 * STEP);
  });
}

const isFloat = ({ dtype = "float32" }: Operand) => dtype === "float32";

describe("the op table", () => {
  it("has a case for every op, and no case of another", () => {
    const tested = new Set(opCases.map(({ op }) => op));
    expect(ops.map(({ name }) => name).filter((name) => !tested.has(name))).toEqual([]);
    expect([...tested].filter((name) => !ops.some((op) => op.name === name))).toEqual([]);
    expect(new Set(ops.map(({ name }) => name)).size).toBe(ops.length);
  });

  it.each(opCases.map((opCase) => [`${opCase.op} ${opCase.about ?? ""}`.trim(), opCase] as const))(
    "%s",
    async (label, opCase) => {
      const { operands } = opCase;
      const values = operands.map(({ data, shape }, i) => data ?? randomNumbers(count(shape), label, i));
      const inputs = operands.map(({ dtype = "float32", dims, shape }, i) =>
        input(`x${i}`, dtype, dims ?? shape),
      );
      const y = opCase.build(...inputs);
      expect(y.dtype).toBe("float32");
      const wanted = opCase.reference(...values);
      const w = input("w", "float32", y.shape);
      const weights = randomNumbers(wanted.length, label, "w");
      const loss = reduceSum(
        mul(y, w),
        y.shape.map((_, axis) => axis),
      );

      const targets = inputs.filter((x, i) => isFloat(operands[i]!) && hasGradient(loss, x));
      const found = targets.length > 0 ? gradients(loss, targets) : [];
      for (const [i, gradient] of found.entries()) expect(gradient.shape).toEqual(targets[i]!.shape);
      const graph = createGraph({ y, ...Object.fromEntries(found.map((g, i) => [`g${i}`, g])) });

      const symbols: Record<string, number> = {};
      for (const { dims, shape } of operands)
        for (const [axis, dim] of (dims ?? []).entries())
          if (typeof dim === "string") symbols[dim] = shape[axis]!;
      const sizeOf = (dim: number | string) =>
        typeof dim === "number" ? dim : (symbols[dim] ?? evaluateDim(dim, symbols));
      const session = await createSession(graph, { numThreads: 1 });
      const feeds: Record<string, NDArray> = {
        w: { dims: y.shape.map(sizeOf), data: Float32Array.from(weights) },
      };
      for (const [i, { shape, dtype = "float32" }] of operands.entries())
        feeds[`x${i}`] = { dims: shape, data: arrayOf(values[i]!, dtype) };
      const result = await session.run(feeds);
      await session.release();

      expect(result.y!.dims).toEqual(y.shape.map(sizeOf));
      expectClose(result.y!.data as Float32Array, wanted, "result");
      for (const [i, target] of targets.entries()) {
        const of = inputs.indexOf(target);
        const expected = opCase.gradients?.[of]?.(weights, ...values) ?? slopes(opCase, values, weights, of);
        expectClose(result[`g${i}`]!.data as Float32Array, expected, `gradient of ${target.node.label}`);
      }
      // Every float operand that the op has a rule for must have been checked.
      const rules = ops.find(({ name }) => name === opCase.op)!.vjp;
      if (typeof rules !== "function")
        expect(targets.length).toBeGreaterThanOrEqual(
          operands.filter((operand, i) => isFloat(operand) && rules[i]).length,
        );
    },
  );
});

/** Whether the loss has a gradient for x: not where the only way leads through an op without one. */
function hasGradient(loss: Value, x: Value): boolean {
  try {
    gradients(loss, [x]);
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(PhinetuneError);
    expect((error as Error).message).toContain("does not influence the loss");
    return false;
  }
}

describe("shape rules refuse, with the types", () => {
  const x = (...shape: (number | string)[]) => input("x", "float32", shape);
  const ids = input("ids", "int64", [3]);
  it.each([
    ["add", () => add(x(2, 3), x(2, 4)), "float32[2,3], float32[2,4]"],
    ["add of two types", () => add(x(3), ids), "float32[3], int64[3]"],
    ["add of symbols", () => add(x("B", 3), x("T", 3)), "float32[B,3], float32[T,3]"],
    ["matmul", () => matmul(x(2, 3), x(4, 2)), "matching inner sizes"],
    ["gemm", () => gemm(x(2, 3), x(3, 4), { c: x(3) }), "float32[2,3], float32[3,4], float32[3]"],
    ["gemm of three axes", () => gemm(x(1, 2, 3), x(3, 4)), "two matrices"],
    ["reshape", () => reshape(x("B", 3), ["B", 4]), "the same number of elements as [B,4]"],
    ["transpose", () => transpose(x(2, 3), [0, 0]), "a permutation"],
    ["concat", () => concat([x(2, 3), x(3, 3)], 1), "equal sizes"],
    ["concat of symbols", () => concat([x("P"), x("T")], 0), "a name for the joined size"],
    ["slice", () => slice(x(2, 3), 1, 2, 5), "to hold 2..5"],
    ["gather", () => gather(x(2, 3), x(2)), "int64 indices"],
    ["layerNorm", () => layerNorm(x(2, 3), x(2), x(3), 1e-5), "weight and bias"],
    ["where", () => where(x(2), x(2), x(2)), "a bool"],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(PhinetuneError);
    expect(build).toThrow(message);
  });
});
