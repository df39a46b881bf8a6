// Cases of matrix products, normalisations, losses and the rotary embedding.
import { crossEntropy, softmaxMinusOneHot } from "../../../src/graph/ops/loss.js";
import { gemm, matmul } from "../../../src/graph/ops/matmul.js";
import { layerNorm, rmsNorm, softmax } from "../../../src/graph/ops/normalization.js";
import { rotary } from "../../../src/graph/ops/rotary.js";
import { constant } from "../../../src/graph/value.js";
import { at, coordinates, type Numbers, type OpCase } from "./case.js";

const BOOLEANS = [false, true] as const;
const [M, K, N] = [2, 3, 4];

/** Σₖ op(a)[i,k]·op(b)[k,j] for each leading index. */
function product(
  a: Numbers,
  b: Numbers,
  transA: boolean,
  transB: boolean,
  batch = 1,
  sharedB = false,
): number[] {
  const y: number[] = [];
  for (let n = 0; n < batch; n++) {
    for (let i = 0; i < M; i++) {
      for (let j = 0; j < N; j++) {
        let sum = 0;
        for (let k = 0; k < K; k++)
          sum +=
            a[n * M * K + (transA ? k * M + i : i * K + k)]! *
            b[(sharedB ? 0 : n * K * N) + (transB ? j * K + k : k * N + j)]!;
        y.push(sum);
      }
    }
  }
  return y;
}

const shapeOfA = (transA: boolean) => (transA ? [K, M] : [M, K]);
const shapeOfB = (transB: boolean) => (transB ? [N, K] : [K, N]);

const gemms: OpCase[] = BOOLEANS.flatMap((transA) =>
  BOOLEANS.flatMap((transB) =>
    ([undefined, [M, N], [N], [M, 1], [1]] as const).map(
      (c): OpCase => ({
        op: "gemm",
        about: `${transA ? "aᵀ" : "a"}·${transB ? "bᵀ" : "b"}${c ? ` + [${c}]` : ""}`,
        operands: [{ shape: shapeOfA(transA) }, { shape: shapeOfB(transB) }, ...(c ? [{ shape: c }] : [])],
        build: (a, b, third) => gemm(a, b, { transA, transB, alpha: 0.5, c: third }),
        reference: (a, b, third) => {
          const y = product(a, b, transA, transB);
          return [...coordinates([M, N])].map(
            (place, i) => 0.5 * y[i]! + (c && third ? at(third, c, place) : 0),
          );
        },
      }),
    ),
  ),
);

const matmuls: OpCase[] = BOOLEANS.flatMap((transA) =>
  BOOLEANS.map(
    (transB): OpCase => ({
      op: "matmul",
      about: `${transA ? "aᵀ" : "a"}·${transB ? "bᵀ" : "b"} in batches`,
      operands: [
        { shape: [2, ...shapeOfA(transA)], dims: ["B", ...shapeOfA(transA)] },
        { shape: [2, ...shapeOfB(transB)], dims: ["B", ...shapeOfB(transB)] },
      ],
      build: (a, b) => matmul(a, b, { transA, transB, alpha: transA ? 3 : 1 }),
      reference: (a, b) => product(a, b, transA, transB, 2).map((y) => (transA ? 3 * y : y)),
    }),
  ),
);

function rows(x: Numbers, size: number): number[][] {
  return Array.from({ length: x.length / size }, (_, r) =>
    Array.from({ length: size }, (_, i) => x[r * size + i]!),
  );
}
const mean = (x: readonly number[]) => x.reduce((sum, value) => sum + value, 0) / x.length;

function softmaxReference(x: Numbers, size: number): number[] {
  return rows(x, size).flatMap((row) => {
    const largest = Math.max(...row);
    const powers = row.map((value) => Math.exp(value - largest));
    const total = powers.reduce((a, b) => a + b, 0);
    return powers.map((power) => power / total);
  });
}

function layerNormReference(x: Numbers, weight: Numbers, bias: Numbers, epsilon: number): number[] {
  return rows(x, weight.length).flatMap((row) => {
    const center = mean(row);
    const deviation = Math.sqrt(mean(row.map((value) => (value - center) ** 2)) + epsilon);
    return row.map((value, i) => ((value - center) / deviation) * weight[i]! + bias[i]!);
  });
}

