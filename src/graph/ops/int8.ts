// Ops of int8 arithmetic: a rotation that spreads outliers, rows rounded to 8 bits, and the linear layer on 8-bit numbers.
import type { Dim } from "../dims.js";
import type { Emitter } from "../emitter.js";
import { apply, constant, failShape, input, type Op, type Value, weight } from "../value.js";
import { reduceTo } from "./broadcast.js";
import { softmaxMinusOneHotOp } from "./loss.js";
import { onnxElementType } from "./shape.js";

/** Largest magnitude of a rounded number, and the number in which zero is stored where they are unsigned. */
export const INT8_LIMIT = 127;
export const ZERO_POINT = 128;
/** Scale of a row of zeros. */
const SMALLEST_SCALE = 1e-30;
/** Sides of the largest Hadamard matrices: together they mix 256 numbers. */
const SIDE = 16;

/**
 * How an axis is rotated: index = a·size/outer + b, and numbers of equal b are mixed, as are `inner` neighbours.
 * Each factor is the largest power of two that fits, 16 at most.
 */
export function rotationOf(size: number): { readonly inner: number; readonly outer: number } {
  const twos = size & -size;
  const inner = Math.min(SIDE, twos);
  return { inner, outer: Math.min(SIDE, twos / inner) };
}

const matrices = new Map<number, Value>();

/** H/√n, with H[i][j] = (−1)^(number of common ones of i and j): symmetric, and its own inverse. */
function hadamard(n: number): Value {
  const known = matrices.get(n);
  if (known) return known;
  const entries = Float32Array.from({ length: n * n }, (_, at) => {
    let common = Math.trunc(at / n) & (at % n);
    let sign = 1;
    for (; common > 0; common &= common - 1) sign = -sign;
    return sign / Math.sqrt(n);
  });
  const made = constant(entries, [n, n], `hadamard_${n}`);
  matrices.set(n, made);
  return made;
}

// An orthogonal symmetric matrix: the gradient is rotated alike.
export const rotateOp: Op = {
  name: "rotate",
  infer: (inputs) => {
    const [x, inner, outer] = inputs;
    const size = x!.shape[1];
    const step = (inner!.shape[0] as number) * (outer!.shape[0] as number);
    if (x!.shape.length !== 2 || typeof size !== "number" || size % step !== 0)
      failShape("rotate", inputs, `a matrix whose columns are a multiple of ${step}`);
    return [{ dtype: "float32", shape: x!.shape }];
  },
  vjp: [(g, { inputs: [, inner, outer] }) => apply(rotateOp, [g, inner!, outer!]), null, null],
  onnx: (emit, [x, inner, outer], outputs, { inputs }) => {
    const size = inputs[0]!.shape[1] as number;
    const [n, parts] = [inputs[1]!.shape[0] as number, inputs[2]!.shape[0] as number];
    const names = ["blocks", "mixed", "rows", "matrices", "turned"];
    const [blocks, mixed, rows, matrices, turned] = names.map(emit.fresh);
    emit.node("Reshape", [x!, emit.int64([-1, n])], [blocks!]);
    emit.node("MatMul", [blocks!, inner!], [mixed!]);
    if (parts === 1) return emit.node("Reshape", [mixed!, emit.int64([-1, size])], outputs);
    emit.node("Reshape", [mixed!, emit.int64([-1, parts, size / parts])], [rows!]);
    // One matrix for all rows would do, but not where there is no row.
    emit.node("Expand", [outer!, emit.shape([inputs[0]!.shape[0]!, parts, parts])], [matrices!]);
    emit.node("MatMul", [matrices!, rows!], [turned!]);
    emit.node("Reshape", [turned!, emit.int64([-1, size])], outputs);
  },
};

/** Rows of `x` [N, D] times an orthogonal matrix that spreads single large numbers over 256 of them; its own inverse. */
export function rotate(x: Value): Value {
  const { inner, outer } = rotationOf(x.shape.at(-1) as number);
  return inner === 1 ? x : apply(rotateOp, [x, hadamard(inner), hadamard(outer)]);
}

