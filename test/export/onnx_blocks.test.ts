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

it.each([4, 8] as const)("blocks of %i bits are as near as half a step of their range, or nearer", (bits) => {
  const top = 2 ** bits - 1;
  fc.assert(
    fc.property(matrices, ({ columns, values }) => {
      const { numbers, zeros, scales } = roundBlocks(values, columns, bits, "float32");
      const blocks = Math.ceil(columns / BLOCK);
      const zeroBytes = Math.ceil((blocks * bits) / 8);
      expect(scales.length).toBe(2 * blocks);
      expect(numbers.length).toBe((2 * blocks * BLOCK * bits) / 8);
      expect(zeros.length).toBe(2 * zeroBytes);
      const number = (bytes: Uint8Array, row: number, i: number) =>
        bits === 8 ? bytes[row + i]! : (bytes[row + (i >> 1)]! >> (4 * (i & 1))) & 15;
      for (let at = 0; at < 2 * blocks; at++) {
        const [row, block] = [Math.trunc(at / blocks), at % blocks];
        const zero = number(zeros, row * zeroBytes, block);
        const start = row * columns + block * BLOCK;
        const part = values.slice(start, Math.min(start + BLOCK, (row + 1) * columns));
        const found = Array.from({ length: BLOCK }, (_, i) => number(numbers, (at * BLOCK * bits) / 8, i));
        const error = part.reduce((sum, x, i) => sum + (scales[at]! * (found[i]! - zero) - x) ** 2, 0);
        const range = Math.max(0, ...part) - Math.min(0, ...part);
        // Where zero has its place the range may be half a step longer at either end.
        const step = range / top;
        expect(error).toBeLessThanOrEqual(part.length * (step * 0.501) ** 2 + 2 * step ** 2 + 1e-30);
        // What fills a row up is zero.
        for (const q of found.slice(part.length)) expect(q).toBe(zero);
      }
    }),
    { numRuns: 60 },
  );
});

it("numbers that have a place of their own are kept exactly, whatever is zero", () => {
  const values = Float32Array.from({ length: 64 }, (_, i) => ((i % 16) - (i < 32 ? 8 : 0)) / 4);
  const { numbers, zeros, scales } = roundBlocks(values, 64, 4, "float32");
  expect([...scales]).toEqual([0.25, 0.25]);
  expect([...zeros]).toEqual([0x08]);
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
