// lora: y = x·Wᵀ + b + s·drop(x)·Aᵀ·Bᵀ with trained A [R, in] and B [out, R], s = alpha/r.
// Source: https://arxiv.org/abs/2106.09685; names and initial values: https://github.com/huggingface/peft/blob/main/src/peft/tuners/lora/layer.py

import { elementCount } from "../formats/tensor.js";
import { gather, gemm } from "../graph/ops.js";
import type { Random } from "../random.js";
import { patternValue } from "./match.js";
import type { Method, MethodParameter } from "./method.js";

export const lora: Method = {
  peftType: "LORA",

  target(module, config) {
    const r = patternValue(config.rankPattern, module.path) ?? config.r;
    const alpha = patternValue(config.alphaPattern, module.path) ?? config.alpha;
    return { module, r, scale: config.useRslora ? alpha / Math.sqrt(r) : alpha / r, dropout: config.dropout };
  },

  parameters({ module, r }, { initLoraWeights }) {
    if (module.kind === "embedding") {
      return [
        zeros("lora_embedding_A", [r, module.rows]),
        {
          suffix: "lora_embedding_B",
          shape: [module.size, r],
          initial: (random) => filled(module.size * r, () => random.normal()),
        },
      ];
    }
    // Kaiming-uniform with a = √5 comes down to U(−1/√in, 1/√in).
    const bound = 1 / Math.sqrt(module.in);
    const draw =
      initLoraWeights === "gaussian"
        ? (random: Random) => random.normal() / r
        : (random: Random) => (2 * random.nextFloat() - 1) * bound;
    return [
      {
        suffix: "lora_A.weight",
        shape: [r, module.in],
        initial: (random) => filled(r * module.in, () => draw(random)),
      },
      zeros("lora_B.weight", [module.out, r]),
    ];
  },

  linear(x, base, { scale, dropout }, parameter, drop) {
    const dropped = drop(x);
    const kept = dropped === x ? 1 : 1 - dropout;
    const low = gemm(dropped, parameter("lora_A.weight"), { transB: true }); // [N, R]
    return gemm(low, parameter("lora_B.weight"), { transB: true, alpha: scale / kept, c: base }); // [N, out]
  },

  embedding(ids, base, { scale }, parameter) {
    const low = gather(parameter("lora_embedding_A"), ids, 1); // [R, N]
    return gemm(low, parameter("lora_embedding_B"), { transA: true, transB: true, alpha: scale, c: base }); // [N, D]
  },

  mergedDelta({ module, r, scale }, parameter) {
    const embedding = module.kind === "embedding";
    const a = parameter(embedding ? "lora_embedding_A" : "lora_A.weight"); // [R, in]
    const b = parameter(embedding ? "lora_embedding_B" : "lora_B.weight"); // [out, R]
    const columns = a.length / r;
    const rows = b.length / r;
    const product = new Float32Array(rows * columns); // [out, in]
    for (let row = 0; row < rows; row++) {
      for (let k = 0; k < r; k++) {
        const factor = scale * b[row * r + k]!;
        for (let column = 0; column < columns; column++)
          product[row * columns + column]! += factor * a[k * columns + column]!;
      }
    }
    return embedding ? transposed(product, rows, columns) : product;
  },
};

function zeros(suffix: string, shape: readonly number[]): MethodParameter {
  return { suffix, shape, initial: () => new Float32Array(elementCount(shape)) };
}

function filled(length: number, draw: () => number): Float32Array {
  return Float32Array.from({ length }, draw);
}

/** [rows, columns] -> [columns, rows] */
function transposed(matrix: Float32Array, rows: number, columns: number): Float32Array {
  return Float32Array.from(
    { length: rows * columns },
    (_, i) => matrix[(i % rows) * columns + Math.trunc(i / rows)]!,
  );
}
