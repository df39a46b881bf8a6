// Operands that do not fit -> a PhinetuneError that shows their types, for each way in which an op of the table can refuse.
import { describe, expect, it } from "vitest";
import { PhinetuneError } from "../../src/errors.js";
import { gradients } from "../../src/graph/autodiff.js";
import { pad } from "../../src/graph/ops/shape.js";
import {
  argMax,
  bitwiseXor,
  blockLinear,
  concat,
  crossEntropy,
  div,
  equal,
  expand,
  gather,
  gemm,
  keepLast,
  layerNorm,
  lessOrEqual,
  matmul,
  mul,
  reduceMean,
  reduceSum,
  reshape,
  rmsNorm,
  rotary,
  scatterAdd,
  slice,
  transpose,
  where,
} from "../../src/graph/ops.js";
import { type ElementType, input, inScope, type Value } from "../../src/graph/value.js";

const of = (dtype: ElementType, ...shape: (number | string)[]) => input("x", dtype, shape);
const x = (...shape: (number | string)[]) => of("float32", ...shape);
const ids = (...shape: (number | string)[]) => of("int64", ...shape);
const sum = (value: Value) =>
  reduceSum(
    value,
    value.shape.map((_, axis) => axis),
  );
const gradientOf = (value: Value, target: Value) => gradients(sum(value), [target]);

