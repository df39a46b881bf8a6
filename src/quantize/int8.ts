// A weight [out, in] -> two copies in 8 bits: one for the product with activations, rotated as they are, and one for the product with gradients.
import { INT8_LIMIT, rotationOf } from "../graph/ops/int8.js";

/** A rounded matrix with its steps: one for each column. */
export interface Rounded {
  readonly values: Int8Array<ArrayBuffer>;
  readonly scale: Float32Array<ArrayBuffer>;
}

export interface RoundedWeight {
  /** [in, out], rotated along `in`; a step for each output. */
  readonly forward: Rounded;
  /** [out, in]; a step for each input. */
  readonly backward: Rounded;
}

/** Rows that are read at a time, as many as keep a block below this many numbers. */
const BLOCK = 1 << 20;

/**
 * Rounds a weight to nearest, in steps of its largest magnitude over 127: by row after rotation, and by column.
 * @param read rows `from` to `to` in float32; each is asked for twice, so that no float copy of the whole is held
 */
export async function roundWeight(
  out: number,
  size: number,
  read: (from: number, to: number) => Promise<Float32Array>,
): Promise<RoundedWeight> {
  const forward: Rounded = { values: new Int8Array(size * out), scale: new Float32Array(out) };
  const backward: Rounded = { values: new Int8Array(out * size), scale: new Float32Array(size) };
  const rows = Math.max(1, Math.min(out, Math.floor(BLOCK / size)));
  for (let from = 0; from < out; from += rows) {
    const block = await read(from, Math.min(out, from + rows));
    noteLargest(block, backward.scale);
    roundRotatedRows(block, from, out, forward);
  }
  for (let i = 0; i < size; i++) backward.scale[i] = stepOf(backward.scale[i]!);
  for (let from = 0; from < out; from += rows) {
    const block = await read(from, Math.min(out, from + rows));
    roundColumns(block, from * size, backward);
  }
  return { forward, backward };
}

/** The step for a largest magnitude; zeros alone are rounded in steps of 1. */
function stepOf(largest: number): number {
  return largest > 0 ? largest / INT8_LIMIT : 1;
}

function noteLargest(block: Float32Array, largest: Float32Array): void {
  const size = largest.length;
  for (let at = 0; at < block.length; at += size) {
    for (let i = 0; i < size; i++) {
      const magnitude = Math.abs(block[at + i]!);
      if (magnitude > largest[i]!) largest[i] = magnitude;
    }
  }
}

function roundColumns(block: Float32Array, start: number, { values, scale }: Rounded): void {
  const size = scale.length;
  for (let at = 0; at < block.length; at += size)
    for (let i = 0; i < size; i++) values[start + at + i] = nearest(block[at + i]! / scale[i]!);
}

/** Rounds the rows of a block after rotating them in place, and writes them as columns. */
function roundRotatedRows(block: Float32Array, from: number, out: number, { values, scale }: Rounded): void {
  const size = values.length / out;
  const count = block.length / size;
  for (let r = 0; r < count; r++) {
    const row = block.subarray(r * size, (r + 1) * size);
    rotateInPlace(row);
    let largest = 0;
    for (let i = 0; i < size; i++) largest = Math.max(largest, Math.abs(row[i]!));
    scale[from + r] = stepOf(largest);
  }
  // Tiles, for a column touches a line of memory at each of its numbers.
  const tile = 64;
  for (let r0 = 0; r0 < count; r0 += tile) {
    const r1 = Math.min(count, r0 + tile);
    for (let i = 0; i < size; i++) {
      const line = i * out + from;
      for (let r = r0; r < r1; r++) values[line + r] = nearest(block[r * size + i]! / scale[from + r]!);
    }
  }
}

/** Nearest whole number within ±127; the step was rounded itself, so that a quotient may be a hair larger. */
function nearest(x: number): number {
  return Math.max(-INT8_LIMIT, Math.min(INT8_LIMIT, Math.round(x)));
}

/** The rotation of `graph/ops/int8.ts`, as sums and differences of pairs. */
export function rotateInPlace(row: Float32Array): void {
  const size = row.length;
  const { inner, outer } = rotationOf(size);
  for (let stride = 1; stride < inner; stride *= 2) addAndSubtract(row, stride);
  for (let stride = size / outer; stride < size; stride *= 2) addAndSubtract(row, stride);
  const norm = 1 / Math.sqrt(inner * outer);
  for (let i = 0; i < size; i++) row[i]! *= norm;
}

function addAndSubtract(row: Float32Array, stride: number): void {
  for (let start = 0; start < row.length; start += 2 * stride) {
    for (let i = start; i < start + stride; i++) {
      const a = row[i]!;
      const b = row[i + stride]!;
      row[i] = a + b;
      row[i + stride] = a - b;
    }
  }
}
