// Dropout whose mask is a pure function of (seed, step, path, element): the same on every device and when computed again.
import { bitwiseXor, gather, less, mul, where } from "../graph/ops.js";
import { constant, inBlock, input, scalar, type Value } from "../graph/value.js";

/**
 * Random numbers of one step, from which every mask is mixed: one pair a row of a [B*T, D] value, one a column.
 * They are inputs, made anew for each step by `dropoutNoise`.
 */
export interface DropoutNoise {
  /** [B*T, 1] int32 */
  readonly rows: Value;
  /** [B*T, 1] int32, odd */
  readonly multipliers: Value;
  /** [1, columns] int32 for each width in use */
  readonly columns: (width: number) => Value;
}

/** The inputs of the noise. */
export function noiseInputs(): DropoutNoise {
  const rows = input("dropout_rows", "int32", ["B*T", 1]);
  const multipliers = input("dropout_multipliers", "int32", ["B*T", 1]);
  const columns = new Map<number, Value>();
  return {
    rows,
    multipliers,
    columns: (width) => {
      const known = columns.get(width) ?? input(`dropout_columns_${width}`, "int32", [1, width]);
      columns.set(width, known);
      return known;
    },
  };
}

/**
 * Elements of `x` [N, D] that stay; the others are zero. Not scaled: the caller multiplies by 1/(1 − p).
 * N is B*T, or smaller where x holds only some rows; `rows`, int64 [N], says which rows of noise these take.
 * An element stays where ((row ⊕ column ⊕ key) · multiplier) mod 2³², as a signed number, is not below the p-quantile:
 * multiply-shift hashing, whose top bits are close to independent for different elements.
 * Source: Dietzfelbinger et al., "A Reliable Randomized Algorithm for the Closest-Pair Problem", 1997.
 */
export function dropElements(x: Value, p: number, path: string, noise: DropoutNoise, rows?: Value): Value {
  const width = x.shape[1] as number;
  const ofRows = (all: Value) => (rows ? gather(all, rows) : all);
  const keyed = bitwiseXor(ofRows(noise.rows), constant(Int32Array.of(hash(path)), [1, 1]));
  const multiplier = bitwiseXor(
    ofRows(noise.multipliers),
    constant(Int32Array.of(hash(`${path}#`) & ~1), [1, 1]),
  );
  const bits = mul(bitwiseXor(keyed, noise.columns(width)), multiplier);
  const threshold = Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, Math.round((p - 0.5) * 2 ** 32)));
  const dropped = less(bits, constant(Int32Array.of(threshold), [1, 1]));
  // What is dropped takes a byte an element; the result would take four.
  return inBlock({ path, keepsResults: false }, () => where(dropped, scalar(0), x));
}

/** The noise of one micro-batch: a pure function of its arguments. */
export function dropoutNoise(
  seed: number,
  step: number,
  microBatch: number,
  rows: number,
  width: number,
): { rows: Int32Array; multipliers: Int32Array; columns: Int32Array } {
  const stream = (name: string, length: number) => {
    const key = hash(`${seed} ${step} ${microBatch} ${name}`);
    return Int32Array.from({ length }, (_, i) => mix(key ^ mix(i + 0x9e3779b9)));
  };
  return {
    rows: stream("rows", rows),
    multipliers: stream("multipliers", rows).map((x) => x | 1),
    columns: stream("columns", width),
  };
}

/** murmur3's finaliser: every bit of the result depends on every bit of `x`. */
function mix(x: number): number {
  let h = x | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** FNV-1a of a text, mixed. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return mix(h);
}