const ids = [3, 0, 3];
const idsOperand = { shape: [3], dims: ["M"], dtype: "int64", data: ids } as const;
const V = 4;

/** Rotary tables of 5 positions and 2 angles. */
const angles = Array.from({ length: 10 }, (_, i) => Math.trunc(i / 2) / 10 ** (i % 2));
const cos = angles.map(Math.cos);
const sin = angles.map(Math.sin);
const [B, H, T] = [2, 2, 3];
const positions = [0, 1, 2, 4, 0, 3];

function rotaryReference(x: Numbers, headSize: number, size: number): number[] {
  const half = size / 2;
  return [...coordinates([B, H, T, headSize])].map(([b, h, t, k]) => {
    const value = (at_: number) => at(x, [B, H, T, headSize], [b!, h!, t!, at_]);
    if (k! >= size) return value(k!);
    const angle = positions[b! * T + t!]! * 2 + (k! % half);
    const [c, s] = [Math.fround(cos[angle]!), Math.fround(sin[angle]!)];
    return k! < half ? value(k!) * c - value(k! + half) * s : value(k!) * c + value(k! - half) * s;
  });
}

function rotaryCase(headSize: number, about: string): OpCase {
  const table = (values: readonly number[]) => constant(Float32Array.from(values), [5, 2]);
  return {
    op: "rotary",
    about,
    operands: [
      { shape: [B, H, T, headSize], dims: ["B", H, "T", headSize] },
      { shape: [B, T], dims: ["B", "T"], dtype: "int64", data: positions },
    ],
    build: (x, at_) => rotary(x, at_, table(cos), table(sin), 4),
    reference: (x) => rotaryReference(x, headSize, 4),
  };
}

export const productCases: readonly OpCase[] = [
  ...gemms,
  ...matmuls,
  {
    op: "matmul",
    about: "one second factor for all",
    operands: [{ shape: [2, M, K] }, { shape: [1, K, N] }],
    build: (a, b) => matmul(a, b),
    reference: (a, b) => product(a, b, false, false, 2, true),
  },
  {
    op: "softmax",
    operands: [{ shape: [2, 3, 4] }],
    build: softmax,
    reference: (x) => softmaxReference(x, 4),
  },
  {
    op: "softmax",
    about: "masked scores",
    operands: [{ shape: [2, 4], data: [0.5, -3.4e38, 1.5, -3.4e38, 300, 301, 299, -3.4e38] }],
    build: softmax,
    reference: (x) => softmaxReference(x, 4),
  },
  {
    op: "layerNorm",
    operands: [{ shape: [3, 4], dims: ["B*T", 4] }, { shape: [4] }, { shape: [4] }],
    build: (x, weight, bias) => layerNorm(x, weight, bias, 1e-5),
    reference: (x, weight, bias) => layerNormReference(x, weight, bias, 1e-5),
  },
  {
    op: "layerNorm",
    about: "a variance below epsilon",
    operands: [{ shape: [1, 4], data: [1, 1.001, 0.999, 1] }, { shape: [4] }, { shape: [4] }],
    build: (x, weight, bias) => layerNorm(x, weight, bias, 1e-3),
    reference: (x, weight, bias) => layerNormReference(x, weight, bias, 1e-3),
  },
  {
    op: "rmsNorm",
    operands: [{ shape: [3, 4] }, { shape: [4] }],
    build: (x, weight) => rmsNorm(x, weight, 1e-6),
    reference: (x, weight) =>
      rows(x, 4).flatMap((row) => {
        const size = Math.sqrt(mean(row.map((value) => value * value)) + 1e-6);
        return row.map((value, i) => (value / size) * weight[i]!);
      }),
  },
  rotaryCase(4, "whole heads"),
  rotaryCase(6, "a part of each head"),
  {
    op: "crossEntropy",
    operands: [{ shape: [3, V], dims: ["M", V] }, idsOperand],
    build: (logits, of) => crossEntropy(logits, of).sum,
    reference: (x) => [ids.reduce((sum, id, r) => sum - Math.log(softmaxReference(x, V)[r * V + id]!), 0)],
  },
  {
    op: "softmaxMinusOneHot",
    operands: [{ shape: [3, V], dims: ["M", V] }, idsOperand],
    build: softmaxMinusOneHot,
    reference: (x) => softmaxReference(x, V).map((p, i) => p - Number(i % V === ids[Math.trunc(i / V)])),
  },
];
