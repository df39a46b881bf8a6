// Settings of a rotary embedding -> tables of cosines and sines, and the turned queries and keys.
import { rotary } from "../graph/ops.js";
import { constant, type Value } from "../graph/value.js";
import type { ModelInputs } from "./context.js";

/** How the frequencies of the default rotary embedding are changed for longer contexts. */
export type RopeScaling =
  | { readonly type: "default" }
  | { readonly type: "linear"; readonly factor: number }
  | {
      readonly type: "llama3";
      readonly factor: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
      readonly originalMaxPositions: number;
    };

export interface Rope {
  readonly theta: number;
  /** Turned elements of a head: all, or the first part of them. */
  readonly size: number;
  readonly scaling: RopeScaling;
}

const f32 = Math.fround;

/**
 * Angle per position of each pair, in float32 as transformers computes them.
 * Source: https://github.com/huggingface/transformers/blob/main/src/transformers/modeling_rope_utils.py
 */
export function inverseFrequencies({ theta, size, scaling }: Rope): Float32Array {
  const frequencies = Float32Array.from(
    { length: size / 2 },
    (_, i) => 1 / f32(theta ** f32((2 * i) / size)),
  );
  switch (scaling.type) {
    case "default":
      return frequencies;
    case "linear":
      return frequencies.map((frequency) => frequency / scaling.factor);
    case "llama3":
      return frequencies.map((frequency) => {
        const {
          factor,
          lowFrequencyFactor: low,
          highFrequencyFactor: high,
          originalMaxPositions: context,
        } = scaling;
        const wavelength = f32((2 * Math.PI) / frequency);
        if (wavelength < context / high) return frequency;
        if (wavelength > context / low) return frequency / factor;
        const smooth = f32(f32(f32(context / wavelength) - low) / (high - low));
        return f32(f32(f32(1 - smooth) * frequency) / factor) + f32(smooth * frequency);
      });
  }
}

const tables = new Map<string, { cos: Value; sin: Value }>();

/** cos and sin of position · frequency, [positions, size/2] each; made once for each setting. */
function rotaryTables(rope: Rope, positions: number): { cos: Value; sin: Value } {
  const key = JSON.stringify([rope, positions]);
  const known = tables.get(key);
  if (known) return known;
  const frequencies = inverseFrequencies(rope);
  const half = frequencies.length;
  const cos = new Float32Array(positions * half);
  const sin = new Float32Array(positions * half);
  for (let position = 0; position < positions; position++) {
    for (let i = 0; i < half; i++) {
      const angle = f32(position * frequencies[i]!);
      cos[position * half + i] = Math.cos(angle);
      sin[position * half + i] = Math.sin(angle);
    }
  }
  const made = {
    cos: constant(cos, [positions, half], "rotary_cos"),
    sin: constant(sin, [positions, half], "rotary_sin"),
  };
  tables.set(key, made);
  return made;
}

/** Turns heads [B, H, T, K] by the positions of their tokens. */
export function applyRotary(x: Value, rope: Rope, { positions, maxPositions }: ModelInputs): Value {
  const { cos, sin } = rotaryTables(rope, maxPositions);
  return rotary(x, positions, cos, sin, rope.size);
}
