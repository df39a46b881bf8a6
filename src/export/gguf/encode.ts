// Values in float32 -> the bytes of a ggml tensor type.
import { fail } from "../../errors.js";
import { fromFloat32 } from "../../formats/dtype.js";
import { elementCount } from "../../formats/tensor.js";

/** Values that share a scale in q8_0, and the bytes of such a block: a float16 and the values. */
const BLOCK = 32;
const BLOCK_BYTES = 2 + BLOCK;

/** ggml's numbers of its types, and of a file that is mostly of that type. */
export const ggmlTypes = {
  f32: { code: 0, fileType: 0 },
  f16: { code: 1, fileType: 1 },
  q8_0: { code: 8, fileType: 7 },
  bf16: { code: 30, fileType: 32 },
} as const;
export type GgmlType = keyof typeof ggmlTypes;

/** The type in which a tensor is stored: vectors stay in float32, and rows that fill no blocks go to float16, as llama.cpp does it. */
export function storedType(type: GgmlType, shape: readonly number[]): GgmlType {
  if (shape.length < 2) return "f32";
  return type === "q8_0" && shape.at(-1)! % BLOCK !== 0 ? "f16" : type;
}

export function byteLength(type: GgmlType, shape: readonly number[]): number {
  const count = elementCount(shape);
  if (type === "q8_0") return (count / BLOCK) * BLOCK_BYTES;
  return count * (type === "f32" ? 4 : 2);
}

/** The bytes of a tensor. @throws PhinetuneError naming a value that float16 cannot hold */
export function encodeTensor(
  name: string,
  values: Float32Array,
  type: GgmlType,
  shape: readonly number[],
): Uint8Array {
  if (type === "q8_0") return encodeQ8(values);
  if (type === "f16") {
    const large = values.find((value) => Math.abs(value) >= 65_520);
    if (large !== undefined)
      fail("weights", `tensor ${name} holds ${large}, which float16 cannot hold`, {
        fix: "give --outtype f32 or bf16",
      });
  }
  return fromFloat32(values, ({ f32: "F32", f16: "F16", bf16: "BF16" } as const)[type], shape).bytes;
}

/**
 * Blocks of 32 values x = d · q with d = max|x| / 127 in float16 and q in 8 bits, rounded half away from zero.
 * Source: https://github.com/ggml-org/llama.cpp/blob/master/gguf-py/gguf/quants.py (Q8_0)
 */
function encodeQ8(values: Float32Array): Uint8Array {
  const blocks = values.length / BLOCK;
  const scales = new Float32Array(blocks);
  const bytes = new Uint8Array(blocks * BLOCK_BYTES);
  const rounded = new Int8Array(bytes.buffer);
  for (let block = 0; block < blocks; block++) {
    let most = 0;
    for (let i = 0; i < BLOCK; i++) most = Math.max(most, Math.abs(values[block * BLOCK + i]!));
    scales[block] = most / 127;
    const inverse = most > 0 ? 127 / most : 0;
    for (let i = 0; i < BLOCK; i++) {
      const x = values[block * BLOCK + i]! * inverse;
      rounded[block * BLOCK_BYTES + 2 + i] = Math.sign(x) * Math.floor(Math.abs(x) + 0.5);
    }
  }
  const halves = fromFloat32(scales, "F16", [blocks]).bytes;
  for (let block = 0; block < blocks; block++)
    bytes.set(halves.subarray(2 * block, 2 * block + 2), block * BLOCK_BYTES);
  return bytes;
}
