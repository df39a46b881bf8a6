// A random stream and some lists -> choices out of them.
import type { Random } from "../../../src/random.js";

/** A whole number from `low` to `high`, both included. */
export function between(random: Random, low: number, high: number): number {
  return low + Math.floor(random.nextFloat() * (high - low + 1));
}

export function pick<T>(random: Random, items: readonly T[]): T {
  return items[between(random, 0, items.length - 1)]!;
}

/** `count` different items in random order. */
export function sample<T>(random: Random, items: readonly T[], count: number): T[] {
  const taken = new Set<number>();
  while (taken.size < Math.min(count, items.length)) taken.add(between(random, 0, items.length - 1));
  return [...taken].map((i) => items[i]!);
}

export function chance(random: Random, probability: number): boolean {
  return random.nextFloat() < probability;
}

/** One of `entries`, each as often as its weight says. */
export function pickWeighted<T>(random: Random, entries: readonly (readonly [weight: number, item: T])[]): T {
  let left = random.nextFloat() * entries.reduce((sum, [weight]) => sum + weight, 0);
  for (const [weight, item] of entries) {
    left -= weight;
    if (left < 0) return item;
  }
  return entries.at(-1)![1];
}

/** The same number in [0, 1) for the same text: to put words into one split for good. */
export function shareOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b);
  hash = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