export const rowScaleOp: Op = {
  name: "rowScale",
  infer: ([x]) => {
    if (x!.shape.length !== 2) failShape("rowScale", [x!], "a matrix");
    return [{ dtype: "float32", shape: [x!.shape[0]!, 1] }];
  },
  // A rounded value passes its gradient on by the layer that takes it.
  vjp: [null],
  onnx: (emit, [x], outputs) => {
    const [highest, lowest, negated, largest, scale] = [
      "highest",
      "lowest",
      "negated",
      "largest",
      "scale",
    ].map(emit.fresh);
    const axis = emit.int64([1]);
    emit.node("ReduceMax", [x!, axis], [highest!], { keepdims: 1 });
    emit.node("ReduceMin", [x!, axis], [lowest!], { keepdims: 1 });
    emit.node("Neg", [lowest!], [negated!]);
    emit.node("Max", [highest!, negated!], [largest!]);
    emit.node("Mul", [largest!, emit.float32(1 / INT8_LIMIT)], [scale!]);
    emit.node("Max", [scale!, emit.float32(SMALLEST_SCALE)], outputs);
  },
};

/** For each row of `x` [N, D] the step in which it is rounded: its largest magnitude over 127, [N, 1]. */
export function rowScale(x: Value): Value {
  return apply(rowScaleOp, [x]);
}

export const quantizeRowsOp: Op = {
  name: "quantizeRows",
  infer: ([x, scale]) => {
    if (x!.shape.length !== 2 || scale!.shape.join() !== `${x!.shape[0]},1`)
      failShape("quantizeRows", [x!, scale!], "a matrix and a scale for each row");
    return [{ dtype: "uint8", shape: x!.shape }];
  },
  vjp: [null, null],
  onnx: (emit, [x, scale], outputs, { inputs }) => {
    const [scales, zeros] = ["scales", "zeros"].map(emit.fresh);
    emit.node("Reshape", [scale!, emit.int64([-1])], [scales!]);
    emit.node("Expand", [emit.uint8(ZERO_POINT), emit.shape([inputs[0]!.shape[0]!])], [zeros!]);
    emit.node("QuantizeLinear", [x!, scales!, zeros!], outputs, { axis: 0 });
  },
};

/** round(x / scale) + 128 for the rows of `x` [N, D] with scales [N, 1]; halves go to even. */
export function quantizeRows(x: Value, scale: Value): Value {
  return apply(quantizeRowsOp, [x, scale]);
}

/** A weight [out, in] rounded twice, to be multiplied from either side. */
export interface Int8Weight {
  /** [in, out]: the transposed weight, its rows rotated, in steps of `forwardScale` [out]. */
  readonly forward: Value;
  readonly forwardScale: Value;
  /** [out, in]: the weight as it is, in steps of `backwardScale` [in]. */
  readonly backward: Value;
  readonly backwardScale: Value;
}

// y = s·(q − 128)·F·f + b, where s·(q − 128) ≈ rotated x and F·f ≈ rotated Wᵀ; the gradient of x is g·W with g and W rounded
// alike. x itself is not read: it is there for its gradient.
export const int8LinearOp: Op = {
  name: "int8Linear",
  weights: "packed",
  infer: (inputs) => {
    const [x, q, scale, forward, forwardScale, backward, backwardScale, bias] = inputs;
    const [rows, size] = x!.shape;
    const out = forward!.shape[1];
    const fits =
      isRounded(q!, [rows!, size!]) &&
      scale!.shape.join() === `${rows},1` &&
      isRounded(forward!, [size!, out!]) &&
      isRounded(backward!, [out!, size!]) &&
      forwardScale!.shape.join() === `${out}` &&
      backwardScale!.shape.join() === `${size}` &&
      (!bias || bias.shape.join() === `${out}`);
    if (!fits)
      failShape(
        "int8Linear",
        inputs,
        "x [N,I], its rounded rows and their scales, the weight [I,O] and [O,I] with scales, and perhaps a bias",
      );
    return [{ dtype: "float32", shape: [rows!, out!] }];
  },
  vjp: [
    (g, { inputs: [, , , , , backward, backwardScale] }) => {
      // The gradient of cross-entropy is mostly of numbers far below the smallest step.
      const isCrossEntropy = g.node.op === softmaxMinusOneHotOp;
      return (isCrossEntropy ? int8SoftmaxProduct : int8Product)(g, backward!, backwardScale!);
    },
    ...[1, 2, 3, 4, 5, 6].map(() => null),
    (g, { inputs: [, , , , , , , bias] }) => reduceTo(g, bias!.shape),
  ],
  onnx: (emit, [, q, scale, forward, forwardScale, , , bias], outputs, { inputs }) =>
    emitProduct(emit, [q!, scale!, forward!, forwardScale!, bias], outputs, inputs[3]!),
};

