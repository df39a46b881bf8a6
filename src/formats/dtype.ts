// The bytes of a tensor of any dtype <-> Float32Array, rounded to nearest, ties to even.
import { fail } from "../errors.js";
import { bytesPerElement, elementCount, f32Tensor, type Tensor } from "./tensor.js";

/**
 * The values of a tensor as fp32, in a new array of the tensor's element count (row-major).
 * Wider types are rounded; what exceeds fp32 becomes infinite; BOOL gives 0 or 1.
 * @throws PhinetuneError when the bytes do not fill the shape.
 */
export function toFloat32({ dtype, shape, bytes }: Tensor): Float32Array {
  const count = elementCount(shape);
  if (bytes.byteLength !== count * bytesPerElement[dtype]) {
    fail(
      "weights",
      `a ${dtype} tensor of shape [${shape}] needs ${count * bytesPerElement[dtype]} bytes; it has ${bytes.byteLength}`,
    );
  }
  const { buffer, byteOffset } = aligned(bytes, bytesPerElement[dtype]);
  switch (dtype) {
    case "F32":
      return new Float32Array(buffer, byteOffset, count).slice();
    case "F64":
      return new Float32Array(new Float64Array(buffer, byteOffset, count));
    case "F16":
      return widenF16(new Uint16Array(buffer, byteOffset, count));
    case "BF16":
      return widenBF16(new Uint16Array(buffer, byteOffset, count));
    case "I64":
      return Float32Array.from(new BigInt64Array(buffer, byteOffset, count), roundBigInt);
    case "U64":
      return Float32Array.from(new BigUint64Array(buffer, byteOffset, count), roundBigInt);
    case "I32":
      return new Float32Array(new Int32Array(buffer, byteOffset, count));
    case "U32":
      return new Float32Array(new Uint32Array(buffer, byteOffset, count));
    case "I16":
      return new Float32Array(new Int16Array(buffer, byteOffset, count));
    case "U16":
      return new Float32Array(new Uint16Array(buffer, byteOffset, count));
    case "I8":
      return new Float32Array(new Int8Array(buffer, byteOffset, count));
    case "U8":
      return new Float32Array(new Uint8Array(buffer, byteOffset, count));
    case "BOOL":
      return Float32Array.from(new Uint8Array(buffer, byteOffset, count), (byte) => (byte === 0 ? 0 : 1));
  }
}

/**
 * A tensor of `dtype` over fp32 values: rounded to nearest, ties to even; too large becomes infinite; a NaN
 * stays one of the same sign. F32 shares the memory of `values`.
 * @throws PhinetuneError when the values do not fill the shape.
 */
export function fromFloat32(
  values: Float32Array,
  dtype: "F32" | "F16" | "BF16",
  shape: readonly number[],
): Tensor {
  const count = elementCount(shape);
  if (values.length !== count)
    fail("weights", `a tensor of shape [${shape}] needs ${count} values; it has ${values.length}`);
  if (dtype === "F32") return f32Tensor(shape, values);
  const halves = dtype === "F16" ? narrowToF16(values) : narrowToBF16(values);
  return { dtype, shape, bytes: new Uint8Array(halves.buffer) };
}

/** A place where typed arrays of this element size may start: the same bytes, or a copy where they lie across. */
function aligned(bytes: Uint8Array, size: number): { buffer: ArrayBufferLike; byteOffset: number } {
  return bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
}

const EXACT = 2n ** 53n;

/** Rounding twice (to fp64, then to fp32) may go wrong, so the bits that fp64 drops are kept as one sticky bit. */
function roundBigInt(value: bigint): number {
  const magnitude = value < 0n ? -value : value;
  if (magnitude <= EXACT) return Number(value);
  const sticky = (magnitude & 0x7ffn) === 0n ? 0n : 1n;
  const rounded = Number((magnitude >> 11n) | sticky) * 2048;
  return value < 0n ? -rounded : rounded;
}

function widenBF16(halves: Uint16Array): Float32Array {
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i]! << 16;
  return new Float32Array(bits.buffer);
}

let f16Table: Uint32Array | undefined;

function widenF16(halves: Uint16Array): Float32Array {
  f16Table ??= Uint32Array.from({ length: 65536 }, (_, half) => f32BitsOfF16(half));
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = f16Table[halves[i]!]!;
  return new Float32Array(bits.buffer);
}

/** F16: 1 sign, 5 exponent (bias 15), 10 fraction bits. F32: 1, 8 (bias 127), 23. */
function f32BitsOfF16(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0x1f) return sign | 0x7f800000 | (fraction === 0 ? 0 : 0x400000) | (fraction << 13);
  if (exponent > 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  // A subnormal fraction · 2^-24 is a normal number in F32: its highest bit moves to the hidden place.
  const shift = Math.clz32(fraction) - 21;
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 0x3ff) << 13);
}

function narrowToBF16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const word = bits[i]!;
    const nan = (word & 0x7fffffff) > 0x7f800000;
    // Half of the last kept bit, less one where that bit is even: ties go to even.
    halves[i] = nan ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
  }
  return halves;
}

function narrowToF16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) halves[i] = f16OfF32Bits(bits[i]!);
  return halves;
}

function f16OfF32Bits(word: number): number {
  const sign = (word >>> 16) & 0x8000;
  const magnitude = word & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff);
  // 65520 and above round to infinity (2^16, one past the largest finite F16).
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) {
    const odd = (magnitude >>> 13) & 1;
    return sign | ((magnitude - 0x38000000 + 0xfff + odd) >>> 13);
  }
  // Below 2^-25 (and at it: a tie with even zero) nothing remains.
  if (magnitude <= 0x33000000) return sign;
  const exponent = magnitude >>> 23;
  const fraction = (magnitude & 0x7fffff) | 0x800000;
  // The value is fraction · 2^(exponent - 150); a subnormal F16 counts in steps of 2^-24.
  const shift = 126 - exponent;
  const kept = fraction >>> shift;
  const rest = fraction & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return sign | (kept + (rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0));
}
