// Rotary position embedding of queries and keys.
import { apply, failShape, type Op, type Value } from "../value.js";
import { mulByScalar } from "./scale.js";

// A rotation's transpose is the rotation by the opposite angle: the gradient turns back with −sin.
export const rotaryOp: Op = {
  name: "rotary",
  infer: (inputs, { size }) => {
    const [x, positions, cos, sin] = inputs;
    const half = (size as number) / 2;
    const fits =
      x!.shape.length === 4 &&
      positions!.shape.length === 2 &&
      cos!.shape[1] === half &&
      sin!.shape[1] === half;
    if (!fits || (size as number) > (x!.shape[3] as number))
      failShape(
        "rotary",
        inputs,
        `[B,H,T,K] with at least ${size} turned elements, tables [positions,${half}]`,
      );
    return [{ dtype: x!.dtype, shape: x!.shape }];
  },
  vjp: [
    (g, { inputs: [, positions, cos, sin], attributes }) =>
      rotary(g, positions!, cos!, mulByScalar(sin!, -1), attributes.size as number),
    null,
    null,
    null,
  ],
  onnx: (emit, inputs, outputs, { inputs: [x], attributes }) => {
    const [heads, headSize] = [x!.shape[1] as number, x!.shape[3] as number];
    // The kernel takes num_heads and rotary_embedding_dim only for a partial rotation.
    const partial =
      attributes.size === headSize
        ? {}
        : { num_heads: heads, rotary_embedding_dim: attributes.size as number };
    emit.node("RotaryEmbedding", inputs, outputs, { interleaved: 0, ...partial }, "com.microsoft");
  },
};

/**
 * Turns pairs (i, i + size/2) of the first `size` elements of each head by the angle of its position; the rest stays.
 * @param x [B, H, T, K]
 * @param positions [B, T] int64, rows of the tables
 * @param cos [positions, size/2]
 * @param sin [positions, size/2]
 * Source: https://arxiv.org/abs/2104.09864, in the half-split form of GPT-NeoX.
 */
export function rotary(x: Value, positions: Value, cos: Value, sin: Value, size: number): Value {
  return apply(rotaryOp, [x, positions, cos, sin], { size });
}
