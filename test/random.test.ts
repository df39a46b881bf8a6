// Random numbers: reproducible, of the right distribution, independent between streams.
import { describe, expect, it } from "vitest";
import { createRandom } from "../src/random.js";

const n = 100_000;
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

describe("a stream", () => {
  it("is the same for the same words, on every machine", () => {
    const random = createRandom(42, "order", 0);
    expect([random.nextUint32(), random.nextUint32(), random.nextUint32()]).toEqual(FIRST);
    expect(createRandom(42, "order", 1).nextUint32()).not.toBe(FIRST[0]);
    expect(createRandom(43, "order", 0).nextUint32()).not.toBe(FIRST[0]);
  });
  it("is uniform", () => {
    const random = createRandom(1);
    const values = Array.from({ length: n }, () => random.nextFloat());
    expect(Math.min(...values.slice(0, 50_000))).toBeGreaterThanOrEqual(0);
    expect(Math.max(...values.slice(0, 50_000))).toBeLessThan(1);
    expect(Math.abs(mean(values) - 0.5)).toBeLessThan(5 * Math.sqrt(1 / 12 / n));
    expect(Math.abs(mean(values.map((x) => x * x)) - 1 / 3)).toBeLessThan(0.005);
    const lagged = mean(values.slice(1).map((x, i) => (x - 0.5) * (values[i]! - 0.5)));
    expect(Math.abs(lagged)).toBeLessThan(5 / 12 / Math.sqrt(n));
  });
  it("has normal numbers of mean 0, variance 1, kurtosis 3", () => {
    const random = createRandom(2);
    const values = Array.from({ length: n }, () => random.normal());
    expect(Math.abs(mean(values))).toBeLessThan(5 / Math.sqrt(n));
    expect(Math.abs(mean(values.map((x) => x ** 2)) - 1)).toBeLessThan(5 * Math.sqrt(2 / n));
    expect(Math.abs(mean(values.map((x) => x ** 4)) - 3)).toBeLessThan(5 * Math.sqrt(96 / n));
  });
  it("shuffles all items, each to each place", () => {
    const places = [0, 0, 0, 0];
    for (let seed = 0; seed < 4000; seed++) {
      const shuffled = createRandom(seed, "shuffle").shuffle([0, 1, 2, 3]);
      expect([...shuffled].sort()).toEqual([0, 1, 2, 3]);
      places[shuffled.indexOf(0)]!++;
    }
    for (const count of places) expect(Math.abs(count - 1000)).toBeLessThan(5 * Math.sqrt(750));
  });
});

const FIRST = [349560420, 1480552944, 3096530022];
