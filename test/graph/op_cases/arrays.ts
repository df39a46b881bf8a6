// Cases of the ops that move elements: shapes, reductions, picking by index.
import { argMax, expand, reduceMean, reduceSum } from "../../../src/graph/ops/broadcast.js";
import { add } from "../../../src/graph/ops/elementwise.js";
import { gather, range, scatterAdd, sizeOf } from "../../../src/graph/ops/indexing.js";
import { after, fence } from "../../../src/graph/ops/order.js";
import { cast, concat, keepLast, pad, reshape, slice, transpose } from "../../../src/graph/ops/shape.js";
import type { Value } from "../../../src/graph/value.js";
import { at, coordinates, count, type Numbers, type OpCase } from "./case.js";

function reduced(shape: readonly number[], axes: readonly number[], mean: boolean) {
  return (x: Numbers): number[] => {
    const kept = shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
    const sums = new Array<number>(count(kept)).fill(0);
    const places = [...coordinates(kept)].map((place) => place.join());
    for (const place of coordinates(shape))
      sums[places.indexOf(place.map((i, axis) => (axes.includes(axis) ? 0 : i)).join())]! += at(
        x,
        shape,
        place,
      );
    const n = count(shape) / count(kept);
    return mean ? sums.map((sum) => sum / n) : sums;
  };
}

function reduction(
  op: string,
  build: (x: Value, axes: readonly number[], keepdims?: boolean) => Value,
  mean: boolean,
): OpCase[] {
  const shape = [2, 3, 4];
  const variants: readonly (readonly [readonly number[], boolean])[] = [
    [[2], false],
    [[0, 2], false],
    [[1], true],
    [[0, 1, 2], false],
  ];
  return variants.map(([axes, keepdims]) => ({
    op,
    about: `axes ${axes}${keepdims ? " kept" : ""}`,
    operands: [{ shape }],
    build: (x) => build(x, axes, keepdims),
    reference: reduced(shape, axes, mean),
  }));
}

function gathered(shape: readonly number[], indices: readonly number[], axis: number) {
  return (x: Numbers): number[] => {
    const to = shape.map((size, i) => (i === axis ? indices.length : size));
    return [...coordinates(to)].map((place) =>
      at(
        x,
        shape,
        place.map((p, i) => (i === axis ? indices[p]! : p)),
      ),
    );
  };
}

const repeated = [2, 0, 2, 2, 1];
const integers = { dtype: "int64" } as const;

