// Cases of int8 arithmetic: float32 steps are repeated rounding by rounding, so that the whole numbers must be the same ones.
import {
  int8LinearOp,
  int8ProductOp,
  int8SoftmaxProductOp,
  quantizeRows,
  rotate,
  rowScale,
} from "../../../src/graph/ops/int8.js";
import { cast } from "../../../src/graph/ops/shape.js";
import { apply } from "../../../src/graph/value.js";
import { createRandom } from "../../../src/random.js";
import type { Numbers, OpCase, Operand } from "./case.js";

const f32 = Math.fround;

function roundHalfToEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}

const rowsOf = (x: Numbers, size: number) =>
  Array.from({ length: x.length / size }, (_, r) => Array.from({ length: size }, (_, i) => x[r * size + i]!));

const scaleOf = (row: readonly number[]) =>
  Math.max(f32(f32(Math.max(...row.map(Math.abs))) * f32(1 / 127)), f32(1e-30));

const roundedRow = (row: readonly number[], scale: number) =>
  row.map((x) => roundHalfToEven(f32(f32(x) / f32(scale))) + 128);

/** s·(q − 128)·W·w + b, W [in, out] with zero at `zero` */
function product(q: Numbers, s: Numbers, w: Numbers, ws: Numbers, b?: Numbers, zero = 0): number[] {
  const [rows, out] = [s.length, ws.length];
  const size = q.length / rows;
  return Array.from({ length: rows * out }, (_, at) => {
    const [r, o] = [Math.trunc(at / out), at % out];
    let sum = 0;
    for (let i = 0; i < size; i++) sum += (q[r * size + i]! - 128) * (w[i * out + o]! - zero);
    return s[r]! * sum * ws[o]! + (b?.[o] ?? 0);
  });
}

/** −1 where two indices have an odd number of ones in common. */
const SIGNS = Array.from({ length: 16 }, (_, i) =>
  Array.from({ length: 16 }, (__, j) => ((i & j).toString(2).replaceAll("0", "").length % 2 === 1 ? -1 : 1)),
);

/** Rows times the Hadamard matrices, by their definition. */
function rotated(x: Numbers, size: number, inner: number, outer: number): number[] {
  const step = size / outer;
  return rowsOf(x, size).flatMap((row) =>
    row.map((_, j) => {
      let sum = 0;
      for (let a = 0; a < outer; a++) {
        const start = a * step + (j % step) - (j % inner);
        const sign = SIGNS[a]![Math.trunc(j / step)]!;
        for (let b = 0; b < inner; b++) sum += sign * SIGNS[b]![j % inner]! * row[start + b]!;
      }
      return sum / Math.sqrt(inner * outer);
    }),
  );
}

const rotateCase = (size: number, inner: number, outer: number): OpCase => ({
  op: "rotate",
  about: `${size} = ${inner} beside ${outer}`,
  operands: [{ shape: [2, size], dims: ["N", size] }],
  build: rotate,
  reference: (x) => rotated(x, size, inner, outer),
});

function whole(low: number, high: number, length: number, name: string): number[] {
  const random = createRandom(5, name);
  return Array.from({ length }, () => low + Math.floor(random.nextFloat() * (high - low + 1)));
}
const positive = (length: number, name: string) => whole(1, 200, length, name).map((x) => f32(x / 1000));

function linearCase(
  about: string,
  [N, I, O]: readonly [number, number, number],
  numbers: (low: number, high: number, length: number, name: string) => number[],
  { withBias = false, unsigned = false } = {},
): OpCase {
  const zero = unsigned ? 128 : 0;
  const weights = (name: string, shape: readonly number[]): Operand => ({
    shape,
    dtype: unsigned ? "uint8" : "int8",
    data: numbers(-127, 127, I * O, name).map((x) => x + zero),
  });
  return {
    op: "int8Linear",
    about,
    operands: [
      { shape: [N, I], dims: ["N", I] },
      { shape: [N, I], dims: ["N", I], dtype: "uint8", data: numbers(1, 255, N * I, "q") },
      { shape: [N, 1], dims: ["N", 1], data: positive(N, "s") },
      weights("forward", [I, O]),
      { shape: [O], data: positive(O, "sf") },
      weights("backward", [O, I]),
      { shape: [I], data: positive(I, "sb") },
      ...(withBias ? [{ shape: [O] }] : []),
    ],
    build: (...values) => apply(int8LinearOp, values),
    reference: (_, q, s, forward, sf, __, ___, bias) => product(q!, s!, forward!, sf!, bias, zero),
    gradients: {
      0: (g, ...operands) => {
        const rows = rowsOf(g, O);
        const scales = rows.map(scaleOf);
        const q = rows.flatMap((row, r) => roundedRow(row, scales[r]!));
        return product(q, scales, operands[5]!, operands[6]!, undefined, zero);
      },
    },
  };
}

