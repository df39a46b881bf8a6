// Cases of the ops on corresponding elements: arithmetic, comparisons, activations.
import { gelu, geluTanh, relu, silu } from "../../../src/graph/ops/activation.js";
import {
  add,
  and,
  bitwiseXor,
  div,
  equal,
  erf,
  exp,
  less,
  lessOrEqual,
  mul,
  sigmoid,
  sub,
  where,
} from "../../../src/graph/ops/elementwise.js";
import { mulByScalar } from "../../../src/graph/ops/scale.js";
import { cast } from "../../../src/graph/ops/shape.js";
import type { Value } from "../../../src/graph/value.js";
import { elementwise, type OpCase } from "./case.js";

type Pair = (a: Value, b: Value) => Value;

/** Equal shapes, broadcasting of lead and inner axes, symbols, and a scalar. */
const SHAPES: readonly (readonly [string, readonly number[], readonly number[], readonly number[]])[] = [
  ["equal shapes", [2, 3], [2, 3], [2, 3]],
  ["a row", [2, 3], [3], [2, 3]],
  ["a column and a row", [2, 1], [1, 3], [2, 3]],
  ["a larger second operand", [3], [2, 2, 3], [2, 2, 3]],
  ["a scalar", [2, 3], [], [2, 3]],
];

function binary(op: string, build: Pair, f: (a: number, b: number) => number): OpCase[] {
  return SHAPES.map(([about, a, b, to]) => ({
    op,
    about,
    operands: [
      // The first axis of equal shapes is known by a symbol only.
      a.length === 2 && a[0] === b[0] ? { shape: a, dims: ["B", a[1]!] } : { shape: a },
      a.length === 2 && a[0] === b[0] ? { shape: b, dims: ["B", b[1]!] } : { shape: b },
    ],
    build,
    reference: elementwise([a, b], to, f),
  }));
}

function unary(op: string, build: (x: Value) => Value, f: (x: number) => number): OpCase {
  return {
    op,
    operands: [{ shape: [3, 4], dims: ["B*T", 4] }],
    build: (x) => build(x),
    reference: elementwise([[3, 4]], [3, 4], f),
  };
}

function compared(op: string, build: Pair, f: (a: number, b: number) => boolean): OpCase {
  const data = [1, 2, 3, 2, 2, 2];
  return {
    op,
    operands: [
      { shape: [2, 3], data },
      { shape: [3], data: [2, 2, 2] },
    ],
    build: (a, b) => cast(build(a, b), "float32"),
    reference: elementwise([[2, 3], [3]], [2, 3], (a, b) => Number(f(a, b))),
  };
}

/** ∫ by Simpson's rule: an error function that shares nothing with the kernel. */
function erfReference(x: number): number {
  const n = 2000;
  const h = x / n;
  let sum = 1 + Math.exp(-x * x);
  for (let i = 1; i < n; i++) sum += (i % 2 === 0 ? 2 : 4) * Math.exp(-((i * h) ** 2));
  return ((2 / Math.sqrt(Math.PI)) * h * sum) / 3;
}
const sigmoidReference = (x: number) => 1 / (1 + Math.exp(-x));
const flags = (bits: string) => [...bits].map(Number);

export const elementwiseCases: readonly OpCase[] = [
  ...binary("add", add, (a, b) => a + b),
  ...binary("sub", sub, (a, b) => a - b),
  ...binary("mul", mul, (a, b) => a * b),
  ...binary("div", div, (a, b) => a / b),
  {
    op: "bitwiseXor",
    operands: [
      { shape: [2, 1], dtype: "int32", data: [5, -7] },
      { shape: [1, 3], dtype: "int32", data: [1, 2 ** 30, -1] },
    ],
    build: (a, b) => cast(bitwiseXor(a, b), "float32"),
    reference: elementwise(
      [
        [2, 1],
        [1, 3],
      ],
      [2, 3],
      (a, b) => Math.fround(a ^ b),
    ),
  },
  {
    op: "and",
    operands: [
      { shape: [4], dtype: "bool", data: flags("0011") },
      { shape: [4], dtype: "bool", data: flags("0101") },
    ],
    build: (a, b) => cast(and(a, b), "float32"),
    reference: (a, b) => [0, 1, 2, 3].map((i) => Number(a[i] === 1 && b[i] === 1)),
  },
  compared("less", less, (a, b) => a < b),
  compared("lessOrEqual", lessOrEqual, (a, b) => a <= b),
  compared("equal", equal, (a, b) => a === b),
  {
    op: "where",
    about: "broadcast",
    operands: [{ shape: [2, 3], dtype: "bool", data: flags("010110") }, { shape: [2, 3] }, { shape: [3] }],
    build: where,
    reference: elementwise([[2, 3], [2, 3], [3]], [2, 3], (condition, a, b) => (condition ? a : b)),
  },
  unary("exp", exp, Math.exp),
  unary("sigmoid", sigmoid, sigmoidReference),
  unary("erf", erf, erfReference),
  unary("gelu", gelu, (x) => (x / 2) * (1 + erfReference(x / Math.SQRT2))),
  unary(
    "geluTanh",
    geluTanh,
    (x) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  ),
  unary("silu", silu, (x) => x * sigmoidReference(x)),
  unary("relu", relu, (x) => Math.max(x, 0)),
  unary(
    "scale",
    (x) => mulByScalar(x, -2.5),
    (x) => -2.5 * x,
  ),
];