function isRounded({ dtype, shape }: Value, wanted: readonly Dim[]): boolean {
  return (dtype === "uint8" || dtype === "int8") && shape.join() === wanted.join();
}

/** (q − zero)·W·w in one node; the whole numbers of a sum are exact in 32 bits up to 2¹⁶ of them. */
function emitWholeProduct(
  emit: Emitter,
  [q, weight, weightScale]: readonly string[],
  zero: number,
  output: string,
  { dtype }: Value,
): void {
  const inputs = [q!, weight!, emit.float32(1), weightScale!, emit.uint8(zero)];
  if (dtype === "uint8") inputs.push(emit.uint8(ZERO_POINT));
  emit.node("MatMulIntegerToFloat", inputs, [output], {}, "com.microsoft");
}

function emitProduct(
  emit: Emitter,
  [q, scale, weight, weightScale, bias]: readonly (string | undefined)[],
  outputs: readonly string[],
  weightValue: Value,
): void {
  const [product, scaled] = ["product", "scaled"].map(emit.fresh);
  emitWholeProduct(emit, [q!, weight!, weightScale!], ZERO_POINT, product!, weightValue);
  emit.node("Mul", [product!, scale!], bias ? [scaled!] : outputs);
  if (bias) emit.node("Add", [scaled!, bias], outputs);
}

/** A linear layer x·Wᵀ + b on 8-bit numbers. @param x [N, in] */
export function int8Linear(x: Value, weight: Int8Weight, bias?: Value): Value {
  const turned = rotate(x);
  const scale = rowScale(turned);
  const rounded = quantizeRows(turned, scale);
  const { forward, forwardScale, backward, backwardScale } = weight;
  return apply(int8LinearOp, [
    x,
    rounded,
    scale,
    forward,
    forwardScale,
    backward,
    backwardScale,
    ...(bias ? [bias] : []),
  ]);
}

// y = s·(q − 128)·W·w. Only ever part of a first derivative.
export const int8ProductOp: Op = {
  name: "int8Product",
  weights: "packed",
  infer: (inputs) => {
    const [q, scale, weight, weightScale] = inputs;
    const [size, out] = weight!.shape;
    const rows = q!.shape[0]!;
    if (
      !isRounded(q!, [rows, size!]) ||
      !isRounded(weight!, [size!, out!]) ||
      scale!.shape.join() !== `${rows},1` ||
      weightScale!.shape.join() !== `${out}`
    )
      failShape(
        "int8Product",
        inputs,
        "rounded rows [N,I] and their scales, a rounded weight [I,O] and its scales",
      );
    return [{ dtype: "float32", shape: [rows, out!] }];
  },
  vjp: [null, null, null, null],
  onnx: (emit, inputs, outputs, { inputs: [, , weight] }) => emitProduct(emit, inputs, outputs, weight!),
};

/** x·W for the rows of x [N, I], which are rounded, and a rounded W [I, O] in steps of `weightScale` [O]. */
export function int8Product(x: Value, weight: Value, weightScale: Value): Value {
  const scale = rowScale(x);
  return apply(int8ProductOp, [quantizeRows(x, scale), scale, weight, weightScale]);
}

