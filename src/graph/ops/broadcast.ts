// Ops between an array and its sums along axes: expand, reduceSum, reduceMean, argMax.
import { broadcastShapes, type Dim, printShape, sameShape } from "../dims.js";
import { apply, failShape, type Op, type Value } from "../value.js";
import { mulByScalar } from "./scale.js";
import { reshape } from "./shape.js";

export const expandOp: Op = {
  name: "expand",
  infer: ([x], { shape }) => {
    const to = shape as readonly Dim[];
    const joint = broadcastShapes(x!.shape, to);
    if (!joint || !sameShape(joint, to))
      failShape("expand", [x!], `a shape that broadcasts to ${printShape(to)}`);
    return [{ dtype: x!.dtype, shape: to }];
  },
  vjp: [(g, { inputs: [x] }) => reduceTo(g, x!.shape)],
  onnx: (emit, [x], outputs, { attributes }) =>
    emit.node("Expand", [x!, emit.shape(attributes.shape as readonly Dim[])], outputs),
};

/** `x` repeated along its axes of size 1 until it has `shape`. */
export function expand(x: Value, shape: readonly Dim[]): Value {
  return sameShape(x.shape, shape) ? x : apply(expandOp, [x], { shape });
}

function reducedShape(x: Value, axes: readonly number[], keepdims: boolean): readonly Dim[] {
  if (axes.some((axis) => axis < 0 || axis >= x.shape.length))
    failShape("reduce", [x], `axes [${axes.join(",")}]`);
  return keepdims
    ? x.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim))
    : x.shape.filter((_, axis) => !axes.includes(axis));
}

function reduction(name: string, type: string, vjp: Op["vjp"]): Op {
  return {
    name,
    infer: ([x], { axes, keepdims }) => [
      { dtype: x!.dtype, shape: reducedShape(x!, axes as readonly number[], keepdims as boolean) },
    ],
    vjp,
    onnx: (emit, [x], outputs, { attributes }) =>
      emit.node(type, [x!, emit.int64(attributes.axes as readonly number[])], outputs, {
        keepdims: attributes.keepdims ? 1 : 0,
      }),
  };
}

/** Undoes a reduction's shape: the gradient of a sum, before broadcasting to `x`. */
function spread(g: Value, x: Value, axes: readonly number[]): Value {
  return expand(reshape(g, reducedShape(x, axes, true)), x.shape);
}

// d(Σx) = g, repeated
export const reduceSumOp = reduction("reduceSum", "ReduceSum", [
  (g, { inputs: [x], attributes }) => spread(g, x!, attributes.axes as readonly number[]),
]);

/** Sum along `axes`. */
export function reduceSum(x: Value, axes: readonly number[], keepdims = false): Value {
  return axes.length === 0 ? x : apply(reduceSumOp, [x], { axes, keepdims });
}

// d(Σx/n) = g/n, repeated
export const reduceMeanOp = reduction("reduceMean", "ReduceMean", [
  (g, { inputs: [x], attributes }) => {
    const axes = attributes.axes as readonly number[];
    const count = axes.reduce((n, axis) => n * (x!.shape[axis] as number), 1);
    if (!Number.isFinite(count))
      failShape("the gradient of reduceMean", [x!], "static sizes on the reduced axes");
    return spread(mulByScalar(g, 1 / count), x!, axes);
  },
]);

/** Mean along `axes`. */
export function reduceMean(x: Value, axes: readonly number[], keepdims = false): Value {
  return axes.length === 0 ? x : apply(reduceMeanOp, [x], { axes, keepdims });
}

export const argMaxOp: Op = {
  name: "argMax",
  infer: ([x], { axis }) => [{ dtype: "int64", shape: x!.shape.filter((_, i) => i !== axis) }],
  vjp: [null],
  onnx: (emit, inputs, outputs, { attributes }) =>
    emit.node("ArgMax", inputs, outputs, { axis: attributes.axis as number, keepdims: 0 }),
};

/** Index of the largest element along `axis`; the first of equals. */
export function argMax(x: Value, axis: number): Value {
  return apply(argMaxOp, [x], { axis });
}

/** Sums `g` over the axes along which a value of `shape` was broadcast to `g.shape`. */
export function reduceTo(g: Value, shape: readonly Dim[]): Value {
  if (sameShape(g.shape, shape)) return g;
  const lead = g.shape.length - shape.length;
  const axes = g.shape.flatMap((dim, axis) =>
    axis < lead || (shape[axis - lead] === 1 && dim !== 1) ? [axis] : [],
  );
  return reshape(reduceSum(g, axes, true), shape);
}
