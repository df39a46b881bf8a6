// Tensors by name -> the bytes of an .onnx_adapter file, a FlatBuffer that onnxruntime feeds to a model's inputs.
// Source: https://github.com/microsoft/onnxruntime/blob/main/onnxruntime/lora/adapter_format/adapter_schema.fbs
import type { Tensor } from "../../formats/tensor.js";
import { onnxElementType } from "../../graph/ops/shape.js";

const IDENTIFIER = "TORT";
const FORMAT_VERSION = 1;
/** `force_align` of raw data. */
const ALIGNMENT = 8;

/**
 * Lays the file out front to back. A table begins with its distance to the list of its fields' places (vtable), which
 * stands before it; a reference is the distance from itself to what lies further on; a list begins with its length.
 * @param tensors in float32
 */
export function encodeOnnxAdapter(tensors: ReadonlyMap<string, Tensor>): Uint8Array {
  const pieces: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  let end = 0;
  /** Takes a place whose byte `from` lies at a multiple of `step`. */
  const place = (size: number, step: number, from = 0): number => {
    while ((end + from) % step !== 0) end++;
    end += size;
    return end - size;
  };
  const put = (at: number, bytes: Uint8Array) => void pieces.push({ at, bytes });
  const u32 = (at: number, value: number) => put(at, new Uint8Array(Uint32Array.of(value).buffer));
  const refer = (from: number, to: number) => u32(from, to - from);
  /** A list of `count` elements of `size` bytes. @returns where its length stands; elements follow it */
  const list = (count: number, size: number, step: number, bytes?: Uint8Array): number => {
    const at = place(4 + count * size, Math.max(4, step), 4);
    u32(at, count);
    if (bytes) put(at + 4, bytes);
    return at;
  };
  /** A table with four fields of 4 bytes each. @returns where the first stands */
  const table = (): number => {
    const vtable = place(12, 4);
    put(vtable, new Uint8Array(Uint16Array.of(12, 20, 4, 8, 12, 16).buffer));
    const at = place(20, 4);
    u32(at, at - vtable);
    return at + 4;
  };

  const root = place(8, 4);
  put(root + 4, new TextEncoder().encode(IDENTIFIER));
  const adapter = table();
  refer(root, adapter - 4);
  // Format, adapter and model have versions; the latter two are ours to choose.
  for (const [i, version] of [FORMAT_VERSION, 1, 1].entries()) u32(adapter + 4 * i, version);
  const parameters = list(tensors.size, 4, 4);
  refer(adapter + 12, parameters);
  let slot = parameters + 4;
  for (const [name, { shape, bytes }] of tensors) {
    const parameter = table();
    refer(slot, parameter - 4);
    slot += 4;
    const text = new TextEncoder().encode(name);
    const words = list(text.length, 1, 4, text);
    // A zero ends a text.
    end++;
    refer(parameter, words);
    const dims = BigInt64Array.from(shape, BigInt);
    refer(parameter + 4, list(shape.length, 8, 8, new Uint8Array(dims.buffer)));
    u32(parameter + 8, onnxElementType.float32);
    refer(parameter + 12, list(bytes.length, 1, ALIGNMENT, bytes));
  }
  const file = new Uint8Array(Math.ceil(end / ALIGNMENT) * ALIGNMENT);
  for (const { at, bytes } of pieces) file.set(bytes, at);
  return file;
}
