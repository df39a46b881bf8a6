// Ops on corresponding elements, with NumPy broadcasting.
import { broadcastShapes } from "../dims.js";
import { apply, type ElementType, failShape, type Op, scalar, scalarValue, type Value } from "../value.js";
import { reduceTo } from "./broadcast.js";
import { mulByScalar } from "./scale.js";

function binary(name: string, type: string, vjp: Op["vjp"], result?: ElementType): Op {
  return {
    name,
    infer: ([a, b]) => {
      const shape = broadcastShapes(a!.shape, b!.shape);
      if (!shape || a!.dtype !== b!.dtype) failShape(name, [a!, b!], "equal types and shapes that broadcast");
      return [{ dtype: result ?? a!.dtype, shape }];
    },
    vjp,
    onnx: (emit, inputs, outputs) => emit.node(type, inputs, outputs),
  };
}

// d(a+b)/da = g, d(a+b)/db = g
export const addOp = binary("add", "Add", [
  (g, { inputs: [a] }) => reduceTo(g, a!.shape),
  (g, { inputs: [, b] }) => reduceTo(g, b!.shape),
]);
export function add(a: Value, b: Value): Value {
  return apply(addOp, [a, b]);
}

// d(a-b)/da = g, d(a-b)/db = -g
export const subOp = binary("sub", "Sub", [
  (g, { inputs: [a] }) => reduceTo(g, a!.shape),
  (g, { inputs: [, b] }) => reduceTo(mulByScalar(g, -1), b!.shape),
]);
export function sub(a: Value, b: Value): Value {
  return apply(subOp, [a, b]);
}

// d(ab)/da = g·b, d(ab)/db = g·a
export const mulOp = binary("mul", "Mul", [
  (g, { inputs: [a, b] }) => reduceTo(mul(g, b!), a!.shape),
  (g, { inputs: [a, b] }) => reduceTo(mul(g, a!), b!.shape),
]);
/** Product; a constant scalar 1 leaves the other factor as it is. */
export function mul(a: Value, b: Value): Value {
  if (a.dtype === b.dtype) {
    if (scalarValue(b) === 1 && b.shape.length <= a.shape.length) return a;
    if (scalarValue(a) === 1 && a.shape.length <= b.shape.length) return b;
  }
  return apply(mulOp, [a, b]);
}

// d(a/b)/da = g/b, d(a/b)/db = -g·a/b²
export const divOp = binary("div", "Div", [
  (g, { inputs: [a, b] }) => reduceTo(div(g, b!), a!.shape),
  (g, { inputs: [, b], outputs: [y] }) => reduceTo(mulByScalar(div(mul(g, y!), b!), -1), b!.shape),
]);
export function div(a: Value, b: Value): Value {
  return apply(divOp, [a, b]);
}

/** Bits where exactly one of two int32 values has a one. */
export const bitwiseXorOp = binary("bitwiseXor", "BitwiseXor", [null, null]);
export function bitwiseXor(a: Value, b: Value): Value {
  return apply(bitwiseXorOp, [a, b]);
}

export const andOp = binary("and", "And", [null, null], "bool");
export function and(a: Value, b: Value): Value {
  return apply(andOp, [a, b]);
}

export const lessOp = binary("less", "Less", [null, null], "bool");
export function less(a: Value, b: Value): Value {
  return apply(lessOp, [a, b]);
}

export const lessOrEqualOp = binary("lessOrEqual", "LessOrEqual", [null, null], "bool");
export function lessOrEqual(a: Value, b: Value): Value {
  return apply(lessOrEqualOp, [a, b]);
}

export const equalOp = binary("equal", "Equal", [null, null], "bool");
export function equal(a: Value, b: Value): Value {
  return apply(equalOp, [a, b]);
}

// d/da = g where the condition holds, d/db = g elsewhere
export const whereOp: Op = {
  name: "where",
  infer: ([condition, a, b]) => {
    const branches = broadcastShapes(a!.shape, b!.shape);
    const shape = branches && broadcastShapes(condition!.shape, branches);
    if (!shape || condition!.dtype !== "bool" || a!.dtype !== b!.dtype)
      failShape("where", [condition!, a!, b!], "a bool and two values of one type");
    return [{ dtype: a!.dtype, shape }];
  },
  vjp: [
    null,
    (g, { inputs: [condition, a] }) => reduceTo(where(condition!, g, scalar(0)), a!.shape),
    (g, { inputs: [condition, , b] }) => reduceTo(where(condition!, scalar(0), g), b!.shape),
  ],
  onnx: (emit, inputs, outputs) => emit.node("Where", inputs, outputs),
};
/** `a` where the condition holds, else `b`. */
export function where(condition: Value, a: Value, b: Value): Value {
  return apply(whereOp, [condition, a, b]);
}

function unary(name: string, type: string, rule: (g: Value, x: Value, y: Value) => Value): Op {
  return {
    name,
    infer: ([x]) => [{ dtype: x!.dtype, shape: x!.shape }],
    vjp: [(g, { inputs: [x], outputs: [y] }) => rule(g, x!, y!)],
    onnx: (emit, inputs, outputs) => emit.node(type, inputs, outputs),
  };
}

// d(eˣ) = g·eˣ
export const expOp = unary("exp", "Exp", (g, _, y) => mul(g, y));
export function exp(x: Value): Value {
  return apply(expOp, [x]);
}

// σ' = σ·(1 − σ)
export const sigmoidOp = unary("sigmoid", "Sigmoid", (g, _, y) => mul(g, mul(y, sub(scalar(1), y))));
export function sigmoid(x: Value): Value {
  return apply(sigmoidOp, [x]);
}

// d(erf x) = g·2/√π·exp(−x²)
export const erfOp = unary("erf", "Erf", (g, x) =>
  mul(g, mulByScalar(exp(mulByScalar(mul(x, x), -1)), 2 / Math.sqrt(Math.PI))),
);
export function erf(x: Value): Value {
  return apply(erfOp, [x]);
}
