// The rows of a weight in float32 -> whole numbers of 4 or 8 bits with a scale for each block of neighbours.
import { fromFloat32, toFloat32 } from "../../formats/dtype.js";
import type { BlockBits } from "../../graph/ops/block_linear.js";
import type { Floating } from "../../graph/precision.js";

/** Neighbours that share a scale. */
export const BLOCK = 32;

export interface Blocks {
  /** Numbers from 0, zero in the middle of their range; two of 4 bits a byte, low first. The last block of a row is filled up. */
  readonly numbers: Uint8Array;
  readonly scales: Float32Array;
}

/**
 * Rounds x = scale · (q − half), half = 2^(bits − 1), to nearest. The number of largest magnitude becomes 0 or, where that
 * is nearer to the block as a whole, the number beside it: so either sign has all of the range.
 * @param type of the scales, which are rounded to it before the numbers are
 */
export function roundBlocks(values: Float32Array, columns: number, bits: BlockBits, type: Floating): Blocks {
  const half = 2 ** (bits - 1);
  const rows = values.length / columns;
  const blocks = Math.ceil(columns / BLOCK);
  const bytes = (BLOCK * bits) / 8;
  const scales = new Float32Array(rows * blocks);
  const numbers = new Uint8Array(rows * blocks * bytes);
  const narrow = (scale: number) => (type === "float32" ? Math.fround(scale) : roundToF16(scale));
  for (let row = 0; row < rows; row++) {
    for (let block = 0; block < blocks; block++) {
      const start = row * columns + block * BLOCK;
      const end = Math.min(start + BLOCK, (row + 1) * columns);
      let extreme = 0;
      for (let i = start; i < end; i++) if (Math.abs(values[i]!) > Math.abs(extreme)) extreme = values[i]!;
      const candidates = [half, half - 0.5, half - 1].map((steps) => narrow(-extreme / steps));
      let scale = candidates[0]!;
      let least = Number.POSITIVE_INFINITY;
      for (const candidate of extreme === 0 ? [] : candidates) {
        let error = 0;
        for (let i = start; i < end; i++) {
          const q = numberOf(values[i]!, candidate, half);
          error += (candidate * (q - half) - values[i]!) ** 2;
        }
        if (error < least) [least, scale] = [error, candidate];
      }
      const at = row * blocks + block;
      scales[at] = scale;
      for (let i = 0; i < BLOCK; i++) {
        const q = start + i < end ? numberOf(values[start + i]!, scale, half) : half;
        if (bits === 8) numbers[at * bytes + i] = q;
        else numbers[at * bytes + (i >> 1)]! |= q << (4 * (i & 1));
      }
    }
  }
  return { numbers, scales };
}

function numberOf(x: number, scale: number, half: number): number {
  if (scale === 0) return half;
  return Math.max(0, Math.min(2 * half - 1, Math.round(x / scale) + half));
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
