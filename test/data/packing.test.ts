// Packing: every row once and whole, no sequence too long, as many sequences in each epoch, in an order that only the settings decide.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { batchesOfEpoch, batchesPerEpoch, packingFigures } from "../../src/data/batches.js";
import { packRows } from "../../src/data/packing.js";
import { type Batch, type Encoded, IGNORED_LABEL } from "../../src/data/types.js";

/** A row whose ids tell its index and the place of each token. */
function rowOf(index: number, length: number): Encoded {
  const inputIds = Int32Array.from({ length }, (_, t) => 100 * (index + 1) + t);
  const labels = inputIds.map((id, t) => (t < length / 2 ? IGNORED_LABEL : id));
  return { source: "data.jsonl", line: index + 1, inputIds, labels, truncatedTokens: 0 };
}
const LIMIT = 40;
const lengthsArbitrary = fc.array(fc.integer({ min: 2, max: LIMIT }), { minLength: 1, maxLength: 90 });
const rowsArbitrary = lengthsArbitrary.map((lengths) => lengths.map((length, i) => rowOf(i, length)));
const settingsArbitrary = fc.record({
  batchSize: fc.integer({ min: 1, max: 5 }),
  seed: fc.nat(1000),
  epoch: fc.nat(5),
  groupByLength: fc.boolean(),
  padTokenId: fc.nat(3),
  packedLength: fc.integer({ min: LIMIT, max: 3 * LIMIT }),
});
const indices = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const ascending = (numbers: readonly number[]): number[] => [...numbers].sort((a, b) => a - b);
const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);

/** Best fit decreasing as it is defined, with a search through all sequences. */
function plainPacking(lengths: readonly number[], limit: number): number[] {
  const rooms: number[] = [];
  for (const length of [...lengths].sort((a, b) => b - a)) {
    const fitting = rooms.filter((room) => room >= length);
    if (fitting.length === 0) rooms.push(limit - length);
    else rooms[rooms.indexOf(Math.min(...fitting))]! -= length;
  }
  return rooms.map((room) => limit - room);
}

describe("sequences", () => {
  it("hold every row once, none too long, and are those of best fit decreasing", () => {
    fc.assert(
      fc.property(lengthsArbitrary, fc.integer({ min: LIMIT, max: 4 * LIMIT }), (lengths, limit) => {
        const sequences = packRows(lengths, indices(lengths.length), limit);
        expect(ascending(sequences.flat())).toEqual(indices(lengths.length));
        const filled = sequences.map((rows) => sum(rows.map((row) => lengths[row]!)));
        expect(Math.max(...filled)).toBeLessThanOrEqual(limit);
        expect(ascending(filled)).toEqual(ascending(plainPacking(lengths, limit)));
        // No two of them could be one.
        const [first = limit, second = limit] = ascending(filled);
        expect(first + second).toBeGreaterThan(filled.length > 1 ? limit : 0);
      }),
    );
  });

  it("have the same lengths whatever the order of the rows", () => {
    fc.assert(
      fc.property(
        lengthsArbitrary.chain((lengths) =>
          fc.tuple(
            fc.constant(lengths),
            fc.shuffledSubarray(indices(lengths.length), { minLength: lengths.length }),
          ),
        ),
        ([lengths, order]) => {
          const filled = (rows: number[]) =>
            ascending(
              packRows(lengths, rows, 2 * LIMIT).map((sequence) => sum(sequence.map((row) => lengths[row]!))),
            );
          expect(filled(order)).toEqual(filled(indices(lengths.length)));
        },
      ),
    );
  });

  it("are found by hand: 7 7 6 4 3 3 in tens", () => {
    expect(packRows([4, 7, 3, 6, 3, 7], indices(6), 10)).toEqual([
      [1, 4],
      [5, 2],
      [3, 0],
    ]);
    expect(packRows([], [], 10)).toEqual([]);
  });

  it("take no row that is longer", () => {
    expect(() => packRows([3, 11], [0, 1], 10)).toThrow("row 2 has 11 tokens; a sequence has room for 10");
  });

  it("of many rows and large sequences are nearly full", () => {
    const lengths = Array.from({ length: 50_000 }, (_, i) => 2 + ((i * 7919) % 30_000));
    const sequences = packRows(lengths, indices(lengths.length), 32_768);
    expect(sum(lengths) / (sequences.length * 32_768)).toBeGreaterThan(0.99);
  });
});

/** The rows of a batch by the numbers in its mask, each with its labels. */
function rowsOf({ B, T, inputIds, attentionMask, labels }: Batch): { ids: number[]; labels: number[] }[] {
  const rows: { ids: number[]; labels: number[] }[] = [];
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) {
      const [before, row] = [t === 0 ? 0 : attentionMask[b * T + t - 1]!, attentionMask[b * T + t]!];
      if (row === 0) continue;
      if (row !== before) {
        expect(row).toBe(before + 1);
        rows.push({ ids: [], labels: [] });
      }
      rows.at(-1)!.ids.push(inputIds[b * T + t]!);
      rows.at(-1)!.labels.push(labels[b * T + t]!);
    }
  }
  return rows;
}

