// Values -> rounded blocks whose distance from the values is bounded, whatever they are.
import fc from "fast-check";
import { expect, it } from "vitest";
import { BLOCK, roundBlocks, roundTable, tableBlock } from "../../src/export/onnx/blocks.js";

const rows = (columns: number) =>
  fc
    .array(fc.double({ min: -100, max: 100, noNaN: true }), {
      minLength: 2 * columns,
      maxLength: 2 * columns,
    })
    .map((values) => Float32Array.from(values));

const matrices = fc
  .integer({ min: 1, max: 70 })
  .chain((columns) => rows(columns).map((values) => ({ columns, values })));

it.each([4, 8] as const)(
  "blocks of %i bits are at most one step away, and half a step on average or less",
  (bits) => {
    const half = 2 ** (bits - 1);
    fc.assert(
      fc.property(matrices, ({ columns, values }) => {
        const { numbers, scales } = roundBlocks(values, columns, bits, "float32");
        const blocks = Math.ceil(columns / BLOCK);
        expect(scales.length).toBe(2 * blocks);
        expect(numbers.length).toBe((2 * blocks * BLOCK * bits) / 8);
        for (const [at, value] of values.entries()) {
          const [row, column] = [Math.trunc(at / columns), at % columns];
          const block = row * blocks + Math.trunc(column / BLOCK);
          const i = block * BLOCK + (column % BLOCK);
          const q = bits === 8 ? numbers[i]! : (numbers[i >> 1]! >> (4 * (i & 1))) & 15;
          const step = Math.abs(scales[block]!);
          expect(Math.abs(scales[block]! * (q - half) - value)).toBeLessThanOrEqual(step * 1.001 + 1e-30);
        }
        // What fills a row up is zero.
        for (let i = columns; bits === 8 && i < blocks * BLOCK; i++) expect(numbers[i]).toBe(half);
      }),
      { numRuns: 60 },
    );
  },
);

it("numbers that have a place of their own are kept exactly", () => {
  const values = Float32Array.from({ length: 64 }, (_, i) => ((i % 16) - 8) / 4);
  const { numbers, scales } = roundBlocks(values, 64, 4, "float32");
  expect([...scales]).toEqual([0.25, 0.25]);
  expect(numbers[0]).toBe(0x10);
  expect(numbers[7]).toBe(0xfe);
});

it("rows of a table are at most half a step of their block away", () => {
  fc.assert(
    fc.property(matrices, ({ columns, values }) => {
      const { numbers, scales } = roundTable(values, columns, "float16");
      const size = tableBlock(columns);
      for (const [i, value] of values.entries()) {
        const scale = scales[Math.trunc(i / size)]!;
        // Scales in float16 end at 2⁻²⁴, and are themselves up to 2⁻¹¹ off.
        expect(Math.abs(scale * numbers[i]! - value)).toBeLessThanOrEqual(scale * 0.57 + 127 * 2 ** -24);
      }
    }),
    { numRuns: 60 },
  );
});