/** Probabilities are not negative, so they have all 8 bits: the largest of a row becomes 255. */
const LARGEST = 2 * INT8_LIMIT + 1;
/** Beginning of the names of inputs of graphs with a loss: numbers from −½ to ½, [M, V] for a chunk of M rows, whose name follows. */
export const ROUNDING_NOISE = "rounding_noise";
/** End of the name of a weight of which only some rows are read. */
export const ROWS = "_rows";

// With m = max logs, s = eᵐ/255 and q = round(255·e^(logs − m) + noise): y = s·q·W·w − W[id]·w, where s·q is e^logs on average.
// Only ever part of a first derivative.
export const int8SoftmaxProductOp: Op = {
  name: "int8SoftmaxProduct",
  weights: "packed",
  infer: (inputs) => {
    const [logs, ids, noise, weight, scale, rows] = inputs;
    const [count, vocabulary] = logs!.shape;
    const size = weight!.shape[1];
    const fits =
      ids!.dtype === "int64" &&
      ids!.shape.join() === `${count}` &&
      noise!.shape.join() === `${count},${vocabulary}` &&
      isRounded(weight!, [vocabulary!, size!]) &&
      isRounded(rows!, [vocabulary!, size!]) &&
      scale!.shape.join() === `${size}`;
    if (!fits)
      failShape(
        "int8SoftmaxProduct",
        inputs,
        "logs [M,V], int64 ids [M], noise [M,V], a rounded weight [V,D] with its scales, and that weight again",
      );
    return [{ dtype: "float32", shape: [count!, size!] }];
  },
  vjp: [null, null, null, null, null, null],
  onnx: (emit, [logs, ids, noise, weight, scale, rows], outputs, { inputs }) => {
    const [highest, shift, shifted, parts] = ["highest", "shift", "shifted", "parts"].map(emit.fresh);
    emit.node("ReduceMax", [logs!, emit.int64([1])], [highest!], { keepdims: 1 });
    emit.node("Sub", [emit.float32(Math.log(LARGEST)), highest!], [shift!]);
    emit.node("Add", [logs!, shift!], [shifted!]);
    emit.node("Exp", [shifted!], [parts!]);

    const [moved, rounded, product] = ["moved", "rounded", "product"].map(emit.fresh);
    emit.node("Add", [parts!, noise!], [moved!]);
    emit.node("QuantizeLinear", [moved!, emit.float32(1), emit.uint8(0)], [rounded!]);
    emitWholeProduct(emit, [rounded!, weight!, scale!], 0, product!, inputs[3]!);

    const [largest, step, mean] = ["largest", "step", "mean"].map(emit.fresh);
    emit.node("Exp", [highest!], [largest!]);
    emit.node("Mul", [largest!, emit.float32(1 / LARGEST)], [step!]);
    emit.node("Mul", [product!, step!], [mean!]);

    const [row, numbers, centered, label] = ["row", "numbers", "centered", "label"].map(emit.fresh);
    const zero = inputs[3]!.dtype === "uint8" ? ZERO_POINT : 0;
    emit.node("Gather", [rows!, ids!], [row!], { axis: 0 });
    emit.node("Cast", [row!], [numbers!], { to: onnxElementType.float32 });
    emit.node("Sub", [numbers!, emit.float32(zero)], [centered!]);
    emit.node("Mul", [centered!, scale!], [label!]);
    emit.node("Sub", [mean!, label!], outputs);
  },
};

/** (e^logs − onehot(ids))·W for a gradient `g` of cross-entropy and a rounded W [V, D] in steps of `scale` [D]. */
function int8SoftmaxProduct(g: Value, matrix: Value, scale: Value): Value {
  const [logs, ids] = g.node.inputs;
  const [count, vocabulary] = logs!.shape as [Dim, Dim];
  const noise = input(`${ROUNDING_NOISE}_${count}`, "float32", [count, vocabulary]);
  const { source, label } = matrix.node;
  // Mapped a second time: of this mapping only the rows of labels are ever read, and the first one goes once it is packed.
  const rows = source?.kind === "weight" ? weight(`${label}${ROWS}`, source.entry) : matrix;
  return apply(int8SoftmaxProductOp, [logs!, ids!, noise, matrix, scale, rows]);
}
