// Two systems on the same rows -> intervals that hold what they promise.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bleuOfCounts, bleuStatistics } from "../../../src/evaluate/metrics/bleu.js";
import { pairedBootstrap, pairedBootstraps, percentile } from "../../../src/evaluate/metrics/bootstrap.js";
import { denseStatistics, joinStatistics, sumRows } from "../../../src/evaluate/metrics/statistics.js";
import { createRandom } from "../../../src/random.js";
import { goldens } from "./goldens.js";

const mean = (sums: Float64Array, rows: number) => sums[0]! / rows;

function normals(rows: number, shift: number, seed: number, noise: readonly number[] = []) {
  const random = createRandom(seed);
  const values = Array.from({ length: rows }, (_, r) => shift + random.normal() + (noise[r] ?? 0));
  return {
    values,
    statistics: denseStatistics(
      1,
      values.map((value) => [value]),
    ),
  };
}

describe("percentile", () => {
  it("equals numpy's", () => {
    for (const { values, shares, expected } of goldens("percentile")) {
      const sorted = Float64Array.from(values).sort();
      for (const [i, share] of shares.entries())
        expect(percentile(sorted, share)).toBeCloseTo(expected[i]!, 12);
    }
  });
});

describe("paired bootstrap", () => {
  it("gives the interval of a mean difference that the normal approximation gives", () => {
    const common = normals(400, 0, 1).values.map((value) => 5 * value);
    const [a, b] = [normals(400, 0, 2, common), normals(400, 0.1, 3, common)];
    const differences = b.values.map((value, r) => value - a.values[r]!);
    const center = differences.reduce((sum, value) => sum + value, 0) / 400;
    const spread = Math.sqrt(differences.reduce((sum, value) => sum + (value - center) ** 2, 0)) / 400;
    const { difference, a: ofA } = pairedBootstrap(a.statistics, b.statistics, mean, { resamples: 4000 });
    expect(difference.value).toBeCloseTo(center, 12);
    expect(Math.abs(difference.low - (center - 1.96 * spread))).toBeLessThan(0.1 * spread);
    expect(Math.abs(difference.high - (center + 1.96 * spread))).toBeLessThan(0.1 * spread);
    // Pairing takes out what the rows have in common; the interval of one system alone does not.
    expect(ofA.high - ofA.low).toBeGreaterThan(3 * (difference.high - difference.low));
  });

  it("covers the true difference about as often as it says", () => {
    let covered = 0;
    for (let trial = 0; trial < 200; trial++) {
      const [a, b] = [normals(60, 0, 1000 + trial), normals(60, 0.3, 5000 + trial)];
      const { difference } = pairedBootstrap(a.statistics, b.statistics, mean, {
        resamples: 300,
        seed: trial,
      });
      if (difference.low <= 0.3 && 0.3 <= difference.high) covered++;
    }
    expect(covered).toBeGreaterThan(180);
    expect(covered).toBeLessThan(200);
  });

  it("is deterministic, and another with another seed", () => {
    const [a, b] = [normals(30, 0, 1).statistics, normals(30, 0.5, 2).statistics];
    const run = (seed: number) => pairedBootstrap(a, b, mean, { resamples: 100, seed });
    expect(run(7)).toEqual(run(7));
    expect(run(7).difference.low).not.toBe(run(8).difference.low);
    expect(run(7).difference.value).toBe(run(8).difference.value);
    // Whole numbers, so that every machine finds the same digits.
    const whole = (factor: number) =>
      denseStatistics(
        1,
        Array.from({ length: 32 }, (_, r) => [(factor * r) % 7]),
      );
    const sum = (sums: Float64Array) => sums[0]!;
    expect(pairedBootstrap(whole(3), whole(5), sum, { resamples: 101 })).toMatchInlineSnapshot(`
      {
        "a": {
          "high": 117.5,
          "low": 75,
          "value": 95,
        },
        "b": {
          "high": 111,
          "low": 71.5,
          "value": 93,
        },
        "difference": {
          "high": 20.5,
          "low": -24.499999999999996,
          "value": -2,
        },
        "p": 0.803921568627451,
      }
    `);
  });

  it("swapping the systems turns the difference round", () => {
    const [a, b] = [normals(30, 0, 1).statistics, normals(30, 0.5, 2).statistics];
    const [there, back] = [pairedBootstrap(a, b, mean), pairedBootstrap(b, a, mean)];
    expect(back.difference.value).toBe(-there.difference.value);
    expect(back.difference.low).toBeCloseTo(-there.difference.high, 12);
    expect(back.difference.high).toBeCloseTo(-there.difference.low, 12);
    expect(back.p).toBe(there.p);
    expect(back.a).toEqual(there.b);
  });

  it("finds no difference of a system from itself, and a sure one where b is better on each row", () => {
    const a = normals(50, 0, 1);
    const same = pairedBootstrap(a.statistics, a.statistics, mean);
    expect([same.difference, same.p]).toEqual([{ value: 0, low: 0, high: 0 }, 1]);
    const better = denseStatistics(
      1,
      a.values.map((value) => [value + 1]),
    );
    const sure = pairedBootstrap(a.statistics, better, mean, { resamples: 999 });
    expect(sure.difference.low).toBeCloseTo(1, 9);
    expect(sure.p).toBe(2 / 1000);
  });

  it("scores several metrics by the same resamples as one alone", () => {
    const rows = goldens("pair");
    const bleuRows = (flip: boolean) =>
      denseStatistics(
        10,
        rows.map(({ answer, reference }, r) =>
          bleuStatistics(flip && r % 3 === 0 ? reference : answer, reference),
        ),
      );
    const count = denseStatistics(
      1,
      rows.map(() => [1]),
    );
    const options = { resamples: 200, seed: 3 };
    const both = pairedBootstraps(
      joinStatistics([count, bleuRows(false)]),
      joinStatistics([count, bleuRows(true)]),
      (sums, n) => ({ bleu: bleuOfCounts(sums.subarray(1)), rows: sums[0]! / n }),
      options,
    );
    expect(both.bleu).toEqual(
      pairedBootstrap(bleuRows(false), bleuRows(true), (sums) => bleuOfCounts(sums), options),
    );
    expect(both.bleu.difference.low).toBeGreaterThan(0);
    // Each resample has as many rows as there are.
    expect(both.rows.a).toEqual({ value: 1, low: 1, high: 1 });
  });

  it("keeps intervals in order, around values that rows have", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(fc.float({ min: 0, max: 1, noNaN: true }), fc.float({ min: 0, max: 1, noNaN: true })),
          {
            minLength: 1,
            maxLength: 20,
          },
        ),
        (rows) => {
          const of = (i: 0 | 1) =>
            denseStatistics(
              1,
              rows.map((row) => [row[i]]),
            );
          const { a, b, difference, p } = pairedBootstrap(of(0), of(1), mean, { resamples: 50 });
          for (const { low, high } of [a, b]) expect(low <= high && low >= 0 && high <= 1 + 1e-12).toBe(true);
          expect(difference.low <= difference.high).toBe(true);
          expect(p > 0 && p <= 1).toBe(true);
        },
      ),
      { numRuns: 40 },
    );
  });

  it("refuses what cannot be compared", () => {
    const [two, three] = [normals(2, 0, 1).statistics, normals(3, 0, 1).statistics];
    const none = denseStatistics(1, []);
    expect(() => pairedBootstrap(two, three, mean)).toThrow(/one system has 2, the other 3/);
    expect(() => pairedBootstrap(none, none, mean)).toThrow(/no row to compare/);
    expect(() => pairedBootstrap(two, two, mean, { resamples: 0 })).toThrow(/0 resamples/);
    expect(() => pairedBootstrap(two, two, mean, { confidence: 95 })).toThrow(/confidence 95/);
    expect(() => joinStatistics([two, three])).toThrow(/different numbers of rows/);
  });
});

describe("sums of rows", () => {
  it("by weights are the sums of rows repeated as often", () => {
    const row = fc.tuple(
      fc.integer({ min: 0, max: 3 }),
      fc.array(fc.integer(), { minLength: 3, maxLength: 3 }),
    );
    fc.assert(
      fc.property(fc.array(row), (rows) => {
        const weighted = sumRows(
          denseStatistics(
            3,
            rows.map(([, values]) => values),
          ),
          rows.map(([weight]) => weight),
        );
        const repeated = rows.flatMap(([weight, values]) => new Array<number[]>(weight).fill(values));
        expect(weighted).toEqual(sumRows(denseStatistics(3, repeated)));
      }),
    );
  });
});
