// Products with a frozen weight in NF4: numbers of a code book of 16, a factor for each block of 64, and these factors in 8 bits.
// Source: https://arxiv.org/abs/2305.14314, and bitsandbytes, whose values these are.
import type { Emitter } from "../emitter.js";
import { apply, constant, failShape, type Op, type Value } from "../value.js";
import { add } from "./elementwise.js";
import { gemm } from "./matmul.js";
import { onnxElementType } from "./shape.js";

/** The code book: quantiles of the normal distribution within ±1. */
export const NF4_CODE: readonly number[] = [
  -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
  -0.18477343022823334, -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725,
  0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
];
/** Numbers of a weight [out, in], counted row by row, that share a factor. */
export const NF4_BLOCK = 64;
/** Factors that share a factor of their own, where they are in 8 bits. */
export const NF4_GROUP = 256;

const f32 = Math.fround;

/**
 * The 256 numbers of the dynamic 8-bit type, ascending: 0, 1, and for each of seven powers of ten twice as many means of
 * neighbours on a line from 0.1 to 1 as for the one below. Rounded as PyTorch rounds them.
 */
export const DYNAMIC_MAP: Float32Array<ArrayBuffer> = (() => {
  const numbers = [0, 1];
  for (let exponent = -6; exponent <= 0; exponent++) {
    const parts = 2 ** (exponent + 6);
    const step = f32(f32(1 - f32(0.1)) / parts);
    const border = (i: number) => f32(2 * i < parts ? f32(0.1) + step * i : 1 - step * (parts - i));
    for (let i = 0; i < parts; i++) {
      const mean = f32(f32(border(i) + border(i + 1)) / 2);
      const number = f32(f32(10 ** exponent) * mean);
      numbers.push(number, -number);
    }
  }
  return Float32Array.from(numbers).sort();
})();

/** A weight [out, in] in 4 bits. */
export interface Nf4Weight {
  readonly out: number;
  readonly in: number;
  /** uint8 [⌈out·in / 2⌉]: places in the code book, two a byte, the first one in the high half. */
  readonly packed: Value;
  /** float32 [blocks] as they are; or uint8 [groups, 256], places in the dynamic map. */
  readonly absmax: Value;
  /** With absmax in 8 bits: float32 [groups, 1], the factor of each group, and [], what is added. */
  readonly nested: { readonly scale: Value; readonly offset: Value } | undefined;
}

const dynamicMap = constant(DYNAMIC_MAP, [256], "dynamic_map");

/** The weight as inputs of an op. */
function partsOf({ packed, absmax, nested }: Nf4Weight): readonly Value[] {
  return nested ? [packed, absmax, dynamicMap, nested.scale, nested.offset] : [packed, absmax];
}

function fits(
  [packed, absmax, map, scale, offset]: readonly (Value | undefined)[],
  out: number,
  size: number,
): boolean {
  const blocks = Math.ceil((out * size) / NF4_BLOCK);
  const groups = Math.ceil(blocks / NF4_GROUP);
  const isOf = (value: Value | undefined, dtype: string, shape: readonly number[]) =>
    value?.dtype === dtype && value.shape.join() === shape.join();
  return (
    isOf(packed, "uint8", [Math.ceil((out * size) / 2)]) &&
    (map
      ? isOf(absmax, "uint8", [groups, NF4_GROUP]) &&
        isOf(map, "float32", [256]) &&
        isOf(scale, "float32", [groups, 1]) &&
        isOf(offset, "float32", [])
      : isOf(absmax, "float32", [blocks]))
  );
}

const PARTS =
  "a weight [O,I] as uint8 [O*I/2] and its factors: float32 [blocks], or uint8 [groups,256] with map [256], scale [groups,1] and offset []";

/** The factor of each block as float32; computed anew at each use, for all of them would be a ninth of the weight. */
function emitAbsmax(emit: Emitter, [absmax, map, scale, offset]: readonly string[]): string {
  if (map === undefined) return absmax!;
  const names = ["places", "numbers", "scaled", "factors", "absmax"];
  const [places, numbers, scaled, factors, flat] = names.map(emit.fresh);
  emit.early("Cast", [absmax!], [places!], { to: onnxElementType.int32 });
  emit.early("Gather", [map, places!], [numbers!], { axis: 0 });
  emit.early("Mul", [numbers!, scale!], [scaled!]);
  emit.early("Add", [scaled!, offset!], [factors!]);
  emit.early("Reshape", [factors!, emit.int64([-1])], [flat!]);
  return flat!;
}

/** onnxruntime's product with a weight [N, K] that is read as [rows, columns]; it dequantises all of it to float32 first. */
const product = (rows: number, columns: number) => ({
  N: rows,
  K: columns,
  block_size: NF4_BLOCK,
  quant_type: 1,
});

// W = code[packed]·absmax. A product of 1 with the weight as one long column is the weight: onnxruntime has no other way to it.
export const dequantizeNf4Op: Op = {
  name: "dequantizeNf4",
  weights: "unexpanded",
  infer: (parts, { out, in: size }) => {
    if (!fits(parts, out as number, size as number)) failShape("dequantizeNf4", parts, PARTS);
    return [{ dtype: "float32", shape: [out as number, size as number] }];
  },
  // A weight in 4 bits is never trained.
  vjp: [null, null, null, null, null],
  onnx: (emit, [packed, ...absmax], outputs, { attributes }) => {
    const [out, size] = [attributes.out as number, attributes.in as number];
    const row = emit.fresh("row");
    const inputs = [emit.float32(1, [1, 1]), packed!, emitAbsmax(emit, absmax)];
    emit.early("MatMulBnb4", inputs, [row], product(out * size, 1), "com.microsoft");
    emit.early("Reshape", [row, emit.int64([out, size])], outputs);
  },
};

/** The weight [out, in] in float32, for the moment in which it is used. */
export function dequantizeNf4(weight: Nf4Weight): Value {
  return apply(dequantizeNf4Op, partsOf(weight), { out: weight.out, in: weight.in });
}

// y = x·Wᵀ. In the gradient g·W the weight is not transposed, which onnxruntime's product gets wrong on processors: there it
// is dequantised by itself, and not kept in between.
export const nf4LinearOp: Op = {
  name: "nf4Linear",
  weights: "unexpanded",
  infer: (inputs, { out, in: size }) => {
    const [x, ...parts] = inputs;
    const isMatrix = x!.shape.length === 2 && x!.shape[1] === size && x!.dtype === "float32";
    if (!isMatrix || !fits(parts, out as number, size as number))
      failShape("nf4Linear", inputs, `x [N,I] and ${PARTS}`);
    return [{ dtype: "float32", shape: [x!.shape[0]!, out as number] }];
  },
  vjp: [
    (g, { inputs: [, ...parts], attributes }) => gemm(g, apply(dequantizeNf4Op, parts, attributes)),
    null,
    null,
    null,
    null,
    null,
  ],
  onnx: (emit, [x, packed, ...absmax], outputs, { attributes }) => {
    const inputs = [x!, packed!, emitAbsmax(emit, absmax)];
    const shape = product(attributes.out as number, attributes.in as number);
    emit.node("MatMulBnb4", inputs, outputs, shape, "com.microsoft");
  },
};

/** A linear layer x·Wᵀ + b with its weight in 4 bits, computed in float32. @param x [N, in] */
export function nf4Linear(x: Value, weight: Nf4Weight, bias?: Value): Value {
  const y = apply(nf4LinearOp, [x, ...partsOf(weight)], { out: weight.out, in: weight.in });
  return bias ? add(y, bias) : y;
}
