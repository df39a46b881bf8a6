// Edge cases of arithmetic, activations, products, normalisations and losses: extreme values, symbols, broadcasting of leading axes.
import { gelu, geluTanh, relu, silu } from "../../../src/graph/ops/activation.js";
import { add, div, equal, erf, exp, lessOrEqual, sigmoid, sub } from "../../../src/graph/ops/elementwise.js";
import { crossEntropy, softmaxMinusOneHot } from "../../../src/graph/ops/loss.js";
import { gemm, matmul } from "../../../src/graph/ops/matmul.js";
import { layerNorm, rmsNorm, softmax } from "../../../src/graph/ops/normalization.js";
import { rotary } from "../../../src/graph/ops/rotary.js";
import { mulByScalar } from "../../../src/graph/ops/scale.js";
import { cast } from "../../../src/graph/ops/shape.js";
import { constant, type Value } from "../../../src/graph/value.js";
import { at, coordinates, type Numbers, type OpCase } from "./case.js";

function rowsOf(x: Numbers, width: number): number[][] {
  return Array.from({ length: x.length / width }, (_, r) =>
    Array.from({ length: width }, (_, i) => x[r * width + i]!),
  );
}

/** log Σ exp, with the largest taken out. */
function logSum(row: readonly number[]): number {
  const largest = Math.max(...row);
  let sum = 0;
  for (const value of row) sum += Math.exp(value - largest);
  return largest + Math.log(sum);
}

const softmaxOf = (x: Numbers, width: number) =>
  rowsOf(x, width).flatMap((row) => row.map((value) => Math.exp(value - logSum(row))));

