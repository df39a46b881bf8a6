import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromFloat32, toFloat32 } from "../../src/formats/dtype.js";
import type { DType, Tensor } from "../../src/formats/tensor.js";

/** The number that 16 bits stand for, by the definition of the format. */
function numberOf(bits: number, exponentBits: number): number {
  const fractionBits = 15 - exponentBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> fractionBits) & (2 ** exponentBits - 1);
  const fraction = (bits & (2 ** fractionBits - 1)) / 2 ** fractionBits;
  if (exponent === 2 ** exponentBits - 1)
    return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** (1 - bias) : sign * (1 + fraction) * 2 ** (exponent - bias);
}

const EXPONENT_BITS = { F16: 5, BF16: 8 } as const;
const everyHalf = Uint16Array.from({ length: 65536 }, (_, bits) => bits);

function tensorOf(dtype: DType, values: Exclude<ArrayBufferView, DataView> & { length: number }): Tensor {
  const { buffer, byteOffset, byteLength } = values;
  return { dtype, shape: [values.length], bytes: new Uint8Array(buffer, byteOffset, byteLength) };
}

function halvesOf(tensor: Tensor): Uint16Array {
  return new Uint16Array(tensor.bytes.slice().buffer);
}

describe.each(["F16", "BF16"] as const)("%s", (dtype) => {
  const exponentBits = EXPONENT_BITS[dtype];
  const infinity = dtype === "F16" ? 0x7c00 : 0x7f80;

  test("all 65,536 values widen exactly and come back", () => {
    const wide = toFloat32(tensorOf(dtype, everyHalf));
    const back = halvesOf(fromFloat32(wide, dtype, [65536]));
    const wrong: number[] = [];
    for (const bits of everyHalf) {
      const value = numberOf(bits, exponentBits);
      if (!Object.is(wide[bits], value)) wrong.push(bits);
      if (Number.isNaN(value) ? !Number.isNaN(numberOf(back[bits]!, exponentBits)) : back[bits] !== bits)
        wrong.push(bits);
    }
    expect(wrong).toEqual([]);
  });

  /** No neighbour of the result may be nearer, and a tie must have gone to the even one. */
  function isNearest(value: number, bits: number): boolean {
    const magnitude = bits & 0x7fff;
    const size = Math.abs(value);
    if (Number.isNaN(value)) return magnitude > infinity;
    if (bits >> 15 !== (value < 0 || Object.is(value, -0) ? 1 : 0)) return false;
    // Infinity counts as the next step after the largest finite number.
    const at = (step: number) =>
      step >= infinity ? 2 ** (2 ** (exponentBits - 1)) : numberOf(Math.max(step, 0), exponentBits);
    if (magnitude > infinity) return false;
    if (magnitude === infinity && size >= at(infinity)) return true;
    const distance = Math.abs(size - at(magnitude));
    return [magnitude - 1, magnitude + 1]
      .filter((neighbour) => neighbour >= 0 && neighbour <= infinity)
      .every((neighbour) => {
        const other = Math.abs(size - at(neighbour));
        return distance < other || (distance === other && magnitude % 2 === 0);
      });
  }

  test("any fp32 bits round to the nearest value, ties to even", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 2 ** 32 - 1 }), { minLength: 64, maxLength: 64 }),
        (words) => {
          const values = new Float32Array(Uint32Array.from(words).buffer);
          const halves = halvesOf(fromFloat32(values, dtype, [64]));
          return values.every((value, i) => isNearest(value, halves[i]!));
        },
      ),
    );
  });

  test("around every value and every midpoint", () => {
    const wide = new Uint32Array(toFloat32(tensorOf(dtype, everyHalf)).buffer);
    const unit = dtype === "F16" ? 0x2000 : 0x10000;
    for (const step of [0, 1, unit / 2 - 1, unit / 2, unit / 2 + 1, unit - 1]) {
      const values = new Float32Array(wide.map((word) => word + step).buffer);
      const halves = halvesOf(fromFloat32(values, dtype, [65536]));
      const wrong = [...values.keys()].filter((i) => !isNearest(values[i]!, halves[i]!));
      expect(wrong.map((i) => [values[i], halves[i]])).toEqual([]);
    }
  });

  test("halfway between zero and the smallest subnormal, and what is next to it", () => {
    const smallest = numberOf(1, exponentBits);
    const values = Float32Array.of(
      smallest / 2,
      -smallest / 2,
      smallest * 0.75,
      smallest * 1.5,
      smallest * 2.5,
    );
    expect([...halvesOf(fromFloat32(values, dtype, [5]))]).toEqual([0, 0x8000, 1, 2, 2]);
  });
});

