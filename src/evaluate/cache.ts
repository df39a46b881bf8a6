// Keys and values of new tokens, step after step -> arrays with room for more, which a graph reads where they lie.
import type { ModelConfig } from "../models/family.js";
import type { NDArray } from "../runtime/session.js";

/** Keys and values of the tokens so far. */
export interface KeyValueCache {
  /** Tokens that are held. */
  readonly taken: number;
  /** Tokens that there is room for. */
  readonly places: number;
  /** Inputs of a graph with a cache apart: `past_key_values.<layer>.key` and `.value` [B, H, places, K]. */
  inputs(): Readonly<Record<string, NDArray>>;
  /** Takes over `new.<layer>.key` and `.value` [B, H, T, K]. */
  append(results: Readonly<Record<string, NDArray>>): void;
}

/** Room is made for so many tokens more, or a quarter more: a place that is not taken costs time at each step. */
const MORE = 64;

/** An empty cache for a batch of B rows. @param mostTokens that will ever be held */
export function createCache(
  { layers, kvHeads, headSize }: Pick<ModelConfig, "layers" | "kvHeads" | "headSize">,
  B: number,
  mostTokens: number,
): KeyValueCache {
  const names = Array.from({ length: layers }, (_, layer) => [`${layer}.key`, `${layer}.value`]).flat();
  const rows = B * kvHeads;
  let taken = 0;
  let places = 0;
  let arrays = new Map(names.map((name) => [name, new Float32Array(0)]));

  function grow(needed: number): void {
    const wider = Math.max(needed, Math.min(mostTokens, needed + Math.max(MORE, needed >> 2)));
    arrays = new Map(
      [...arrays].map(([name, old]) => {
        const array = new Float32Array(rows * wider * headSize);
        copyRows(old, places, array, wider, 0, taken);
        return [name, array];
      }),
    );
    places = wider;
  }

  /** Copies the first `count` tokens of each row behind the `start` that the other array has. */
  function copyRows(
    from: Float32Array,
    width: number,
    to: Float32Array,
    wider: number,
    start: number,
    count: number,
  ): void {
    const length = count * headSize;
    for (let row = 0; row < rows; row++) {
      const at = row * width * headSize;
      const target = (row * wider + start) * headSize;
      // For few numbers, a view costs more than the copy.
      if (count === 1) for (let i = 0; i < length; i++) to[target + i] = from[at + i]!;
      else to.set(from.subarray(at, at + length), target);
    }
  }

  return {
    get taken() {
      return taken;
    },
    get places() {
      return places;
    },
    inputs: () =>
      Object.fromEntries(
        [...arrays].map(([name, data]) => [
          `past_key_values.${name}`,
          { dims: [B, kvHeads, places, headSize], data },
        ]),
      ),
    append(results) {
      const T = results[`new.${names[0]}`]!.dims[2]!;
      if (taken + T > places) grow(taken + T);
      for (const [name, array] of arrays)
        copyRows(results[`new.${name}`]!.data as Float32Array, T, array, places, taken, T);
      taken += T;
    },
  };
}
