// The edge cases through onnxruntime against float64 loops, and for each op of the table which inputs have a gradient at all.
import { describe, expect, it } from "vitest";
import { gradients, topologicalOrder } from "../../src/graph/autodiff.js";
import { type Dim, evaluateDim } from "../../src/graph/dims.js";
import { createGraph } from "../../src/graph/graph.js";
import { ops } from "../../src/graph/ops/index.js";
import { cast, mul, reduceSum } from "../../src/graph/ops.js";
import { applyAll, type ElementType, input, type Op, type Value } from "../../src/graph/value.js";
import { createSession, type NDArray } from "../../src/runtime/session.js";
import { count, type Numbers, type OpCase, randomNumbers } from "./op_cases/case.js";
import { edgeArrayCases } from "./op_cases/edges_arrays.js";
import { edgeNumberCases } from "./op_cases/edges_numbers.js";
import { opCases } from "./op_cases.js";

/** Relative to the largest element: float32 arithmetic against float64. */
const TOLERANCE = 2e-5;

/** Inputs that have no gradient by decision, by position; every other input of the table has one. */
const WITHOUT_GRADIENT: Readonly<Record<string, readonly number[]>> = {
  argMax: [0],
  bitwiseXor: [0, 1],
  and: [0, 1],
  less: [0, 1],
  lessOrEqual: [0, 1],
  equal: [0, 1],
  where: [0],
  gather: [1],
  scatterAdd: [1],
  rotary: [1, 2, 3],
  crossEntropy: [1],
  softmaxMinusOneHot: [0, 1],
  fence: [0, 1],
  after: [1],
  rotate: [1, 2],
  rowScale: [0],
  quantizeRows: [0, 1],
  int8Linear: [1, 2, 3, 4, 5, 6],
  int8Product: [0, 1, 2, 3],
  int8SoftmaxProduct: [0, 1, 2, 3, 4, 5],
  dequantizeNf4: [0, 1, 2, 3, 4],
  nf4Linear: [1, 2, 3, 4, 5],
  blockLinear: [0, 1, 2, 3],
  keepLast: [0, 1],
};

const edgeCases = [...edgeArrayCases, ...edgeNumberCases];
const sum = (x: Value) =>
  reduceSum(
    x,
    x.shape.map((_, axis) => axis),
  );

function arrayOf(values: Numbers, dtype: ElementType): NDArray["data"] {
  const list = Array.from(values);
  if (dtype === "int64") return BigInt64Array.from(list, BigInt);
  if (dtype === "int32") return Int32Array.from(list);
  return dtype === "bool" ? Uint8Array.from(list) : Float32Array.from(list);
}

function expectClose(found: Numbers, wanted: Numbers, what: string): void {
  expect(found.length, what).toBe(wanted.length);
  const scale = Math.max(1e-2, ...Array.from(wanted, Math.abs));
  for (const [i, value] of Array.from(wanted).entries())
    expect(Math.abs(found[i]! - value) / scale, `${what} [${i}]: ${found[i]} for ${value}`).toBeLessThan(
      TOLERANCE,
    );
}

/** The slope of Σ y·w for each element of operand `of`, by central differences of fourth order. */
function slopes(opCase: OpCase, values: readonly Numbers[], weights: Numbers, of: number): number[] {
  const loss = (i: number, x: number) => {
    const changed = values.map((list, at) =>
      at === of ? Array.from(list, (old, j) => (j === i ? x : old)) : list,
    );
    return Array.from(opCase.reference(...changed)).reduce((total, y, j) => total + y * weights[j]!, 0);
  };
  return Array.from(values[of]!, (x, i) => {
    const h = 1e-4;
    const rise = (step: number) => loss(i, x + step) - loss(i, x - step);
    return (8 * rise(h) - rise(2 * h)) / (12 * h);
  });
}

function prepare({ op, about, operands, build }: OpCase) {
  const values = operands.map(
    ({ data, shape }, i) => data ?? randomNumbers(count(shape), op, about ?? "", i),
  );
  const inputs = operands.map(({ dtype = "float32", dims, shape }, i) =>
    input(`x${i}`, dtype, dims ?? shape),
  );
  return { values, inputs, y: build(...inputs) };
}

