// Queries, keys and values [B*T, heads*K] -> attention output [B*T, H*K].

import type { Dim } from "../graph/dims.js";
import {
  add,
  and,
  concat,
  gather,
  less,
  lessOrEqual,
  matmul,
  range,
  reshape,
  sizeOf,
  slice,
  softmax,
  sub,
  transpose,
  where,
} from "../graph/ops.js";
import { constant, inScope, scalar, type Value } from "../graph/value.js";
import type { KeysAndValues, ModelInputs } from "./context.js";

/** The lowest float32: added to a score, it leaves no weight, and a row of only such scores stays free of NaN. */
const LOWEST = -3.4028234663852886e38;

/** [B*T, heads*K] -> [B, heads, T, K] */
export function splitHeads(x: Value, heads: number, headSize: number): Value {
  return transpose(reshape(x, ["B", "T", heads, headSize]), [0, 2, 1, 3]);
}

/** [B, H, T, K] -> [B*T, H*K] */
function mergeHeads(x: Value): Value {
  const [, heads, , headSize] = x.shape as [string, number, string, number];
  return reshape(transpose(x, [0, 2, 1, 3]), ["B*T", heads * headSize]);
}

/**
 * What is added to attention scores, [B, 1, T, S]: 0 where query t may see key s, else the lowest number.
 * The T queries are the last T of the S positions. With `window`, only the last `window` keys are seen.
 * A token sees its own row only. Rows are numbered in ascending order, so of the keys up to a token, those of its row
 * are the ones with no lower number; a query that is padding, 0, sees at least itself.
 */
export function attentionBias({ attentionMask, keys, taken }: ModelInputs, window?: number): Value {
  return inScope("attention_bias", () => {
    const index = add(range("T"), sub(sizeOf(keys), sizeOf("T"))); // [T]
    const place = taken ? add(range("T"), taken) : index;
    const key = taken ? concat([range("P"), place], 0, keys) : range(keys); // [S]
    const query = reshape(place, ["T", 1]);
    const past = lessOrEqual(key, query); // [T, S]
    const near =
      window === undefined
        ? past
        : and(past, less(sub(query, key), constant(BigInt64Array.of(BigInt(window)), [])));
    const rowOfQuery = reshape(gather(attentionMask, index, 1), ["B", 1, "T", 1]);
    const sameRow = lessOrEqual(rowOfQuery, reshape(attentionMask, ["B", 1, 1, keys])); // [B, 1, T, S]
    return where(and(near, sameRow), scalar(0), scalar(LOWEST));
  });
}

/**
 * Softmax(q·kᵀ/√K + bias)·v with grouped key/value heads: G = H / key/value heads queries share a key.
 * @param q [B, H, T, K]
 * @param cached keys and values [B, kvHeads, Sᵢ, K]; all Sᵢ together are the S of the bias
 * @param bias [B, 1, T, S]
 * @returns [B*T, H*K]
 */
export function attention(q: Value, { keys, values }: KeysAndValues, bias: Value): Value {
  return inScope("attention", () => {
    const [, heads, , headSize] = q.shape as [string, number, string, number];
    const kvHeads = keys[0]!.shape[1] as number;
    const S = bias.shape[3]!;
    const group = heads / kvHeads;
    const rows = group === 1 ? "T" : `${group}*T`;
    // Queries of a group lie one after the other, so a reshape pairs them with their key: [B, kvHeads, G*T, K].
    const grouped = reshape(q, ["B", kvHeads, rows, headSize]);
    const scores = joined(
      keys.map((k) => matmul(grouped, k, { transB: true, alpha: 1 / Math.sqrt(headSize) })),
      S,
    );
    const weights = softmax(add(reshape(scores, ["B", heads, "T", S]), bias));
    const parts = cut(
      reshape(weights, ["B", kvHeads, rows, S]),
      keys.map((k) => k.shape[2]!),
    );
    const mixed = parts.map((part, i) => matmul(part, values[i]!)).reduce(add);
    return mergeHeads(reshape(mixed, ["B", heads, "T", headSize]));
  });
}

/** Along the last axis. */
function joined(parts: readonly Value[], size: Dim): Value {
  return parts.length === 1 ? parts[0]! : concat(parts, parts[0]!.shape.length - 1, size);
}

/** Into one part, or two of the given sizes, along the last axis. */
function cut(x: Value, sizes: readonly Dim[]): readonly Value[] {
  if (sizes.length === 1) return [x];
  const axis = x.shape.length - 1;
  const [first, second] = sizes as [Dim, Dim];
  return [slice(x, axis, 0, first, first), slice(x, axis, first, x.shape[axis]!, second)];
}
