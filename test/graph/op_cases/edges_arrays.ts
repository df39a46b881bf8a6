// Edge cases of the ops that move elements: symbols that must be computed, indices of two axes, first and middle axes.
import { argMax, expand, reduceMean, reduceSum } from "../../../src/graph/ops/broadcast.js";
import { add, less, mul, where } from "../../../src/graph/ops/elementwise.js";
import { gather, range, scatterAdd, sizeOf } from "../../../src/graph/ops/indexing.js";
import { cast, concat, pad, reshape, slice, transpose } from "../../../src/graph/ops/shape.js";
import { scalar } from "../../../src/graph/value.js";
import { at, coordinates, type OpCase } from "./case.js";

/** An operand that shows B = 2 and T = 3, and adds its integers 0 … 5. */
const shower = { shape: [2, 3], dims: ["B", "T"], dtype: "int64", data: [0, 1, 2, 3, 4, 5] } as const;

const pairs = [2, 0, 2, 2];

export const edgeArrayCases: readonly OpCase[] = [
  {
    op: "reshape",
    about: "two symbols that must be computed",
    operands: [{ shape: [6, 2], dims: ["B*T", 2] }, shower],
    build: (x, ids) => add(reshape(x, ["B", "T", 2]), reshape(cast(ids, "float32"), ["B", "T", 1])),
    reference: (x) => [...coordinates([6, 2])].map(([r, c]) => x[2 * r! + c!]! + r!),
  },
  {
    op: "reshape",
    about: "a symbol times a number",
    operands: [{ shape: [2, 4, 3], dims: ["B", 4, "T"] }],
    build: (x) => reshape(x, ["B", 2, "2*T"]),
    reference: (x) => x,
  },
  {
    op: "reshape",
    about: "to a scalar",
    operands: [{ shape: [1, 1] }],
    build: (x) => reshape(x, []),
    reference: (x) => x,
  },
  {
    op: "expand",
    about: "to symbols and a higher rank",
    operands: [{ shape: [3] }, shower],
    build: (x, ids) => mul(expand(x, ["B", "T", 3]), reshape(cast(ids, "float32"), ["B", "T", 1])),
    reference: (x) => [...coordinates([6, 3])].map(([r, c]) => x[c!]! * r!),
  },
  {
    op: "transpose",
    about: "a matrix with a symbol",
    operands: [{ shape: [2, 3], dims: ["M", 3] }],
    build: (x) => transpose(x, [1, 0]),
    reference: (x) => [...coordinates([3, 2])].map(([c, r]) => x[3 * r! + c!]!),
  },
  {
    // A cycle of three axes is not its own inverse.
    op: "transpose",
    about: "a cycle of axes",
    operands: [{ shape: [2, 3, 4] }],
    build: (x) => transpose(x, [1, 2, 0]),
    reference: (x) => [...coordinates([3, 4, 2])].map(([j, k, i]) => at(x, [2, 3, 4], [i!, j!, k!])),
  },
  {
    op: "concat",
    about: "one value twice, on the first axis",
    operands: [{ shape: [2, 2] }, { shape: [1, 2] }],
    build: (a, b) => concat([a, b, a], 0),
    reference: (a, b) => [...Array.from(a), ...Array.from(b), ...Array.from(a)],
  },
  {
    op: "concat",
    about: "on the middle axis beside a symbol",
    operands: [
      { shape: [2, 1, 2], dims: ["B", 1, 2] },
      { shape: [2, 2, 2], dims: ["B", 2, 2] },
    ],
    build: (a, b) => concat([a, b], 1),
    reference: (a, b) =>
      [0, 1].flatMap((n) => [...[0, 1].map((i) => a[2 * n + i]!), ...[0, 1, 2, 3].map((i) => b[4 * n + i]!)]),
  },
  {
    op: "slice",
    about: "from the start, beside a symbol",
    operands: [{ shape: [2, 5], dims: ["B", 5] }],
    build: (x) => slice(x, 1, 0, 2),
    reference: (x) => [x[0]!, x[1]!, x[5]!, x[6]!],
  },
  {
    op: "slice",
    about: "the last two of the first axis",
    operands: [{ shape: [4, 2] }],
    build: (x) => slice(x, 0, -2),
    reference: (x) => [x[4]!, x[5]!, x[6]!, x[7]!],
  },
  {
    op: "pad",
    about: "the first axis, before only",
    operands: [{ shape: [2, 2] }],
    build: (x) => pad(x, 0, 2, 0),
    reference: (x) => [0, 0, 0, 0, x[0]!, x[1]!, x[2]!, x[3]!],
  },
  {
    op: "cast",
    about: "of a comparison, by way of int64",
    operands: [{ shape: [4], data: [-1, 2, -3, 4] }],
    build: (x) => cast(cast(less(x, scalar(0)), "int64"), "float32"),
    reference: (x) => [0, 1, 2, 3].map((i) => Number(x[i]! < 0)),
  },
  {
    op: "cast",
    about: "float32 to int64 cuts the fraction",
    operands: [{ shape: [4], data: [-1.75, 2.5, -0.5, 3.999] }],
    build: (x) => cast(cast(x, "int64"), "float32"),
    reference: () => [-1, 2, 0, 3],
  },
  {
    op: "reduceSum",
    about: "over symbols",
    operands: [{ shape: [2, 3, 2], dims: ["B", "T", 2] }],
    build: (x) => reduceSum(x, [0, 1]),
    reference: (x) => [0, 1].map((c) => [0, 1, 2, 3, 4, 5].reduce((sum, r) => sum + x[2 * r + c]!, 0)),
  },
  {
    op: "reduceMean",
    about: "of the last axis beside symbols, kept",
    operands: [{ shape: [2, 3, 4], dims: ["B", "T", 4] }],
    build: (x) => reduceMean(x, [2], true),
    reference: (x) =>
      [0, 1, 2, 3, 4, 5].map((r) => [0, 1, 2, 3].reduce((sum, i) => sum + x[4 * r + i]! / 4, 0)),
  },
  {
    op: "argMax",
    about: "of the first axis",
    operands: [{ shape: [3, 2], data: [1, 9, 4, 9, 4, -2] }],
    build: (x) => cast(argMax(x, 0), "float32"),
    reference: () => [1, 0],
  },
  {
    op: "argMax",
    about: "of a symbol in the middle",
    operands: [{ shape: [2, 3, 2], dims: ["B", "T", 2], data: [1, 6, 3, 5, 2, 4, -3, -1, -1, -1, -2, -9] }],
    build: (x) => cast(argMax(x, 1), "float32"),
    reference: () => [1, 0, 1, 0],
  },
  {
    op: "gather",
    about: "indices of two axes, some twice",
    operands: [
      { shape: [2, 3, 2], dims: ["B", 3, 2] },
      { shape: [2, 2], dtype: "int64", data: pairs },
    ],
    build: (x, i) => gather(x, i, 1),
    reference: (x) =>
      [...coordinates([2, 2, 2, 2])].map(([b, r, c, k]) => at(x, [2, 3, 2], [b!, pairs[2 * r! + c!]!, k!])),
  },
  {
    op: "gather",
    about: "rows of symbols by a number of symbols",
    operands: [
      { shape: [3, 2], dims: ["M", 2] },
      { shape: [4], dims: ["N"], dtype: "int64", data: pairs },
    ],
    build: (x, i) => gather(x, i),
    reference: (x) => pairs.flatMap((row) => [x[2 * row]!, x[2 * row + 1]!]),
  },
  {
    op: "scatterAdd",
    about: "indices of two axes into the middle, one place untouched",
    operands: [
      { shape: [2, 2, 2, 2], dims: ["B", 2, 2, 2] },
      { shape: [2, 2], dtype: "int64", data: pairs },
    ],
    build: (x, i) => scatterAdd(x, i, 1, 4),
    reference: (x) => {
      const sums = new Array<number>(16).fill(0);
      for (const [b, r, c, k] of coordinates([2, 2, 2, 2]))
        sums[(b! * 4 + pairs[2 * r! + c!]!) * 2 + k!]! += at(x, [2, 2, 2, 2], [b!, r!, c!, k!]);
      return sums;
    },
  },
  {
    op: "range",
    about: "of a product of symbols",
    operands: [{ shape: [2, 3], dims: ["B", "T"] }],
    build: (x) => add(reshape(x, ["B*T"]), cast(range("B*T"), "float32")),
    reference: (x) => [0, 1, 2, 3, 4, 5].map((i) => x[i]! + i),
  },
  {
    op: "range",
    about: "of a number",
    operands: [{ shape: [3] }],
    build: (x) => mul(x, cast(range(3), "float32")),
    reference: (x) => [0, 1, 2].map((i) => x[i]! * i),
  },
  {
    op: "size",
    about: "of symbols times a number",
    operands: [{ shape: [2, 3], dims: ["B", "T"] }],
    build: (x) => mul(x, cast(sizeOf("3*B*T"), "float32")),
    reference: (x) => Array.from(x, (value) => value * 18),
  },
  {
    op: "where",
    about: "a condition of fewer axes than a scalar branch's partner",
    operands: [{ shape: [3], dtype: "bool", data: [1, 0, 1] }, { shape: [2, 1] }, { shape: [] }],
    build: (condition, a, b) => where(condition, a, b),
    reference: (condition, a, b) =>
      [...coordinates([2, 3])].map(([r, c]) => (condition[c!] ? a[r!]! : b[0]!)),
  },
];