const refusals: readonly (readonly [string, () => unknown, string])[] = [
  ["mul of sizes that differ", () => mul(x(3, 2), x(2, 3)), "mul cannot take float32[3,2], float32[2,3]"],
  ["div by another symbol", () => div(x("B"), x("T")), "div cannot take float32[B], float32[T]"],
  ["a symbol against a number", () => mul(x("B", 3), x(2, 3)), "float32[B,3], float32[2,3]"],
  ["bitwiseXor of two types", () => bitwiseXor(of("int32", 2), ids(2)), "int32[2], int64[2]"],
  ["lessOrEqual of two types", () => lessOrEqual(ids(2), x(2)), "int64[2], float32[2]"],
  ["equal of sizes that differ", () => equal(x(2), x(3)), "float32[2], float32[3]"],
  ["where by numbers", () => where(ids(2), x(2), x(2)), "where cannot take int64[2], float32[2], float32[2]"],
  ["where of two types", () => where(of("bool", 2), x(2), ids(2)), "bool[2], float32[2], int64[2]"],
  ["where of a condition that does not fit", () => where(of("bool", 3), x(2), x(2)), "bool[3], float32[2]"],
  ["matmul of a vector", () => matmul(x(3), x(3, 2)), "matmul cannot take float32[3], float32[3,2]"],
  ["matmul by the wrong way round", () => matmul(x(2, 3), x(3, 2), { transB: true }), '"transB":true'],
  ["matmul of leading axes", () => matmul(x(2, 2, 3), x(3, 3, 2)), "float32[2,2,3], float32[3,3,2]"],
  ["matmul of two types", () => matmul(x(2, 3), ids(3, 2)), "float32[2,3], int64[3,2]"],
  ["gemm of inner symbols", () => gemm(x(2, "B"), x("T", 2)), "gemm cannot take float32[2,B], float32[T,2]"],
  ["gemm that c would enlarge", () => gemm(x(1, 3), x(3, 2), { c: x(4, 2) }), "float32[4,2]"],
  [
    "keepLast by a list",
    () => keepLast(x(2, 3), ids(1), 1, "L"),
    "keepLast cannot take float32[2,3], int64[1]",
  ],
  ["keepLast of no axis", () => keepLast(x(2, 3), ids(), 2, "L"), "an axis of the first"],
  [
    "blockLinear of other sizes",
    () =>
      blockLinear(
        x("N", 48),
        { numbers: of("uint8", 8, 1, 16), zeros: of("uint8", 8, 1), scales: x(8, 2), bits: 4, block: 32 },
        undefined,
      ),
    "blockLinear cannot take float32[N,48], uint8[8,1,16], uint8[8,1], float32[8,2]",
  ],
  ["expand to a smaller size", () => expand(x(2, 3), [2, 1]), "expand cannot take float32[2,3]"],
  ["expand to another symbol", () => expand(x("B", 1), ["T", 3]), "a shape that broadcasts to [T,3]"],
  ["reshape of symbols", () => reshape(x("B", "T", 4), ["B", 4]), "reshape cannot take float32[B,T,4]"],
  ["transpose of too few axes", () => transpose(x(2, 3, 4), [1, 0]), "transpose cannot take float32[2,3,4]"],
  [
    "reduceSum of an axis too many",
    () => reduceSum(x(2, 3), [2]),
    "reduce cannot take float32[2,3]; it needs axes [2]",
  ],
  ["reduceMean of an axis from the end", () => reduceMean(x(2, 3), [-1]), "reduce cannot take float32[2,3]"],
  ["concat of two types", () => concat([x(2), ids(2)], 0), "concat cannot take float32[2], int64[2]"],
  ["concat beside other sizes", () => concat([x("B", 2), x("T", 2)], 1), "float32[B,2], float32[T,2]"],
  ["slice of nothing", () => slice(x(2, 3), 1, 2, 2), "axis 1 to hold 2..2"],
  ["slice past the end", () => slice(x(2, 3), 1, 1, 4), "slice cannot take float32[2,3]"],
  [
    "pad of a symbol",
    () => pad(x("B", 3), 0, 1, 1),
    "pad cannot take float32[B,3]; it needs a static size on axis 0",
  ],
  ["gather by int32", () => gather(x(2, 3), of("int32", 4)), "gather cannot take float32[2,3], int32[4]"],
  ["gather along an axis too many", () => gather(x(2, 3), ids(4), 2), "float32[2,3], int64[4]"],
  [
    "scatterAdd of other rows",
    () => scatterAdd(x(4, 2), ids(3), 0, 5),
    "scatterAdd cannot take float32[4,2], int64[3]",
  ],
  [
    "layerNorm by another bias",
    () => layerNorm(x(2, 3), x(3), x(2), 1e-5),
    "float32[2,3], float32[3], float32[2]",
  ],
  [
    "rmsNorm by a matrix",
    () => rmsNorm(x(2, 3), x(1, 3), 1e-5),
    "rmsNorm cannot take float32[2,3], float32[1,3]",
  ],
  [
    "rotary of merged heads",
    () => rotary(x(2, 3, 8), ids(2, 3), x(9, 2), x(9, 2), 4),
    "rotary cannot take float32[2,3,8]",
  ],
  [
    "rotary of other tables",
    () => rotary(x(2, 1, 3, 8), ids(2, 3), x(9, 4), x(9, 4), 4),
    "tables [positions,2]",
  ],
  [
    "rotary of more than a head",
    () => rotary(x(2, 1, 3, 4), ids(2, 3), x(9, 4), x(9, 4), 8),
    "at least 8 turned",
  ],
  [
    "crossEntropy of three axes",
    () => crossEntropy(x(2, 3, 4), ids(2)),
    "crossEntropy cannot take float32[2,3,4], int64[2]",
  ],
  ["crossEntropy by other rows", () => crossEntropy(x("M", 4), ids("N")), "float32[M,4], int64[N]"],
  ["crossEntropy by numbers", () => crossEntropy(x(2, 4), x(2)), "float32[2,4], float32[2]"],
];

describe("refused when the graph is built", () => {
  it.each(refusals)("%s", (_, build, message) => {
    expect(build).toThrow(PhinetuneError);
    expect(build).toThrow(message);
  });

  it("says where", () => {
    const build = () => inScope("model.layers.3", () => inScope("mlp", () => mul(x(2), x(3))));
    expect(build).toThrow("model.layers.3/mlp/mul");
    // A refusal leaves no scope behind.
    expect(argMax(x(2), 0).node.label).toBe("argMax");
  });
});

describe("gradients that need static sizes are refused with the types", () => {
  const [b, t] = [x("B", 2), input("y", "float32", ["T", 2])];
  it.each<readonly [string, () => unknown, string]>([
    [
      "concat of symbols",
      () => gradientOf(concat([b, t], 0, "S"), b),
      "the gradient of concat cannot take float32[B,2], float32[T,2]",
    ],
    [
      "slice of a symbol",
      () => gradientOf(slice(b, 0, -1), b),
      "the gradient of slice cannot take float32[B,2]",
    ],
    [
      "reduceMean over a symbol",
      () => gradientOf(reduceMean(b, [0]), b),
      "the gradient of reduceMean cannot take float32[B,2]",
    ],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(PhinetuneError);
    expect(build).toThrow(message);
  });
});
