// A weight -> NF4: places in a code book, two a byte, a factor for each block of 64, and these factors in 8 bits.
// Source: quantize_4bit and quantize_blockwise of bitsandbytes (backends/default/ops.py), whose values these are.
import { fail } from "../errors.js";
import { DYNAMIC_MAP, NF4_BLOCK, NF4_CODE, NF4_GROUP } from "../graph/ops/nf4.js";

const f32 = Math.fround;

/** Middles between neighbours, in float32: a number belongs to the place that is as many as lie below it. */
function bordersOf(ascending: ArrayLike<number>): Float32Array<ArrayBuffer> {
  return Float32Array.from(
    { length: ascending.length - 1 },
    (_, i) => f32(f32(ascending[i]!) + f32(ascending[i + 1]!)) / 2,
  );
}

const CODE_BORDERS = bordersOf(NF4_CODE);
const MAP_BORDERS = bordersOf(DYNAMIC_MAP);
/** No block is divided by less. */
const SMALLEST = f32(1e-38);

/** How many borders lie below x, for 2ⁿ − 1 ascending ones. */
function placeOf(x: number, borders: Float32Array): number {
  let place = 0;
  for (let half = (borders.length + 1) / 2; half >= 1; half /= 2)
    if (x > borders[place + half - 1]!) place += half;
  return place;
}

/** Numbers that are read at a time: whole blocks. */
const READ = 1 << 20;

export interface Nf4 {
  /** Places in the code book, two a byte, the first one in the high half. */
  readonly packed: Uint8Array<ArrayBuffer>;
  /** The largest magnitude of each block. */
  readonly absmax: Float32Array<ArrayBuffer>;
}

/**
 * Rounds `count` numbers to the nearest of the code book times the largest magnitude of their block.
 * @param read numbers `from` to `to` in float32, so that no float copy of the whole is held
 * @param where names the weight in messages
 * @throws where a number is not finite
 */
export async function quantizeNf4(
  count: number,
  read: (from: number, to: number) => Promise<Float32Array>,
  where?: string,
): Promise<Nf4> {
  const packed = new Uint8Array(Math.ceil(count / 2));
  const absmax = new Float32Array(Math.ceil(count / NF4_BLOCK));
  for (let start = 0; start < count; start += READ) {
    const numbers = await read(start, Math.min(count, start + READ));
    for (let from = 0; from < numbers.length; from += NF4_BLOCK) {
      const block = numbers.subarray(from, from + NF4_BLOCK);
      const largest = largestOf(block);
      if (!Number.isFinite(largest))
        fail(
          "weights",
          `a number among those from ${start + from} on is ${largest}; only finite ones can be rounded`,
          { where },
        );
      absmax[(start + from) / NF4_BLOCK] = largest;
      pack(block, largest, packed, (start + from) / 2);
    }
  }
  return { packed, absmax };
}

/** NaN where there is one. */
function largestOf(block: Float32Array): number {
  let largest = 0;
  for (let i = 0; i < block.length; i++) largest = Math.max(largest, Math.abs(block[i]!));
  return largest;
}

function pack(block: Float32Array, largest: number, packed: Uint8Array, at: number): void {
  const borders = CODE_BORDERS;
  const inverse = f32(1 / Math.max(largest, SMALLEST));
  // Where the last number has no neighbour, bitsandbytes packs a zero with it.
  for (let i = 0; i < block.length; i += 2) {
    const first = placeOf16(f32(block[i]! * inverse), borders);
    const second = i + 1 < block.length ? placeOf16(f32(block[i + 1]! * inverse), borders) : ZERO;
    packed[at + i / 2] = (first << 4) | second;
  }
}

/** `placeOf` with its loop written out, for there are as many as weights. */
function placeOf16(x: number, borders: Float32Array): number {
  let place = x > borders[7]! ? 8 : 0;
  if (x > borders[place + 3]!) place += 4;
  if (x > borders[place + 1]!) place += 2;
  return x > borders[place]! ? place + 1 : place;
}

/** The place of 0. */
const ZERO = NF4_CODE.indexOf(0);

/** Factors in 8 bits: those of a group are scale·map[place] + offset. */
export interface NestedFactors {
  /** Places in the dynamic map [groups, 256]; zeros fill the last group. */
  readonly places: Uint8Array<ArrayBuffer>;
  /** The largest magnitude of each group. */
  readonly scale: Float32Array<ArrayBuffer>;
  /** The mean of all factors. */
  readonly offset: Float32Array<ArrayBuffer>;
}

/** Rounds the factors of blocks to the nearest of the dynamic map, around their mean. */
export function quantizeFactors(absmax: Float32Array): NestedFactors {
  const groups = Math.ceil(absmax.length / NF4_GROUP);
  const places = new Uint8Array(groups * NF4_GROUP);
  const scale = new Float32Array(groups);
  // Summed in float64: PyTorch's order of adding in float32 depends on the processor and on the number of threads.
  const offset = Float32Array.of(absmax.reduce((sum, factor) => sum + factor, 0) / absmax.length);
  const distances = absmax.map((factor) => factor - offset[0]!);
  for (let group = 0; group < groups; group++) {
    const start = group * NF4_GROUP;
    const own = distances.subarray(start, start + NF4_GROUP);
    const largest = own.reduce((most, distance) => Math.max(most, Math.abs(distance)), 0);
    const inverse = f32(1 / Math.max(largest, SMALLEST));
    scale[group] = largest;
    for (let i = 0; i < own.length; i++) places[start + i] = placeOf(f32(own[i]! * inverse), MAP_BORDERS);
  }
  return { places, scale, offset };
}
