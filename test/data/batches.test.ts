// Batches: every row once, padded by position, in an order that only the settings decide.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { batchesOfEpoch, batchesPerEpoch, sequentialBatches } from "../../src/data/batches.js";
import { splitRows } from "../../src/data/split.js";
import { type Batch, type Encoded, IGNORED_LABEL } from "../../src/data/types.js";

/** A row whose ids tell its index; its first label is ignored. */
function rowOf(index: number, length: number): Encoded {
  const inputIds = new Int32Array(length).fill(index + 1);
  const labels = inputIds.slice();
  labels[0] = IGNORED_LABEL;
  return { source: "data.jsonl", line: index + 1, inputIds, labels, truncatedTokens: 0 };
}
const rowsArbitrary = fc
  .array(fc.integer({ min: 2, max: 30 }), { minLength: 1, maxLength: 120 })
  .map((lengths) => lengths.map((length, i) => rowOf(i, length)));
const settingsArbitrary = fc.record({
  batchSize: fc.integer({ min: 1, max: 9 }),
  seed: fc.nat(1000),
  epoch: fc.nat(5),
  groupByLength: fc.boolean(),
  padTokenId: fc.nat(3),
});
const orderOf = (batches: Iterable<Batch>): number[] => [...batches].flatMap(({ rows }) => rows);

/** Every row once, as it was, and nothing but padding elsewhere. */
function checkBatches(
  encoded: readonly Encoded[],
  batches: readonly Batch[],
  batchSize: number,
  padTokenId: number,
): void {
  expect(batches).toHaveLength(batchesPerEpoch(encoded.length, batchSize));
  expect(batches.slice(0, -1).every(({ B }) => B === batchSize)).toBe(true);
  for (const { B, T, rows, inputIds, attentionMask, labels } of batches) {
    expect(rows).toHaveLength(B);
    expect(T).toBe(Math.max(...rows.map((row) => encoded[row]!.inputIds.length)));
    expect([inputIds.length, attentionMask.length, labels.length]).toEqual([B * T, B * T, B * T]);
    rows.forEach((row, b) => {
      const { inputIds: ids, labels: own } = encoded[row]!;
      const padding = Array<number>(T - ids.length);
      expect([...inputIds.subarray(b * T, (b + 1) * T)]).toEqual([...ids, ...padding.fill(padTokenId)]);
      expect([...labels.subarray(b * T, (b + 1) * T)]).toEqual([...own, ...padding.fill(IGNORED_LABEL)]);
      expect([...attentionMask.subarray(b * T, (b + 1) * T)]).toEqual([
        ...ids.map(() => 1),
        ...padding.fill(0),
      ]);
    });
  }
  expect(orderOf(batches).sort((a, b) => a - b)).toEqual(encoded.map((_, i) => i));
}

