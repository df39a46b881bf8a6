// A weight rounded to 8 bits: its steps, its two copies, and the rotation against that of the graph.
import { describe, expect, it } from "vitest";
import { createGraph } from "../../src/graph/graph.js";
import { rotate, rotationOf } from "../../src/graph/ops/int8.js";
import { input } from "../../src/graph/value.js";
import { rotateInPlace, roundWeight } from "../../src/quantize/int8.js";
import { createRandom } from "../../src/random.js";
import { createSession } from "../../src/runtime/session.js";

const random = createRandom(1, "weight");
const draw = (length: number) => Float32Array.from({ length }, () => random.normal());

describe("the rotation", () => {
  it("mixes 256 numbers where the width allows it, else as many as its power of two", () => {
    const mixed = (size: number) => [rotationOf(size).inner, rotationOf(size).outer];
    expect([2048, 8192, 5632, 768, 288, 192, 24, 7].map(mixed)).toEqual([
      [16, 16],
      [16, 16],
      [16, 16],
      [16, 16],
      [16, 2],
      [16, 4],
      [8, 1],
      [1, 1],
    ]);
  });

  it.each([512, 288, 40, 7])("of weights is that of activations, and its own inverse: %d", async (size) => {
    const x = draw(size);
    const turned = x.slice();
    rotateInPlace(turned);
    const session = await createSession(createGraph({ y: rotate(input("x", "float32", ["N", size])) }));
    const { y } = await session.run({ x: { dims: [1, size], data: x } });
    await session.release();
    const far = (a: Float32Array, b: Float32Array) =>
      Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
    expect(far(y!.data as Float32Array, turned)).toBeLessThan(1e-5);
    rotateInPlace(turned);
    expect(far(turned, x)).toBeLessThan(1e-5);
  });

  it("spreads a single large number", () => {
    const x = new Float32Array(512);
    x[100] = 16;
    rotateInPlace(x);
    expect(new Set(x.map(Math.abs))).toEqual(new Set([0, 1]));
    expect(x.filter((value) => value !== 0).length).toBe(256);
  });
});

describe("a rounded weight", () => {
  it("is within half a step of the weight, by column as it is and by row as it is turned", async () => {
    const [out, size] = [90, 48];
    const weight = draw(out * size);
    const read = async (from: number, to: number) => weight.slice(from * size, to * size);
    const { forward, backward } = await roundWeight(out, size, read);
    for (let o = 0; o < out; o++) {
      const row = weight.slice(o * size, (o + 1) * size);
      for (let i = 0; i < size; i++) {
        const step = backward.scale[i]!;
        expect(Math.abs(backward.values[o * size + i]! * step - row[i]!)).toBeLessThanOrEqual(0.5001 * step);
      }
      rotateInPlace(row);
      for (let i = 0; i < size; i++) {
        const step = forward.scale[o]!;
        expect(Math.abs(forward.values[i * out + o]! * step - row[i]!)).toBeLessThanOrEqual(0.5001 * step);
      }
    }
    // The largest number of each row and column is rounded to the end of the range.
    const largestOfColumn = Array.from({ length: size }, (_, i) =>
      Math.max(...Array.from({ length: out }, (__, o) => Math.abs(backward.values[o * size + i]!))),
    );
    expect(new Set(largestOfColumn)).toEqual(new Set([127]));
  });

  it("of zeros is zero", async () => {
    const { forward, backward } = await roundWeight(
      3,
      16,
      async (from, to) => new Float32Array(16 * (to - from)),
    );
    expect(new Set([...forward.values, ...backward.values])).toEqual(new Set([0]));
    expect([...forward.scale, ...backward.scale].every((scale) => scale === 1)).toBe(true);
  });
});