/** Only the largest magnitudes: two neighbouring products do not fit into 16 bits. */
const extremes = (low: number, high: number, length: number, name: string) =>
  whole(0, 3, length, name).map((x) => (x === 0 ? low : high));

/** Log probabilities of 3 rows of 20. */
const V = 20;
const logs = Array.from({ length: 3 }, (_, r) => {
  const scores = Array.from({ length: V }, (__, j) => (r * r + 1) * Math.sin(7 * j + r));
  const logSum = Math.log(scores.reduce((sum, x) => sum + Math.exp(x), 0));
  return scores.map((x) => f32(x - logSum));
});
const noise = whole(-500, 499, 3 * V, "noise").map((x) => f32((x + 0.3) / 1000));
const labels = [3, 19, 0];

function softmaxProduct(w: Numbers, ws: Numbers, zero: number): number[] {
  const size = ws.length;
  return logs.flatMap((row, r) => {
    const highest = Math.max(...row);
    const q = row.map((x, j) => roundHalfToEven(255 * Math.exp(x - highest) + noise[r * V + j]!));
    const weightAt = (j: number, d: number) => (w[j * size + d]! - zero) * ws[d]!;
    return Array.from({ length: size }, (_, d) => {
      const sum = q.reduce((total, part, j) => total + part * weightAt(j, d), 0);
      return (sum * Math.exp(highest)) / 255 - weightAt(labels[r]!, d);
    });
  });
}

const softmaxCase = (dtype: "int8" | "uint8", zero: number): OpCase => ({
  op: "int8SoftmaxProduct",
  about: dtype,
  operands: [
    { shape: [3, V], dims: ["M", V], data: logs.flat() },
    { shape: [3], dims: ["M"], dtype: "int64", data: labels },
    { shape: [3, V], dims: ["M", V], data: noise },
    { shape: [V, 24], dtype, data: whole(-127, 127, V * 24, "w").map((x) => x + zero) },
    { shape: [24], data: positive(24, "ws") },
  ],
  build: (...values) => apply(int8SoftmaxProductOp, [...values, values[3]!]),
  reference: (...operands) => softmaxProduct(operands[3]!, operands[4]!, zero),
});

export const int8Cases: readonly OpCase[] = [
  rotateCase(256, 16, 16),
  rotateCase(96, 16, 2),
  rotateCase(24, 8, 1),
  {
    op: "rowScale",
    about: "a row of zeros, and one whose largest magnitude is negative",
    operands: [{ shape: [3, 4], dims: ["N", 4], data: [1, -2, 3, 0.5, 0, 0, 0, 0, 1, -7, 2, 6] }],
    build: rowScale,
    reference: (x) => rowsOf(x, 4).map(scaleOf),
  },
  {
    op: "quantizeRows",
    about: "halves, the ends, and zeros",
    operands: [
      { shape: [3, 4], dims: ["N", 4], data: [127, -127, 0.5, 1.5, 0, 0, 0, 0, 2.5, -254, 254, -1] },
      { shape: [3, 1], dims: ["N", 1], data: [1, f32(1e-30), 2] },
    ],
    build: (x, scale) => cast(quantizeRows(x, scale), "float32"),
    reference: (x, scale) => rowsOf(x, 4).flatMap((row, r) => roundedRow(row, scale[r]!)),
  },
  linearCase("", [3, 24, 40], whole),
  linearCase("with a bias", [3, 24, 40], whole, { withBias: true }),
  linearCase("weights with zero at 128", [3, 24, 40], whole, { unsigned: true }),
  linearCase("extreme numbers", [2, 520, 33], extremes),
  linearCase("extreme numbers, weights with zero at 128", [2, 520, 33], extremes, { unsigned: true }),
  {
    op: "int8Product",
    operands: [
      { shape: [2, 30], dims: ["N", 30], dtype: "uint8", data: whole(1, 255, 60, "q") },
      { shape: [2, 1], dims: ["N", 1], data: positive(2, "s") },
      { shape: [30, 18], dtype: "int8", data: whole(-127, 127, 540, "w") },
      { shape: [18], data: positive(18, "ws") },
    ],
    build: (...values) => apply(int8ProductOp, values),
    reference: (q, s, w, ws) => product(q, s, w, ws),
  },
  softmaxCase("int8", 0),
  softmaxCase("uint8", 128),
];