describe("the batches of an epoch", () => {
  it("hold every row exactly once, right-padded", () => {
    fc.assert(
      fc.property(rowsArbitrary, settingsArbitrary, (encoded, settings) => {
        checkBatches(
          encoded,
          [...batchesOfEpoch(encoded, settings)],
          settings.batchSize,
          settings.padTokenId,
        );
      }),
    );
  });

  it("come in the same order again, and in another one for another seed or epoch", () => {
    const encoded = Array.from({ length: 200 }, (_, i) => rowOf(i, 2 + (i % 17)));
    for (const groupByLength of [false, true]) {
      const order = (seed: number, epoch: number): number[] =>
        orderOf(batchesOfEpoch(encoded, { batchSize: 4, seed, epoch, groupByLength, padTokenId: 0 }));
      expect(order(1, 0)).toEqual(order(1, 0));
      expect(order(1, 0)).not.toEqual(order(1, 1));
      expect(order(1, 0)).not.toEqual(order(2, 0));
    }
  });

  it("are pinned: the order of a run must not change from version to version", () => {
    const encoded = Array.from({ length: 12 }, (_, i) => rowOf(i, 2 + ((i * 5) % 12)));
    const order = (groupByLength: boolean): number[] =>
      orderOf(batchesOfEpoch(encoded, { batchSize: 2, seed: 42, epoch: 0, groupByLength, padTokenId: 0 }));
    expect(order(false).join(" ")).toBe("8 5 1 3 9 11 4 10 2 0 7 6");
    expect(order(true).join(" ")).toBe("7 5 1 3 9 11 4 10 2 0 8 6");
  });

  it("grouped by length: the longest row first, little padding, yet still shuffled", () => {
    const encoded = Array.from({ length: 500 }, (_, i) => rowOf(i, 2 + ((i * 37) % 101)));
    const settings = { batchSize: 5, seed: 3, epoch: 0, padTokenId: 0 };
    const grouped = [...batchesOfEpoch(encoded, { ...settings, groupByLength: true })];
    const random = [...batchesOfEpoch(encoded, { ...settings, groupByLength: false })];
    const padding = (batches: readonly Batch[]): number =>
      batches.reduce((sum, { attentionMask }) => sum + attentionMask.filter((bit) => bit === 0).length, 0);
    expect(encoded[grouped[0]!.rows[0]!]!.inputIds).toHaveLength(102);
    expect(padding(grouped)).toBeLessThan(padding(random) / 5);
    // Four stretches of 25 batches: lengths fall within a stretch and jump up between.
    const firsts = grouped.map(({ T }) => T);
    expect(firsts.filter((T, i) => i > 0 && T > firsts[i - 1]!).length).toBe(3);
  });

  it("without a trained token, or of an impossible size, are refused", () => {
    const untrained = { ...rowOf(0, 3), labels: new Int32Array(3).fill(IGNORED_LABEL) };
    const settings = { batchSize: 1, seed: 0, epoch: 0, groupByLength: false, padTokenId: 0 };
    expect(() => [...batchesOfEpoch([untrained], settings)]).toThrow(/no trained token · data\.jsonl:1/);
    const first = { ...untrained, labels: Int32Array.of(5, -100, -100) };
    expect(() => [...batchesOfEpoch([first], settings)]).toThrow(/no trained token/);
    expect(() => [...batchesOfEpoch([rowOf(0, 3)], { ...settings, batchSize: 0 })]).toThrow(
      /batch size of 0/,
    );
    expect([...batchesOfEpoch([], settings)]).toEqual([]);
  });
});

it("batches for evaluation go from the longest row to the shortest and hold every row once", () => {
  fc.assert(
    fc.property(rowsArbitrary, fc.integer({ min: 1, max: 9 }), (encoded, batchSize) => {
      const batches = [...sequentialBatches(encoded, { batchSize, padTokenId: 7 })];
      checkBatches(encoded, batches, batchSize, 7);
      const lengths = orderOf(batches).map((row) => encoded[row]!.inputIds.length);
      expect(lengths).toEqual([...lengths].sort((a, b) => b - a));
    }),
  );
});

describe("held-out rows", () => {
  it("and training rows together are all rows, the same for the same seed", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 300 }),
        fc.nat(99),
        fc.double({ min: 0.001, max: 0.5, noNaN: true }),
        (n, seed, share) => {
          const { train, eval: held } = splitRows(n, { evalSize: share, seed });
          expect(held).toHaveLength(Math.ceil(n * share));
          expect([...train, ...held].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
          expect(splitRows(n, { evalSize: share, seed })).toEqual({ train, eval: held });
          expect(held).toEqual([...held].sort((a, b) => a - b));
        },
      ),
    );
  });

  it("are a number of rows from 1 on, none for 0, and never all", () => {
    expect(splitRows(999, { evalSize: 100, seed: 1 }).eval).toHaveLength(100);
    expect(splitRows(999, { evalSize: 100, seed: 1 }).eval).not.toEqual(
      splitRows(999, { evalSize: 100, seed: 2 }).eval,
    );
    expect(splitRows(3, { evalSize: 0, seed: 1 })).toEqual({ train: [0, 1, 2], eval: [] });
    expect(() => splitRows(100, { evalSize: 100, seed: 1 })).toThrow(/100 of 100 rows/);
    expect(() => splitRows(1, { evalSize: 0.1, seed: 1 })).toThrow(/1 of 1 rows/);
    for (const evalSize of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => splitRows(10, { evalSize, seed: 1 })).toThrow(/cannot be held out/);
  });
});