describe("packed batches", () => {
  it("hold every row once and whole, numbered within its sequence, padding only at the end", () => {
    fc.assert(
      fc.property(rowsArbitrary, settingsArbitrary, (encoded, settings) => {
        const batches = [...batchesOfEpoch(encoded, settings)];
        const order = batches.flatMap(({ rows }) => [...rows]);
        expect(batches.flatMap(rowsOf)).toEqual(
          order.map((row) => ({ ids: [...encoded[row]!.inputIds], labels: [...encoded[row]!.labels] })),
        );
        expect(ascending(order)).toEqual(indices(encoded.length));
        for (const { B, T, inputIds, attentionMask, labels } of batches) {
          expect(T).toBeLessThanOrEqual(settings.packedLength);
          const ends = indices(B).map((b) => attentionMask.subarray(b * T, (b + 1) * T).indexOf(0));
          expect(ends).toContain(-1);
          for (const [b, end] of ends.entries()) {
            if (end === -1) continue;
            const rest = (values: Int32Array) => new Set(values.subarray(b * T + end, (b + 1) * T));
            expect([rest(attentionMask), rest(inputIds), rest(labels)]).toEqual([
              new Set([0]),
              new Set([settings.padTokenId]),
              new Set([IGNORED_LABEL]),
            ]);
          }
        }
      }),
    );
  });

  it("are as many in each epoch, and the figures know how many", () => {
    fc.assert(
      fc.property(rowsArbitrary, settingsArbitrary, (encoded, settings) => {
        const { sequences, limit, padding, unpacked } = packingFigures(encoded, settings)!;
        expect(limit).toBe(settings.packedLength);
        const shareOf = (packedLength: number | undefined) => {
          let [padded, real] = [0, 0];
          for (const { B, T, attentionMask } of batchesOfEpoch(encoded, { ...settings, packedLength })) {
            padded += B * T;
            real += attentionMask.filter((row) => row > 0).length;
          }
          return 1 - real / padded;
        };
        expect(padding).toBeCloseTo(shareOf(settings.packedLength), 10);
        expect(unpacked).toBeCloseTo(shareOf(undefined), 10);
        for (const epoch of [0, 1, 2])
          expect([...batchesOfEpoch(encoded, { ...settings, epoch })]).toHaveLength(
            batchesPerEpoch(sequences, settings.batchSize),
          );
      }),
    );
  });

  it("come in the same order again, and in another one for another seed or epoch, where also other rows meet", () => {
    const encoded = Array.from({ length: 200 }, (_, i) => rowOf(i, 2 + (i % 17)));
    for (const groupByLength of [false, true]) {
      const settings = { batchSize: 4, groupByLength, padTokenId: 0, packedLength: 50 };
      const order = (seed: number, epoch: number): number[] =>
        [...batchesOfEpoch(encoded, { ...settings, seed, epoch })].flatMap(({ rows }) => [...rows]);
      const meetings = (seed: number, epoch: number): string[] =>
        [...batchesOfEpoch(encoded, { ...settings, batchSize: 1, seed, epoch })]
          .map(({ rows }) => rows.join(" "))
          .sort();
      expect(order(1, 0)).toEqual(order(1, 0));
      expect(order(1, 0)).not.toEqual(order(1, 1));
      expect(order(1, 0)).not.toEqual(order(2, 0));
      expect(meetings(1, 0)).not.toEqual(meetings(1, 1));
    }
  });

  it("are pinned: the order of a run must not change from version to version", () => {
    const encoded = Array.from({ length: 12 }, (_, i) => rowOf(i, 2 + ((i * 5) % 12)));
    const settings = { batchSize: 1, seed: 42, epoch: 0, padTokenId: 0, packedLength: 20 };
    const batches = [...batchesOfEpoch(encoded, { ...settings, groupByLength: false })];
    expect(batches.map(({ rows }) => rows.join("+")).join(" ")).toBe("4+8+10 9+11 2+6 3+5+0 7+1");
  });

  it("without a token that its own row predicts are refused", () => {
    const first = (index: number) => ({ ...rowOf(index, 3), labels: Int32Array.of(7, -100, -100) });
    const settings = { batchSize: 2, seed: 0, epoch: 0, groupByLength: false, padTokenId: 0 };
    const encoded = [first(0), first(1)];
    expect(() => [...batchesOfEpoch(encoded, { ...settings, packedLength: 6 })]).toThrow(/no trained token/);
  });

  it("have no figures where nothing is packed", () => {
    const settings = { batchSize: 2, seed: 0, epoch: 0, groupByLength: false, padTokenId: 0 };
    expect(packingFigures([rowOf(0, 3)], settings)).toBeUndefined();
  });
});