export const arrayCases: readonly OpCase[] = [
  {
    op: "fence",
    operands: [{ shape: [2, 3] }],
    build: (x) => add(x, cast(reduceSum(fence([x, reduceSum(x, [0, 1])]), [0]), "float32")),
    reference: (x) => x,
  },
  {
    op: "after",
    operands: [{ shape: [2, 3], dims: ["B", 3] }, { shape: [4] }],
    build: (x, other) => add(after(x, fence([other])), reduceSum(other, [0])),
    reference: (x, other) => {
      const sum = Array.from(other).reduce((total, value) => total + value, 0);
      return Array.from(x, (value) => value + sum);
    },
  },
  {
    op: "reshape",
    about: "static",
    operands: [{ shape: [2, 6] }],
    build: (x) => reshape(x, [3, 4]),
    reference: (x) => x,
  },
  {
    op: "reshape",
    about: "symbols",
    operands: [{ shape: [2, 3, 4], dims: ["B", "T", 4] }],
    build: (x) => reshape(x, ["B*T", 2, 2]),
    reference: (x) => x,
  },
  {
    op: "transpose",
    operands: [{ shape: [2, 3, 2, 2], dims: ["B", "T", 2, 2] }],
    build: (x) => transpose(x, [0, 2, 3, 1]),
    reference: (x) =>
      [...coordinates([2, 2, 2, 3])].map(([b, h, k, t]) => at(x, [2, 3, 2, 2], [b!, t!, h!, k!])),
  },
  {
    op: "concat",
    about: "three parts",
    operands: [{ shape: [2, 1] }, { shape: [2, 3] }, { shape: [2, 2] }],
    build: (...parts) => concat(parts, 1),
    reference: (a, b, c) =>
      [0, 1].flatMap((row) => [
        a[row]!,
        ...[0, 1, 2].map((i) => b[3 * row + i]!),
        ...[0, 1].map((i) => c[2 * row + i]!),
      ]),
  },
  ...[2, 0].map(
    (wanted): OpCase => ({
      op: "keepLast",
      about: wanted === 0 ? "0 keeps all" : `${wanted} of 3`,
      operands: [
        { shape: [2, 3, 2], dims: ["B", "T", 2] },
        { shape: [], dtype: "int64", data: [wanted] },
        // Shows the size of the result.
        { shape: [wanted || 3], dims: ["L"] },
      ],
      build: (x, count) => keepLast(x!, count!, 1, "L"),
      reference: (x) => Array.from(x!).filter((_, i) => wanted === 0 || Math.trunc(i / 2) % 3 >= 3 - wanted),
    }),
  ),
  {
    op: "slice",
    about: "the middle",
    operands: [{ shape: [3, 5] }],
    build: (x) => slice(x, 1, 1, 4),
    reference: (x) => [...coordinates([3, 3])].map(([r, c]) => x[5 * r! + c! + 1]!),
  },
  {
    op: "slice",
    about: "the end",
    operands: [{ shape: [2, 3, 2] }],
    build: (x) => slice(x, 1, -1),
    reference: (x) => [x[4]!, x[5]!, x[10]!, x[11]!],
  },
  {
    op: "pad",
    operands: [{ shape: [2, 2] }],
    build: (x) => pad(x, 1, 1, 2),
    reference: (x) => [0, x[0]!, x[1]!, 0, 0, 0, x[2]!, x[3]!, 0, 0],
  },
  {
    op: "cast",
    operands: [{ shape: [3], dtype: "int64", data: [-4, 0, 7] }],
    build: (x) => cast(x, "float32"),
    reference: (x) => x,
  },
  {
    op: "expand",
    operands: [{ shape: [2, 1, 3], dims: ["B", 1, 3] }],
    build: (x) => expand(x, ["B", 2, 3]),
    reference: (x) => [...coordinates([2, 2, 3])].map((place) => at(x, [2, 1, 3], place)),
  },
  ...reduction("reduceSum", reduceSum, false),
  ...reduction("reduceMean", reduceMean, true),
  {
    op: "argMax",
    about: "the first of equals",
    operands: [{ shape: [2, 4], data: [1, 5, 5, 2, -1, -3, -1, -2] }],
    build: (x) => cast(argMax(x, 1), "float32"),
    reference: () => [1, 0],
  },
  {
    op: "gather",
    about: "rows, some twice",
    operands: [{ shape: [3, 2] }, { shape: [5], ...integers, data: repeated }],
    build: (x, i) => gather(x, i),
    reference: gathered([3, 2], repeated, 0),
  },
  {
    op: "gather",
    about: "columns",
    operands: [{ shape: [2, 3] }, { shape: [5], ...integers, data: repeated }],
    build: (x, i) => gather(x, i, 1),
    reference: gathered([2, 3], repeated, 1),
  },
  {
    op: "gather",
    about: "rows, none twice",
    operands: [{ shape: [4, 3] }, { shape: [2], dims: ["M"], ...integers, data: [3, 1] }],
    build: (x, i) => gather(x, i, 0, { distinct: true }),
    reference: gathered([4, 3], [3, 1], 0),
  },
  {
    op: "scatterAdd",
    about: "rows, none twice",
    operands: [{ shape: [2, 3] }, { shape: [2], ...integers, data: [3, 0] }],
    build: (x, i) => scatterAdd(x, i, 0, 4, { distinct: true }),
    reference: (x) => [x[3]!, x[4]!, x[5]!, 0, 0, 0, 0, 0, 0, x[0]!, x[1]!, x[2]!],
  },
  {
    op: "scatterAdd",
    about: "rows, some twice",
    operands: [{ shape: [5, 2] }, { shape: [5], ...integers, data: repeated }],
    build: (x, i) => scatterAdd(x, i, 0, 4),
    reference: (x) => {
      const sums = new Array<number>(8).fill(0);
      for (const [row, to] of repeated.entries())
        for (const c of [0, 1]) sums[2 * to + c]! += x[2 * row + c]!;
      return sums;
    },
  },
  {
    op: "range",
    operands: [{ shape: [4], dims: ["T"] }],
    build: (x) => add(x, cast(range("T"), "float32")),
    reference: (x) => [0, 1, 2, 3].map((i) => x[i]! + i),
  },
  {
    op: "size",
    operands: [{ shape: [2, 3], dims: ["B", "T"] }],
    build: (x) => add(x, cast(sizeOf("B*T"), "float32")),
    reference: (x) => [0, 1, 2, 3, 4, 5].map((i) => x[i]! + 6),
  },
];
