// The rows of a weight in float32 -> whole numbers of 4 or 8 bits with a scale and a zero for each block of neighbours.
import { fromFloat32, toFloat32 } from "../../formats/dtype.js";
import type { BlockBits } from "../../graph/ops/block_linear.js";
import type { Floating } from "../../graph/precision.js";

/** Neighbours that share a scale. */
export const BLOCK = 32;

export interface Blocks {
  /** Numbers from 0; two of 4 bits a byte, low first. The last block of a row is filled up with its zero. */
  readonly numbers: Uint8Array;
  /** What stands for zero in each block; those of 4 bits two a byte, each row beginning with a byte. */
  readonly zeros: Uint8Array;
  readonly scales: Float32Array;
}

/**
 * How much of a block's range is kept below and above zero: what lies outside is moved to its end, which is worth it where
 * the rest comes nearer.
 */
const KEPT = [
  [1, 1],
  [0.95, 0.95],
  [0.9, 0.9],
  [1, 0.9],
  [0.9, 1],
] as const;

/**
 * Rounds x = scale · (q − zero), q from 0 to 2^bits − 1. Of the ranges in `KEPT` each block takes the one whose squared
 * error is least; the scale is then the best one for the numbers found (least squares).
 * @param type of the scales, which are rounded to it before the numbers are
 */
export function roundBlocks(values: Float32Array, columns: number, bits: BlockBits, type: Floating): Blocks {
  const top = 2 ** bits - 1;
  const rows = values.length / columns;
  const blocks = Math.ceil(columns / BLOCK);
  const numbers = packed(rows, blocks * BLOCK, bits);
  const zeros = packed(rows, blocks, bits);
  const scales = new Float32Array(rows * blocks);
  for (let row = 0; row < rows; row++) {
    for (let block = 0; block < blocks; block++) {
      const start = row * columns + block * BLOCK;
      const part = values.subarray(start, Math.min(start + BLOCK, (row + 1) * columns));
      const { scale, zero } = bestGrid(part, top, type);
      scales[row * blocks + block] = scale;
      zeros.put(row, block, zero);
      for (let i = 0; i < BLOCK; i++)
        numbers.put(row, block * BLOCK + i, i < part.length ? numberOf(part[i]!, scale, zero, top) : zero);
    }
  }
  return { numbers: numbers.bytes, zeros: zeros.bytes, scales };
}

function bestGrid(part: Float32Array, top: number, type: Floating): { scale: number; zero: number } {
  let [low, high] = [0, 0];
  for (const value of part) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  let best = { scale: 0, zero: 0 };
  let least = Number.POSITIVE_INFINITY;
  for (const [below, above] of low === high ? [] : KEPT) {
    const step = (high * above - low * below) / top;
    const zero = Math.round((-low * below) / step);
    let [products, squares] = [0, 0];
    for (const value of part) {
      const steps = numberOf(value, step, zero, top) - zero;
      products += steps * value;
      squares += steps * steps;
    }
    const fitted = squares > 0 ? products / squares : step;
    const scale = type === "float32" ? Math.fround(fitted) : roundToF16(fitted);
    let error = 0;
    for (const value of part) error += (scale * (numberOf(value, scale, zero, top) - zero) - value) ** 2;
    if (error < least) [least, best] = [error, { scale, zero }];
  }
  return best;
}

function numberOf(x: number, scale: number, zero: number, top: number): number {
  if (scale === 0) return zero;
  return Math.max(0, Math.min(top, Math.round(x / scale) + zero));
}

/** Rows of numbers of 4 or 8 bits, each row in whole bytes. */
function packed(rows: number, columns: number, bits: BlockBits) {
  const width = Math.ceil((columns * bits) / 8);
  const bytes = new Uint8Array(rows * width);
  const put = (row: number, column: number, number: number): void => {
    if (bits === 8) bytes[row * width + column] = number;
    else bytes[row * width + (column >> 1)]! |= number << (4 * (column & 1));
  };
  return { bytes, put };
}

function roundToF16(value: number): number {
  return toFloat32(fromFloat32(Float32Array.of(value), "F16", [1]))[0]!;
}

/** A table [rows, columns] whose rows are looked up: signed numbers of 8 bits and a scale for each block. */
export interface TableBlocks {
  /** int8 [rows, blocks, block] */
  readonly numbers: Int8Array;
  /** [rows, blocks, 1] */
  readonly scales: Float32Array;
}

/** Neighbours of a row that share a scale: whole rows where they cannot be divided. */
export function tableBlock(columns: number): number {
  return columns % BLOCK === 0 ? BLOCK : columns;
}

/** Rounds x = scale · q with the largest magnitude at 127. @param type of the scales */
export function roundTable(values: Float32Array, columns: number, type: Floating): TableBlocks {
  const size = tableBlock(columns);
  const numbers = new Int8Array(values.length);
  const scales = new Float32Array(values.length / size);
  for (let block = 0; block < scales.length; block++) {
    let most = 0;
    for (let i = 0; i < size; i++) most = Math.max(most, Math.abs(values[block * size + i]!));
    const scale = type === "float32" ? Math.fround(most / 127) : roundToF16(most / 127);
    scales[block] = scale;
    for (let i = 0; i < size && scale > 0; i++) {
      const at = block * size + i;
      numbers[at] = Math.max(-127, Math.min(127, Math.round(values[at]! / scale)));
    }
  }
  return { numbers, scales };
}
