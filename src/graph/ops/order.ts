// Ops that compute nothing: they say what has to be computed before something else.
import { apply, failShape, type Op, printType, type Value } from "../value.js";
import { onnxElementType } from "./shape.js";

// The ONNX form takes no elements of each value and joins them: onnxruntime sees inputs, and cannot know that nothing is read.
export const fenceOp: Op = {
  name: "fence",
  infer: () => [{ dtype: "int64", shape: [0] }],
  vjp: () => null,
  onnx: (emit, values, outputs, { inputs }) => {
    const nothing = values.map((value, i) => {
      const [flat, none, cast] = ["flat", "none", "cast"].map(emit.fresh);
      emit.node("Reshape", [value, emit.int64([-1])], [flat!]);
      emit.node("Slice", [flat!, emit.int64([0]), emit.int64([0]), emit.int64([0])], [none!]);
      if (inputs[i]!.dtype === "int64") return none!;
      emit.node("Cast", [none!], [cast!], { to: onnxElementType.int64 });
      return cast!;
    });
    emit.node("Concat", nothing, outputs, { axis: 0 });
  },
};

/** What `after` waits for: all of the values. */
export function fence(values: readonly Value[]): Value {
  return apply(fenceOp, values);
}

// y = x. The ONNX form is a view: x under its own shape, at whose end nothing of the fence is added.
export const afterOp: Op = {
  name: "after",
  infer: (inputs) => {
    const [x, passed] = inputs;
    if (!passed || printType(passed) !== "int64[0]") failShape("after", inputs, "a value and a fence");
    return [{ dtype: x!.dtype, shape: x!.shape }];
  },
  vjp: [(g) => g, null],
  onnx: (emit, [x, passed], outputs, { outputs: [y] }) => {
    const shape = emit.fresh("shape");
    emit.node("Concat", [emit.shape(y!.shape), passed!], [shape], { axis: 0 });
    emit.node("Reshape", [x!, shape], outputs);
    emit.declare(outputs[0]!, y!);
  },
};

/** `x`, where everything that uses it is computed after the values of the fence. */
export function after(x: Value, passed: Value): Value {
  return apply(afterOp, [x, passed]);
}
