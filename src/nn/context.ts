// What a model sees of the world while its graph is built: its inputs, and layers by path.
import type { Dim } from "../graph/dims.js";
import type { Value } from "../graph/value.js";

// Legend of all shapes: B batch, T tokens, S keys (cached and new), D hidden, H heads, K head size, V vocabulary, R rank.

/** The values that every model reads. */
export interface ModelInputs {
  /** [B, T] int64 */
  readonly ids: Value;
  /** [B, T] int64: position of each token in its own row. */
  readonly positions: Value;
  /** [B, S] int64: 0 for padding, else the number of the token's row, ascending from 1 where rows share a sequence. */
  readonly attentionMask: Value;
  /** Name of the number of keys: T, or S where cached keys come before the new ones. */
  readonly keys: Dim;
  /**
   * int64 []: how many of the P places for cached keys are taken, where there may be more; else all P are.
   * The places after them are masked.
   */
  readonly taken?: Value | undefined;
  /** Rows of the rotary tables. */
  readonly maxPositions: number;
}

/** Keys and values of S tokens, [B, H, Sᵢ, K] each: one after the other, so that cached ones need not be copied. */
export interface KeysAndValues {
  readonly keys: readonly Value[];
  readonly values: readonly Value[];
}

/**
 * How a model reaches its layers. What is attached to a path (an adapter, a trained bias, a quantised weight)
 * is the business of whoever made the context; a model never asks.
 */
export interface ModelContext {
  readonly inputs: ModelInputs;
  /** A parameter by its name in the checkpoint. */
  parameter(name: string): Value;
  /** [N, in] -> [N, out] by the linear layer at `path`. @param rows int64 [N] where x holds only some rows: which ones */
  linear(x: Value, path: string, rows?: Value): Value;
  /** int64 [B, T] -> [B*T, D] by the embedding at `path`. */
  embedding(ids: Value, path: string): Value;
  /** Builds a layer of the model at `path`; what it makes inside may be computed again instead of kept. */
  block<T>(path: string, build: () => T): T;
  /** Builds values at `path` that cost less to compute again for gradients than to keep. */
  recomputed<T>(path: string, build: () => T): T;
  /** Drops elements of a [N, D] value with probability `p` while training; the rest is scaled by 1/(1 − p). */
  dropout(x: Value, p: number, path: string): Value;
  /** Keys and values [B, H, T, K] of a layer, with the cached ones before them. */
  cached(layer: number, key: Value, value: Value): KeysAndValues;
}