/** Operands that reach the result through rules alone: no int cast and no null rule on the way. */
function differentiable(y: Value, inputs: readonly Value[]): readonly Value[] {
  const live = new Set<Value>();
  for (const node of [...topologicalOrder([y])].reverse()) {
    if (node !== y.node && !live.has(node.outputs[0]!)) continue;
    for (const [index, x] of node.inputs.entries()) {
      const blocked = WITHOUT_GRADIENT[node.op!.name]?.includes(index) || x.dtype !== "float32";
      if (!blocked) live.add(x);
    }
  }
  return inputs.filter((x) => live.has(x));
}

describe("edge cases", () => {
  it.each(edgeCases.map((opCase) => [`${opCase.op} ${opCase.about}`, opCase] as const))(
    "%s",
    async (_, opCase) => {
      const { operands } = opCase;
      const { values, inputs, y } = prepare(opCase);
      expect(topologicalOrder([y]).some(({ op }) => op?.name === opCase.op)).toBe(true);
      const wanted = opCase.reference(...values);
      const weights = randomNumbers(wanted.length, opCase.op, opCase.about ?? "", "w");
      const w = input("w", "float32", y.shape);
      const targets = differentiable(y, inputs);
      const found = targets.length > 0 ? gradients(sum(mul(y, w)), targets) : [];
      const session = await createSession(
        createGraph({ y, ...Object.fromEntries(found.map((g, i) => [`g${i}`, g])) }),
        { numThreads: 1 },
      );

      const symbols = Object.fromEntries(
        operands.flatMap(({ dims = [], shape }) =>
          dims.map((dim, axis) => [String(dim), shape[axis]!] as const),
        ),
      );
      const sizeOf = (dim: Dim) => symbols[dim] ?? evaluateDim(dim, symbols);
      const result = await session.run({
        w: { dims: y.shape.map(sizeOf), data: Float32Array.from(weights) },
        ...Object.fromEntries(
          operands.map(({ shape, dtype = "float32" }, i) => [
            `x${i}`,
            { dims: shape, data: arrayOf(values[i]!, dtype) },
          ]),
        ),
      });
      await session.release();

      expect(result.y!.dims).toEqual(y.shape.map(sizeOf));
      expectClose(result.y!.data as Float32Array, wanted, "result");
      for (const [i, target] of targets.entries()) {
        const of = inputs.indexOf(target);
        expect(result[`g${i}`]!.dims).toEqual(operands[of]!.shape);
        const slope = slopes(opCase, values, weights, of);
        expectClose(result[`g${i}`]!.data as Float32Array, slope, `gradient of operand ${of}`);
      }
    },
  );
});

/** The node of each case's op, with fresh leaves for inputs. */
const appliedOps = [...opCases, ...edgeCases].flatMap((opCase) =>
  topologicalOrder([prepare(opCase).y]).flatMap(({ op, inputs, attributes }) =>
    op?.name === opCase.op
      ? [{ op, attributes, leaves: inputs.map(({ dtype, shape }, i) => input(`leaf${i}`, dtype, shape)) }]
      : [],
  ),
);

const appliedAs = (name: string) => appliedOps.filter(({ op }) => op.name === name);

describe("the rules of the op table", () => {
  it.each(ops.map((op) => [op.name, op] as const))(
    "%s: a rule for each input, but where that is decided",
    (name, op: Op) => {
      const applied = appliedAs(name);
      expect(applied.length).toBeGreaterThan(0);
      const most = Math.max(...applied.map(({ leaves }) => leaves.length));
      if (typeof op.vjp !== "function") expect(op.vjp).toHaveLength(most);
      const rules = Array.from({ length: most }, (_, i) =>
        typeof op.vjp === "function" ? op.vjp(i) : op.vjp[i],
      );
      expect(rules.flatMap((rule, i) => (rule === null ? [i] : []))).toEqual(WITHOUT_GRADIENT[name] ?? []);
    },
  );

  it.each(Object.entries(WITHOUT_GRADIENT))("%s: no gradient of inputs %s", (name, none) => {
    const applied = appliedAs(name);
    expect(applied.length).toBeGreaterThan(0);
    for (const { op, leaves, attributes } of applied) {
      const loss = sum(cast(applyAll(op, leaves, attributes)[0]!, "float32"));
      // An op with parts that may be left out has cases with and without them.
      for (const index of none.filter((each) => each < leaves.length))
        expect(() => gradients(loss, [leaves[index]!])).toThrow(`leaf${index} does not influence the loss`);
    }
  });
});
