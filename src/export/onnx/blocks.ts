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
 * error is least with the scale that fits the numbers best (least squares).
 * @param type of the scales, which are rounded to it before the numbers are
 */
export function roundBlocks(values: Float32Array, columns: number, bits: BlockBits, type: Floating): Blocks {
  const top = 2 ** bits - 1;
  const rows = values.length / columns;
  const blocks = Math.ceil(columns / BLOCK);
  const numbers = packed(rows, blocks * BLOCK, bits);
  const zeros = packed(rows, blocks, bits);
  const fitted = new Float32Array(rows * blocks);
  const middles = new Uint8Array(rows * blocks);
  for (let row = 0, at = 0; row < rows; row++) {
    for (let block = 0; block < blocks; block++, at++) {
      const start = row * columns + block * BLOCK;
      const end = Math.min(start + BLOCK, (row + 1) * columns);
      middles[at] = fitGrid(values, start, end, top, fitted, at);
      zeros.put(row, block, middles[at]!);
    }
  }
  const scales = type === "float32" ? fitted : toFloat32(fromFloat32(fitted, "F16", [fitted.length]));
  for (let row = 0, at = 0; row < rows; row++) {
    for (let block = 0; block < blocks; block++, at++) {
      const start = row * columns + block * BLOCK;
      const count = Math.min(BLOCK, columns - block * BLOCK);
      const zero = middles[at]!;
      const inverse = scales[at] === 0 ? 0 : 1 / scales[at]!;
      for (let i = 0; i < BLOCK; i++) {
        const q = i < count ? numberOf(values[start + i]!, inverse, zero, top) : zero;
        numbers.put(row, block * BLOCK + i, q);
      }
    }
  }
  return { numbers: numbers.bytes, zeros: zeros.bytes, scales };
}

/** Writes the scale of values[start … end] to scales[at]. @returns their zero */
function fitGrid(
  values: Float32Array,
  start: number,
  end: number,
  top: number,
  scales: Float32Array,
  at: number,
): number {
  let [low, high] = [0, 0];
  for (let i = start; i < end; i++) {
    const value = values[i]!;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low === high) return 0;
  let [bestZero, most] = [0, 0];
  for (const [below, above] of KEPT) {
    const inverse = top / (high * above - low * below);
    const zero = Math.round(-low * below * inverse);
    let [products, squares] = [0, 0];
    for (let i = start; i < end; i++) {
      const value = values[i]!;
      const steps = numberOf(value, inverse, zero, top) - zero;
      products += steps * value;
      squares += steps * steps;
    }
    // Σ(x − s·q)² with s = Σxq / Σq² is Σx² − (Σxq)² / Σq².
    const taken = products ** 2 / squares;
    if (taken > most) {
      [bestZero, most] = [zero, taken];
      scales[at] = products / squares;
    }
  }
  return bestZero;
}

/** The place of x on a grid of steps 1 / inverse. */
function numberOf(x: number, inverse: number, zero: number, top: number): number {
  const place = x * inverse + zero + 0.5;
  if (place < 1) return 0;
  return place >= top ? top : Math.trunc(place);
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
