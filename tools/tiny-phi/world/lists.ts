// A random stream -> lists of words of the world, sorted, counted, taken apart.
import type { Random } from "../../../src/random.js";
import { between, sample } from "./choice.js";

/** Words for lists: short, common, and no two letters to compare in most draws. */
export const listWords: readonly string[] =
  "apple ant bag ball bear bird book box cake car cat chair coat cow cup dog door duck egg fish fox garden girl goat hat horse house ink key king lamp lemon lion moon mouse nest nut owl pear pen pig plum queen rain ring river rose sea ship shoe snow spoon star sun table tea train tree van wall water wolf wood yard zoo".split(
    " ",
  );

/** Three words that start with different letters. */
export function threeWords(random: Random): readonly string[] {
  const words = sample(random, listWords, 3);
  return new Set(words.map((word) => word.charAt(0))).size === 3 ? words : threeWords(random);
}

export const alphabetical = (words: readonly string[]): string[] =>
  [...words].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));

/** One to six different words. */
export function someWords(random: Random, low = 1, high = 6): readonly string[] {
  return sample(random, listWords, between(random, low, high));
}
