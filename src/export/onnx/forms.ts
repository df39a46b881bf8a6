// The names that transformers.js has for types of weights -> file, element types and bits of each.
import type { BlockBits } from "../../graph/ops/block_linear.js";
import type { Floating, Precision } from "../../graph/precision.js";

/** How a model's weights are stored and computed with. */
export interface OnnxDtype {
  /** What stands after `model` in the file's name. */
  readonly suffix: string;
  readonly floats: Floating;
  /** Fewest bits of the numbers in linear layers; undefined: they are floating. */
  readonly bits: BlockBits | undefined;
  /** Which linear layers have 4 bits where any have; the others have 8. */
  readonly fourBitLayers: "mlp" | "all";
}

/** Bits of a linear layer's numbers. Rounding costs most in attention and the output head. */
export function bitsOf({ bits, fourBitLayers }: OnnxDtype, path: string): BlockBits | undefined {
  return bits === 4 && fourBitLayers === "mlp" && !path.includes(".mlp.") ? 8 : bits;
}

export const onnxDtypes = {
  fp32: { suffix: "", floats: "float32", bits: undefined },
  fp16: { suffix: "_fp16", floats: "float16", bits: undefined },
  q8: { suffix: "_quantized", floats: "float32", bits: 8 },
  q4: { suffix: "_q4", floats: "float32", bits: 4 },
  q4f16: { suffix: "_q4f16", floats: "float16", bits: 4 },
} as const satisfies Record<string, Omit<OnnxDtype, "fourBitLayers">>;
export type OnnxDtypeName = keyof typeof onnxDtypes;

/** Ops that compute in float32 even in a float16 model: sums that grow, squares and exponentials. */
const WIDE: ReadonlySet<string> = new Set(["add", "where", "softmax", "rmsNorm", "layerNorm"]);
const MOVING: ReadonlySet<string> = new Set(["reshape", "transpose", "slice", "gather", "keepLast"]);

/**
 * What is computed in float16: linear layers, activations, rotation and the cached keys and values. Norms, the sums
 * between blocks, attention scores and their softmax stay in float32, for float16 ends at 65,504. Logits leave in float32.
 */
export const halfPrecision: Precision = {
  ofNode: ({ op, attributes }) => {
    if (MOVING.has(op!.name)) return "same";
    const isScores = op!.name === "matmul" && attributes.transB === true;
    return WIDE.has(op!.name) || isScores ? "float32" : "float16";
  },
  ofInput: (name) => (name.startsWith("past_key_values.") ? "float16" : "float32"),
  ofResult: (name) => (name.startsWith("present.") ? "float16" : "float32"),
};
