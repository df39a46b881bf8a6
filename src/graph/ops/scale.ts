// Multiplication by a number known when the graph is built.
import { apply, type Op, type Value } from "../value.js";

export const scaleOp: Op = {
  name: "scale",
  infer: ([x]) => [{ dtype: x!.dtype, shape: x!.shape }],
  vjp: [(g, { attributes }) => mulByScalar(g, attributes.factor as number)],
  onnx: (emit, [x], outputs, { attributes }) =>
    emit.node("Mul", [x!, emit.float32(attributes.factor as number)], outputs),
};

/** `factor · x` for a float32 `x`. */
export function mulByScalar(x: Value, factor: number): Value {
  return factor === 1 ? x : apply(scaleOp, [x], { factor });
}
