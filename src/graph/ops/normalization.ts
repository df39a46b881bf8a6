// Normalisations over the last axis: softmax, layer norm, RMS norm.
import { apply, applyAll, failShape, type Op, type Value } from "../value.js";
import { reduceMean, reduceSum, reduceTo } from "./broadcast.js";
import { mul, sub } from "./elementwise.js";

const last = (x: Value): number[] => [x.shape.length - 1];

// dx = y·(g − Σ g·y)
export const softmaxOp: Op = {
  name: "softmax",
  infer: ([x]) => [{ dtype: x!.dtype, shape: x!.shape }],
  vjp: [
    (g, { outputs: [y] }) => {
      const weighted = mul(g, y!);
      return sub(weighted, mul(y!, reduceSum(weighted, last(y!), true)));
    },
  ],
  onnx: (emit, inputs, outputs) => emit.node("Softmax", inputs, outputs, { axis: -1 }),
};

/** exp(x) / Σ exp(x) over the last axis. */
export function softmax(x: Value): Value {
  return apply(softmaxOp, [x]);
}

function keptShape(x: Value): Value["shape"] {
  return x.shape.map((dim, axis) => (axis === x.shape.length - 1 ? 1 : dim));
}

// With x̂ = (x − μ)/σ and h = g·w: dx = (h − mean h − x̂·mean(h·x̂))/σ, dw = Σ g·x̂, db = Σ g
export const layerNormOp: Op = {
  name: "layerNorm",
  infer: ([x, weight, bias]) => {
    const size = x!.shape.at(-1);
    if (weight!.shape.join() !== `${size}` || bias!.shape.join() !== `${size}`)
      failShape("layerNorm", [x!, weight!, bias!], "weight and bias of the last axis");
    const kept = { dtype: x!.dtype, shape: keptShape(x!) };
    return [{ dtype: x!.dtype, shape: x!.shape }, kept, kept];
  },
  vjp: [
    (g, { inputs: [x, weight], outputs: [, mean, inverseStd] }) => {
      const normalised = mul(sub(x!, mean!), inverseStd!);
      const h = mul(g, weight!);
      const along = mul(normalised, reduceMean(mul(h, normalised), last(h), true));
      return mul(sub(sub(h, reduceMean(h, last(h), true)), along), inverseStd!);
    },
    (g, { inputs: [x, weight], outputs: [, mean, inverseStd] }) =>
      reduceTo(mul(g, mul(sub(x!, mean!), inverseStd!)), weight!.shape),
    (g, { inputs: [, , bias] }) => reduceTo(g, bias!.shape),
  ],
  onnx: (emit, inputs, outputs, { attributes }) =>
    emit.node("LayerNormalization", inputs, outputs, {
      axis: -1,
      epsilon: { float: attributes.epsilon as number },
    }),
};

/** (x − mean)/√(variance + ε)·weight + bias. Source: https://arxiv.org/abs/1607.06450 */
export function layerNorm(x: Value, weight: Value, bias: Value, epsilon: number): Value {
  return applyAll(layerNormOp, [x, weight, bias], { epsilon })[0]!;
}

// With x̂ = x/rms and h = g·w: dx = (h − x̂·mean(h·x̂))/rms, dw = Σ g·x̂
export const rmsNormOp: Op = {
  name: "rmsNorm",
  infer: ([x, weight]) => {
    if (weight!.shape.join() !== `${x!.shape.at(-1)}`)
      failShape("rmsNorm", [x!, weight!], "a weight of the last axis");
    return [
      { dtype: x!.dtype, shape: x!.shape },
      { dtype: x!.dtype, shape: keptShape(x!) },
    ];
  },
  vjp: [
    (g, { inputs: [x, weight], outputs: [, inverse] }) => {
      const normalised = mul(x!, inverse!);
      const h = mul(g, weight!);
      return mul(sub(h, mul(normalised, reduceMean(mul(h, normalised), last(h), true))), inverse!);
    },
    (g, { inputs: [x, weight], outputs: [, inverse] }) => reduceTo(mul(g, mul(x!, inverse!)), weight!.shape),
  ],
  onnx: (emit, inputs, outputs, { attributes }) =>
    emit.node("SimplifiedLayerNormalization", inputs, outputs, {
      axis: -1,
      epsilon: { float: attributes.epsilon as number },
    }),
};

/** x/√(mean x² + ε)·weight. Source: https://arxiv.org/abs/1910.07467 */
export function rmsNorm(x: Value, weight: Value, epsilon: number): Value {
  return applyAll(rmsNormOp, [x, weight], { epsilon })[0]!;
}