test("the largest finite F16 is 65504; from 65520 on infinite", () => {
  const halves = halvesOf(fromFloat32(Float32Array.of(65504, 65519.99, 65520, -65520, 3e38), "F16", [5]));
  expect([...halves]).toEqual([0x7bff, 0x7bff, 0x7c00, 0xfc00, 0x7c00]);
});

test("integer types and BOOL", () => {
  expect([...toFloat32(tensorOf("I8", Int8Array.of(-128, 127)))]).toEqual([-128, 127]);
  expect([...toFloat32(tensorOf("U8", Uint8Array.of(0, 255)))]).toEqual([0, 255]);
  expect([...toFloat32(tensorOf("BOOL", Uint8Array.of(0, 1, 255)))]).toEqual([0, 1, 1]);
  expect([...toFloat32(tensorOf("I16", Int16Array.of(-32768, 32767)))]).toEqual([-32768, 32767]);
  expect([...toFloat32(tensorOf("U16", Uint16Array.of(65535)))]).toEqual([65535]);
  expect([...toFloat32(tensorOf("I32", Int32Array.of(-(2 ** 31), 16777217)))]).toEqual([
    -(2 ** 31),
    16777216,
  ]);
  expect([...toFloat32(tensorOf("U32", Uint32Array.of(2 ** 32 - 1)))]).toEqual([2 ** 32]);
  expect([...toFloat32(tensorOf("F64", Float64Array.of(0.1, 1e300, -1e-300)))]).toEqual([
    Math.fround(0.1),
    Number.POSITIVE_INFINITY,
    -0,
  ]);
});

test("64-bit integers are rounded once, not by way of fp64", () => {
  // 2^60 + 2^36 is a tie in fp32; the last bit, which fp64 drops, decides it upwards.
  const tie = 2n ** 60n + 2n ** 36n;
  const values = BigInt64Array.of(tie, tie + 1n, -tie - 1n, -5n, 2n ** 63n - 1n, -(2n ** 63n));
  const up = 2 ** 60 + 2 ** 37;
  expect([...toFloat32(tensorOf("I64", values))]).toEqual([2 ** 60, up, -up, -5, 2 ** 63, -(2 ** 63)]);
  expect([...toFloat32(tensorOf("U64", BigUint64Array.of(2n ** 64n - 1n, tie + 1n)))]).toEqual([2 ** 64, up]);
});

test("bytes that start at an odd place are read all the same, and the result is a copy", () => {
  const bytes = new Uint8Array(13);
  bytes.set(new Uint8Array(Float32Array.of(1.5, -2, 3).buffer), 1);
  const tensor: Tensor = { dtype: "F32", shape: [3], bytes: bytes.subarray(1) };
  const values = toFloat32(tensor);
  expect([...values]).toEqual([1.5, -2, 3]);
  values[0] = 9;
  expect(toFloat32(tensor)[0]).toBe(1.5);
});

test("values or bytes that do not fill the shape are refused", () => {
  expect(() => fromFloat32(new Float32Array(3), "F16", [2, 2])).toThrow("needs 4 values; it has 3");
  expect(() => toFloat32({ dtype: "F32", shape: [2], bytes: new Uint8Array(7) })).toThrow(
    "needs 8 bytes; it has 7",
  );
});
