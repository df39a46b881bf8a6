// A number of rows and a held-out size -> which rows to train on and which to evaluate on.
import { fail } from "../errors.js";
import { createRandom } from "../random.js";

export interface Split {
  /** Indices in ascending order. */
  readonly train: readonly number[];
  readonly eval: readonly number[];
}

/**
 * Holds rows out at random, the same ones for the same seed.
 * @param evalSize a whole number of rows, or a share below 1, rounded up; 0 for none
 * @throws when nothing would be left to train on
 */
export function splitRows(
  n: number,
  { evalSize, seed }: { readonly evalSize: number; readonly seed: number },
): Split {
  const isShare = evalSize > 0 && evalSize < 1;
  if (!(isShare || (Number.isInteger(evalSize) && evalSize >= 0)))
    fail("usage", `${evalSize} rows cannot be held out`, {
      fix: "give a share below 1 or a whole number of rows",
    });
  const held = isShare ? Math.ceil(n * evalSize) : evalSize;
  if (held > 0 && held >= n)
    fail("usage", `${held} of ${n} rows would be held out; none would be left to train on`, {
      fix: "hold fewer rows out",
    });
  const order = createRandom(seed, "split").shuffle(Array.from({ length: n }, (_, i) => i));
  const ascending = (rows: number[]): number[] => rows.sort((a, b) => a - b);
  return { eval: ascending(order.slice(0, held)), train: ascending(order.slice(held)) };
}
