// Matrix products: matmul over leading axes, and gemm, which adds a third matrix on the way.
import { broadcastShapes, type Dim } from "../dims.js";
import type { Emitter } from "../emitter.js";
import { apply, failShape, type Op, type Value } from "../value.js";
import { reduceTo } from "./broadcast.js";

export interface ProductOptions {
  /** Takes the first factor transposed (last two axes). */
  readonly transA?: boolean;
  /** Takes the second factor transposed. */
  readonly transB?: boolean;
  /** Scales the product. */
  readonly alpha?: number;
}

interface Flags {
  readonly transA: boolean;
  readonly transB: boolean;
  readonly alpha: number;
}

function flags({ transA = false, transB = false, alpha = 1 }: ProductOptions): Flags {
  return { transA, transB, alpha };
}

/** [M, N] of op(a)·op(b), or undefined when the inner sizes differ. */
function matrixShape(a: Value, b: Value, { transA, transB }: Flags): [Dim, Dim] | undefined {
  const [rows, innerA] = transA ? [a.shape.at(-1)!, a.shape.at(-2)!] : [a.shape.at(-2)!, a.shape.at(-1)!];
  const [innerB, columns] = transB ? [b.shape.at(-1)!, b.shape.at(-2)!] : [b.shape.at(-2)!, b.shape.at(-1)!];
  return innerA === innerB ? [rows, columns] : undefined;
}

/** The two gradients of y = α·op(a)·op(b), as products of the same kind: for op = id, da = α·g·bᵀ and db = α·aᵀ·g. */
function gradientOfA(g: Value, b: Value, { transA, transB, alpha }: Flags, times: typeof matmul): Value {
  return transA
    ? times(b, g, { transA: transB, transB: true, alpha })
    : times(g, b, { transB: !transB, alpha });
}
function gradientOfB(g: Value, a: Value, { transA, transB, alpha }: Flags, times: typeof matmul): Value {
  return transB
    ? times(g, a, { transA: true, transB: transA, alpha })
    : times(a, g, { transA: !transA, alpha });
}

export const matmulOp: Op = {
  name: "matmul",
  infer: ([a, b], attributes) => {
    const matrix =
      a!.shape.length >= 2 && b!.shape.length >= 2
        ? matrixShape(a!, b!, attributes as unknown as Flags)
        : undefined;
    const lead = broadcastShapes(a!.shape.slice(0, -2), b!.shape.slice(0, -2));
    if (!matrix || !lead || a!.dtype !== b!.dtype)
      failShape("matmul", [a!, b!], `matching inner sizes ${JSON.stringify(attributes)}`);
    return [{ dtype: a!.dtype, shape: [...lead, ...matrix] }];
  },
  vjp: [
    (g, { inputs: [a, b], attributes }) =>
      reduceTo(gradientOfA(g, b!, attributes as unknown as Flags, matmul), a!.shape),
    (g, { inputs: [a, b], attributes }) =>
      reduceTo(gradientOfB(g, a!, attributes as unknown as Flags, matmul), b!.shape),
  ],
  onnx: (emit, inputs, outputs, { inputs: values, attributes }) => {
    const { transA, transB, alpha } = attributes as unknown as Flags;
    if (!transA && !transB && alpha === 1) return emit.node("MatMul", inputs, outputs);
    if (emit.plain) {
      const turned = (name: string, rank: number, turns: boolean) =>
        turns ? emitTransposed(emit, name, rank) : name;
      const [a, b] = [
        turned(inputs[0]!, values[0]!.shape.length, transA),
        turned(inputs[1]!, values[1]!.shape.length, transB),
      ];
      if (alpha === 1) return emit.node("MatMul", [a, b], outputs);
      // Scaled before the product, whose sums may be too large for float16.
      const scaled = emit.fresh("scaled");
      emit.node("Mul", [a, emit.float32(alpha)], [scaled]);
      return emit.node("MatMul", [scaled, b], outputs);
    }
    emit.node(
      "FusedMatMul",
      inputs,
      outputs,
      { transA: Number(transA), transB: Number(transB), alpha: { float: alpha } },
      "com.microsoft",
    );
  },
};

/** The last two axes of a value, exchanged. */
function emitTransposed(emit: Emitter, name: string, rank: number): string {
  const axes = Array.from({ length: rank }, (_, axis) => axis);
  const output = emit.fresh("transposed");
  emit.node("Transpose", [name], [output], { perm: { ints: [...axes.slice(0, -2), rank - 1, rank - 2] } });
  return output;
}

/** α·op(a)·op(b) of the last two axes; leading axes broadcast. */
export function matmul(a: Value, b: Value, options: ProductOptions = {}): Value {
  return apply(matmulOp, [a, b], { ...flags(options) });
}

export const gemmOp: Op = {
  name: "gemm",
  infer: (inputs, attributes) => {
    const [a, b, c] = inputs;
    const matrix =
      a!.shape.length === 2 && b!.shape.length === 2
        ? matrixShape(a!, b!, attributes as unknown as Flags)
        : undefined;
    const fits = matrix && (!c || broadcastShapes(c.shape, matrix)?.join() === matrix.join());
    if (!fits)
      failShape("gemm", inputs, `two matrices with matching inner sizes ${JSON.stringify(attributes)}`);
    return [{ dtype: a!.dtype, shape: matrix }];
  },
  vjp: [
    (g, { inputs: [, b], attributes }) => gradientOfA(g, b!, attributes as unknown as Flags, gemmOf),
    (g, { inputs: [a], attributes }) => gradientOfB(g, a!, attributes as unknown as Flags, gemmOf),
    (g, { inputs: [, , c] }) => reduceTo(g, c!.shape),
  ],
  onnx: (emit, inputs, outputs, { attributes }) => {
    const { transA, transB, alpha } = attributes as unknown as Flags;
    emit.node("Gemm", inputs, outputs, {
      transA: Number(transA),
      transB: Number(transB),
      alpha: { float: alpha },
    });
  },
};

/** α·op(a)·op(b) + c for matrices; `c` broadcasts to the product. */
export function gemm(
  a: Value,
  b: Value,
  options: ProductOptions & { readonly c?: Value | undefined } = {},
): Value {
  const { c, ...rest } = options;
  return apply(gemmOp, c ? [a, b, c] : [a, b], { ...flags(rest) });
}

function gemmOf(a: Value, b: Value, options: ProductOptions = {}): Value {
  return gemm(a, b, options);
}
