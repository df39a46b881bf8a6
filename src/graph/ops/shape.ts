// Ops that move elements without changing them: reshape, transpose, concat, slice, pad, cast.
import { type Dim, printShape, product } from "../dims.js";
import { apply, type ElementType, failShape, type Op, type Value } from "../value.js";

/** Sizes that may be copied by position from the input (0) or left to onnxruntime to find (-1), so that no shape has to be computed. */
function staticTarget(from: readonly Dim[], to: readonly Dim[]): number[] | undefined {
  const target = to.map((dim, axis) => (typeof dim === "number" ? dim : dim === from[axis] ? 0 : -1));
  return target.filter((dim) => dim === -1).length <= 1 ? target : undefined;
}

export const reshapeOp: Op = {
  name: "reshape",
  infer: ([x], { shape }) => {
    const to = shape as readonly Dim[];
    if (product(x!.shape) !== product(to))
      failShape("reshape", [x!], `the same number of elements as ${printShape(to)}`);
    return [{ dtype: x!.dtype, shape: to }];
  },
  vjp: [(g, { inputs: [x] }) => reshape(g, x!.shape)],
  onnx: (emit, [x], outputs, { inputs, attributes }) => {
    const to = attributes.shape as readonly Dim[];
    const target = staticTarget(inputs[0]!.shape, to);
    emit.node("Reshape", [x!, target ? emit.int64(target) : emit.shape(to)], outputs);
  },
};

/** The same elements in row-major order under another shape. */
export function reshape(x: Value, shape: readonly Dim[]): Value {
  if (printShape(x.shape) === printShape(shape)) return x;
  const source = x.node.op === reshapeOp ? x.node.inputs[0]! : x;
  return printShape(source.shape) === printShape(shape) ? source : apply(reshapeOp, [source], { shape });
}

export const transposeOp: Op = {
  name: "transpose",
  infer: ([x], { perm }) => {
    const order = perm as readonly number[];
    if ([...order].sort((a, b) => a - b).join() !== x!.shape.map((_, axis) => axis).join()) {
      failShape("transpose", [x!], `a permutation of its axes, not [${order.join(",")}]`);
    }
    return [{ dtype: x!.dtype, shape: order.map((axis) => x!.shape[axis]!) }];
  },
  vjp: [(g, { attributes }) => transpose(g, inverse(attributes.perm as readonly number[]))],
  onnx: (emit, inputs, outputs, { attributes }) =>
    emit.node("Transpose", inputs, outputs, { perm: { ints: attributes.perm as readonly number[] } }),
};

function inverse(perm: readonly number[]): number[] {
  return perm.map((_, axis) => perm.indexOf(axis));
}

/** Axis `i` of the result is axis `perm[i]` of `x`. */
export function transpose(x: Value, perm: readonly number[]): Value {
  return apply(transposeOp, [x], { perm });
}

export const concatOp: Op = {
  name: "concat",
  infer: (values, { axis, size }) => {
    const [first] = values;
    const fits = values.every(
      (value) =>
        value.dtype === first!.dtype && value.shape.every((dim, i) => i === axis || dim === first!.shape[i]),
    );
    if (!fits) failShape("concat", values, `equal types and equal sizes but on axis ${axis}`);
    return [{ dtype: first!.dtype, shape: first!.shape.map((dim, i) => (i === axis ? (size as Dim) : dim)) }];
  },
  vjp:
    (index) =>
    (g, { inputs, attributes }) => {
      const axis = attributes.axis as number;
      const sizes = inputs.map((value) => value.shape[axis]!);
      if (sizes.some((size) => typeof size !== "number"))
        failShape("the gradient of concat", inputs, "static sizes on the joined axis");
      const start = (sizes as number[]).slice(0, index).reduce((sum, size) => sum + size, 0);
      return slice(g, axis, start, start + (sizes[index] as number));
    },
  onnx: (emit, inputs, outputs, { attributes }) =>
    emit.node("Concat", inputs, outputs, { axis: attributes.axis as number }),
};

/** Values one after the other along `axis`; `size` names the joined size where the parts' sizes are symbols. */
export function concat(values: readonly Value[], axis: number, size?: Dim): Value {
  const sizes = values.map((value) => value.shape[axis]!);
  const joined =
    size ??
    (sizes.every((dim) => typeof dim === "number")
      ? sizes.reduce<number>((sum, dim) => sum + (dim as number), 0)
      : undefined);
  if (joined === undefined)
    failShape("concat", values, "a name for the joined size, as the parts' sizes are symbols");
  return apply(concatOp, values, { axis, size: joined });
}