/** Maclaurin series of the error function; exact to 1e-15 for |x| < 3. */
function erfSeries(x: number): number {
  let [term, sum] = [x, x];
  for (let n = 1; n < 100; n++) {
    term *= -(x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}
const erfOf = (x: number) => (Math.abs(x) < 3 ? erfSeries(x) : Math.sign(x) * (1 - erfcTail(Math.abs(x))));
/** The continued fraction of 1 − erf. */
function erfcTail(x: number): number {
  let fraction = 0;
  for (let k = 60; k > 0; k--) fraction = k / 2 / (x + fraction);
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / (x + fraction);
}
const sigmoidOf = (x: number) => 1 / (1 + Math.exp(-x));

const EXTREMES = [-30, -10, -4, -1, -0.05, 0.05, 1, 4, 10, 30];

function extreme(op: string, build: (x: Value) => Value, f: (x: number) => number, data = EXTREMES): OpCase {
  return {
    op,
    about: "at extremes",
    operands: [{ shape: [data.length], dims: ["M"], data }],
    build: (x) => build(x),
    reference: (x) => Array.from(x, f),
  };
}

/** Products of the last two axes; leads are [2, 1] and [3]. */
function leadProduct(a: Numbers, b: Numbers): number[] {
  return [...coordinates([2, 3, 2, 2])].map(([i, j, m, n]) => {
    let sum = 0;
    for (let k = 0; k < 3; k++) sum += at(a, [2, 1, 2, 3], [i!, 0, m!, k]) * at(b, [3, 3, 2], [j!, k, n!]);
    return sum;
  });
}

const repeatedIds = [2, 2, 0];
const farLogits = [900, -900, 3, 0, 100, 100, -50, -50.5, -49];
const idsOperand = { shape: [3], dims: ["M"], dtype: "int64", data: repeatedIds } as const;
const angles = Array.from({ length: 8 }, (_, i) => Math.fround(0.7 * i));

export const edgeNumberCases: readonly OpCase[] = [
  extreme("exp", exp, Math.exp, [-80, -10, -1, 0, 1, 3]),
  extreme("sigmoid", sigmoid, sigmoidOf),
  extreme("erf", erf, erfOf),
  extreme("gelu", gelu, (x) => (x / 2) * (1 + erfOf(x / Math.SQRT2))),
  extreme(
    "geluTanh",
    geluTanh,
    (x) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  ),
  extreme("silu", silu, (x) => x * sigmoidOf(x)),
  extreme("relu", relu, (x) => Math.max(x, 0)),
  extreme(
    "scale",
    (x) => mulByScalar(x, 0),
    () => 0,
  ),
  {
    op: "add",
    about: "int64",
    operands: [
      { shape: [2, 1], dtype: "int64", data: [5, -7] },
      { shape: [3], dtype: "int64", data: [1, 100, -1] },
    ],
    build: (a, b) => cast(add(a, b), "float32"),
    reference: () => [6, 105, 4, -6, 93, -8],
  },
  {
    op: "sub",
    about: "a symbol against 1 on both sides",
    operands: [
      { shape: [3, 1], dims: ["M", 1] },
      { shape: [1, 2], dims: [1, "N"] },
    ],
    build: sub,
    reference: (a, b) => [...coordinates([3, 2])].map(([r, c]) => a[r!]! - b[c!]!),
  },
  {
    op: "div",
    about: "by small and large numbers",
    operands: [{ shape: [4] }, { shape: [4], data: [0.5, -0.25, 100, -3] }],
    build: div,
    reference: (a, b) => [0, 1, 2, 3].map((i) => a[i]! / b[i]!),
  },
  {
    op: "lessOrEqual",
    about: "int64 of two symbols",
    operands: [
      { shape: [3], dims: ["S"], dtype: "int64", data: [0, 1, 2] },
      { shape: [2, 1], dims: ["T", 1], dtype: "int64", data: [1, 2] },
    ],
    build: (a, b) => cast(lessOrEqual(a, b), "float32"),
    reference: () => [1, 1, 0, 1, 1, 1],
  },
  {
    op: "equal",
    about: "float32 by value",
    operands: [
      { shape: [3], data: [0, 0.5, -1] },
      { shape: [3], data: [-0, 0.5, 1] },
    ],
    build: (a, b) => cast(equal(a, b), "float32"),
    reference: () => [1, 1, 0],
  },
  {
    op: "matmul",
    about: "leading axes that broadcast on both sides",
    operands: [{ shape: [2, 1, 2, 3] }, { shape: [3, 3, 2] }],
    build: (a, b) => matmul(a, b),
    reference: leadProduct,
  },
  {
    op: "matmul",
    about: "scores of attention: symbols on every axis but the last",
    operands: [
      { shape: [2, 2, 3, 4], dims: ["B", 2, "T", 4] },
      { shape: [2, 2, 5, 4], dims: ["B", 2, "S", 4] },
    ],
    build: (q, k) => matmul(q, k, { transB: true, alpha: 0.5 }),
    reference: (q, k) =>
      [...coordinates([2, 2, 3, 5])].map(([b, h, t, s]) => {
        let sum = 0;
        for (let i = 0; i < 4; i++)
          sum += q[((b! * 2 + h!) * 3 + t!) * 4 + i]! * k[((b! * 2 + h!) * 5 + s!) * 4 + i]!;
        return sum / 2;
      }),
  },
  {
    op: "gemm",
    about: "a linear layer: rows of symbols, weights [out, in], bias row",
    operands: [{ shape: [6, 3], dims: ["B*T", 3] }, { shape: [2, 3] }, { shape: [2] }],
    build: (x, weight, bias) => gemm(x, weight, { transB: true, c: bias }),
    reference: (x, weight, bias) =>
      [...coordinates([6, 2])].map(([r, o]) => {
        let sum = bias[o!]!;
        for (let i = 0; i < 3; i++) sum += x[3 * r! + i]! * weight[3 * o! + i]!;
        return sum;
      }),
  },
  {
    op: "softmax",
    about: "one column, and rows of symbols",
    operands: [{ shape: [2, 3, 1], dims: ["B", "T", 1] }],
    build: softmax,
    reference: (x) => Array.from(x, () => 1),
  },
  {
    op: "softmax",
    about: "a row in which all is masked",
    operands: [{ shape: [2, 3], data: [-3e4, -3e4, -3e4, 1, -3e4, 2] }],
    build: softmax,
    reference: (x) => softmaxOf(x, 3),
  },
  {
    op: "layerNorm",
    about: "a row of equal numbers, and rows of symbols",
    operands: [
      { shape: [1, 2, 3], dims: ["B", "T", 3], data: [2, 2, 2, -1, 0.5, 1.5] },
      { shape: [3] },
      { shape: [3] },
    ],
    build: (x, weight, bias) => layerNorm(x, weight, bias, 1e-5),
    reference: (x, weight, bias) =>
      rowsOf(x, 3).flatMap((row) => {
        const mean = (row[0]! + row[1]! + row[2]!) / 3;
        let variance = 0;
        for (const value of row) variance += (value - mean) ** 2 / 3;
        return row.map((value, i) => ((value - mean) / Math.sqrt(variance + 1e-5)) * weight[i]! + bias[i]!);
      }),
  },
  {
    op: "rmsNorm",
    about: "tiny, zero and large rows of symbols",
    operands: [
      { shape: [3, 3], dims: ["B*T", 3], data: [1e-3, -2e-3, 1e-3, 0, 0, 0, 300, -20, 100] },
      { shape: [3] },
    ],
    build: (x, weight) => rmsNorm(x, weight, 1e-3),
    reference: (x, weight) =>
      rowsOf(x, 3).flatMap((row) => {
        let square = 1e-3;
        for (const value of row) square += (value * value) / 3;
        return row.map((value, i) => (value / Math.sqrt(square)) * weight[i]!);
      }),
  },
  {
    op: "rotary",
    about: "one head of one token",
    operands: [
      { shape: [2, 1, 1, 4], dims: ["B", 1, "T", 4] },
      { shape: [2, 1], dims: ["B", "T"], dtype: "int64", data: [3, 1] },
    ],
    build: (x, positions) =>
      rotary(
        x,
        positions,
        constant(Float32Array.from(angles, Math.cos), [4, 2]),
        constant(Float32Array.from(angles, Math.sin), [4, 2]),
        4,
      ),
    reference: (x) =>
      [3, 1].flatMap((position, b) => {
        // The pair (i, i + 2) is a complex number, turned by its angle.
        const turned = [0, 1].map((i) => {
          const angle = angles[2 * position + i]!;
          const [re, im] = [x[4 * b + i]!, x[4 * b + i + 2]!];
          return [re * Math.cos(angle) - im * Math.sin(angle), re * Math.sin(angle) + im * Math.cos(angle)];
        });
        return [turned[0]![0]!, turned[1]![0]!, turned[0]![1]!, turned[1]![1]!];
      }),
  },
  {
    op: "crossEntropy",
    about: "logits far apart, repeated ids",
    operands: [{ shape: [3, 3], dims: ["M", 3], data: farLogits }, idsOperand],
    build: (logits, ids) => crossEntropy(logits, ids).sum,
    reference: (x) => [rowsOf(x, 3).reduce((sum, row, r) => sum + logSum(row) - row[repeatedIds[r]!]!, 0)],
  },
  {
    op: "softmaxMinusOneHot",
    about: "logits far apart, repeated ids",
    operands: [{ shape: [3, 3], dims: ["M", 3], data: farLogits }, idsOperand],
    build: softmaxMinusOneHot,
    reference: (x) => softmaxOf(x, 3).map((p, i) => p - (i % 3 === repeatedIds[Math.trunc(i / 3)] ? 1 : 0)),
  },
];
