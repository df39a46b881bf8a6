// The activation functions of feed-forward blocks, as single ops.
import { apply, type Op, scalar, type Value } from "../value.js";
import { add, erf, exp, less, mul, sigmoid, sub, where } from "./elementwise.js";
import { mulByScalar } from "./scale.js";

function activation(name: string, vjp: (g: Value, x: Value) => Value, onnx: Op["onnx"]): Op {
  return {
    name,
    infer: ([x]) => [{ dtype: x!.dtype, shape: x!.shape }],
    vjp: [(g, { inputs: [x] }) => vjp(g, x!)],
    onnx,
  };
}

const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;

/** 2u for u = √(2/π)·(x + 0.044715·x³) and its derivative: [2u, 2u']. */
function twiceInner(x: Value): [Value, Value] {
  const square = mul(x, x);
  const inner = mul(x, add(mulByScalar(square, 2 * SQRT_2_OVER_PI * CUBIC), scalar(2 * SQRT_2_OVER_PI)));
  const slope = add(mulByScalar(square, 6 * SQRT_2_OVER_PI * CUBIC), scalar(2 * SQRT_2_OVER_PI));
  return [inner, slope];
}

// gelu_tanh(x) = x·½(1 + tanh u) = x·σ(2u), so d = σ·(1 + x·(1 − σ)·2u'), with σ = σ(2u)
export const geluTanhOp = activation(
  "geluTanh",
  (g, x) => {
    const [inner, slope] = twiceInner(x);
    const s = sigmoid(inner);
    // onnxruntime computes the last input first: in this order four values live at a time, in another five.
    return mul(g, mul(s, add(mul(sub(scalar(1), s), mul(x, slope)), scalar(1))));
  },
  (emit, inputs, outputs) => emit.node("Gelu", inputs, outputs, { approximate: "tanh" }),
);
/** GELU in its tanh form (`gelu_new`, `gelu_pytorch_tanh`). Source: https://arxiv.org/abs/1606.08415 */
export function geluTanh(x: Value): Value {
  return apply(geluTanhOp, [x]);
}

// gelu(x) = x·Φ(x), so d = Φ(x) + x·φ(x), with Φ = ½(1 + erf(x/√2)), φ = exp(−x²/2)/√(2π)
export const geluOp = activation(
  "gelu",
  (g, x) => {
    const cumulative = mulByScalar(add(erf(mulByScalar(x, Math.SQRT1_2)), scalar(1)), 0.5);
    const density = mulByScalar(exp(mulByScalar(mul(x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
    return mul(g, add(cumulative, mul(x, density)));
  },
  (emit, inputs, outputs) => emit.node("Gelu", inputs, outputs, { approximate: "none" }),
);
/** GELU with the error function (`gelu`). */
export function gelu(x: Value): Value {
  return apply(geluOp, [x]);
}

// silu(x) = x·σ(x), so d = σ·(1 + x·(1 − σ))
export const siluOp = activation(
  "silu",
  (g, x) => {
    const s = sigmoid(x);
    return mul(g, mul(s, add(mul(x, sub(scalar(1), s)), scalar(1))));
  },
  (emit, inputs, outputs) =>
    emit.node("QuickGelu", inputs, outputs, { alpha: { float: 1 } }, "com.microsoft"),
);
/** x·σ(x), also called swish. */
export function silu(x: Value): Value {
  return apply(siluOp, [x]);
}

// relu(x) = max(x, 0), d = g where x > 0
export const reluOp = activation(
  "relu",
  (g, x) => where(less(scalar(0), x), g, scalar(0)),
  (emit, inputs, outputs) => emit.node("Relu", inputs, outputs),
);
export function relu(x: Value): Value {
  return apply(reluOp, [x]);
}