export const sliceOp: Op = {
  name: "slice",
  infer: ([x], { axis, start, end, size: named }) => {
    if (named !== undefined)
      return [{ dtype: x!.dtype, shape: x!.shape.map((dim, i) => (i === axis ? (named as Dim) : dim)) }];
    const size = x!.shape[axis as number]!;
    const fromEnd = (start as number) < 0;
    const length = fromEnd ? -(start as number) : (end as number) - (start as number);
    const needed = fromEnd ? length : (end as number);
    if (length <= 0 || (typeof size === "number" && needed > size)) {
      failShape("slice", [x!], `axis ${axis} to hold ${start}..${end}`);
    }
    return [{ dtype: x!.dtype, shape: x!.shape.map((dim, i) => (i === axis ? length : dim)) }];
  },
  vjp: [
    (g, { inputs: [x], attributes }) => {
      const { axis, start, end } = attributes as { axis: number; start: Dim; end: Dim };
      const size = x!.shape[axis]!;
      if (typeof size !== "number" || typeof start !== "number" || typeof end !== "number")
        failShape("the gradient of slice", [x!], "a static size on the cut axis");
      const from = start < 0 ? size + start : start;
      return pad(g, axis, from, size - (start < 0 ? size : end));
    },
  ],
  onnx: (emit, [x], outputs, { attributes, outputs: [y] }) => {
    const { axis, start, end } = attributes as { axis: number; start: Dim; end: Dim };
    const last = typeof start === "number" && start < 0 ? Number.MAX_SAFE_INTEGER : end;
    const place = (dim: Dim) => (typeof dim === "number" ? emit.int64([dim]) : emit.shape([dim]));
    emit.node("Slice", [x!, place(start), place(last), emit.int64([axis])], outputs);
    if (attributes.size !== undefined) emit.declare(outputs[0]!, y!);
  },
};

/**
 * Elements `start` to `end` (exclusive) of one axis; with a negative start, the last `-start` elements.
 * `size` names how many these are where a place is a symbol.
 */
export function slice(x: Value, axis: number, start: Dim, end: Dim = 0, size?: Dim): Value {
  return apply(sliceOp, [x], { axis, start, end, ...(size === undefined ? {} : { size }) });
}

export const keepLastOp: Op = {
  name: "keepLast",
  infer: ([x, count], { axis, kept }) => {
    if (count!.dtype !== "int64" || count!.shape.length > 0 || (axis as number) >= x!.shape.length)
      failShape("keepLast", [x!, count!], "an axis of the first and an int64 scalar");
    return [{ dtype: x!.dtype, shape: x!.shape.map((dim, i) => (i === axis ? (kept as Dim) : dim)) }];
  },
  // Only ever part of a model that is exported: how much is kept is known when it runs.
  vjp: [null, null],
  onnx: (emit, [x, count], outputs, { attributes }) => {
    const [list, start] = ["count", "start"].map(emit.fresh);
    emit.node("Reshape", [count!, emit.int64([1])], [list!]);
    emit.node("Neg", [list!], [start!]);
    const ends = emit.int64([Number.MAX_SAFE_INTEGER]);
    emit.node("Slice", [x!, start!, ends, emit.int64([attributes.axis as number])], outputs);
  },
};

/** The last `count` elements of one axis, all where it is 0; `kept` is what their number is called. */
export function keepLast(x: Value, count: Value, axis: number, kept: Dim): Value {
  return apply(keepLastOp, [x, count], { axis, kept });
}

export const padOp: Op = {
  name: "pad",
  infer: ([x], { axis, before, after }) => {
    const size = x!.shape[axis as number]!;
    if (typeof size !== "number") failShape("pad", [x!], `a static size on axis ${axis}`);
    return [
      {
        dtype: x!.dtype,
        shape: x!.shape.map((dim, i) => (i === axis ? size + (before as number) + (after as number) : dim)),
      },
    ];
  },
  vjp: [
    (g, { inputs: [x], attributes }) => {
      const { axis, before } = attributes as { axis: number; before: number };
      return slice(g, axis, before, before + (x!.shape[axis] as number));
    },
  ],
  onnx: (emit, [x], outputs, { attributes }) => {
    const { axis, before, after } = attributes as { axis: number; before: number; after: number };
    emit.node("Pad", [x!, emit.int64([before, after]), "", emit.int64([axis])], outputs);
  },
};

/** Zeros before and after `x` along one axis. */
export function pad(x: Value, axis: number, before: number, after: number): Value {
  return apply(padOp, [x], { axis, before, after });
}

/** ONNX's numbers for element types (TensorProto.DataType). */
export const onnxElementType: Readonly<Record<ElementType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  bfloat16: 16,
};

export const castOp: Op = {
  name: "cast",
  infer: ([x], { to }) => [{ dtype: to as ElementType, shape: x!.shape }],
  // Casts between floating types are linear; a gradient never flows into whole numbers (see autodiff).
  vjp: [(g, { inputs: [x] }) => cast(g, x!.dtype)],
  onnx: (emit, inputs, outputs, { attributes }) =>
    emit.node("Cast", inputs, outputs, { to: emit.elementType(attributes.to as ElementType) }),
};

/** The same values in another element type. */
export function cast(x: Value, to: ElementType): Value {
  return x.dtype === to ? x : apply(castOp, [x], { to });
}
