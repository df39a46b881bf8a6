// Names of activation functions in config.json -> ops.
import { gelu, geluTanh, relu, silu } from "../graph/ops.js";
import type { Value } from "../graph/value.js";

export const activations = {
  gelu,
  gelu_new: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  gelu_fast: geluTanh,
  relu,
  silu,
  swish: silu,
} as const satisfies Record<string, (x: Value) => Value>;

export type ActivationName = keyof typeof activations;
