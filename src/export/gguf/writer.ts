// Keys and tensors -> a GGUF file, a tensor at a time.
// Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
import { writeFileAtomically } from "../../formats/atomic.js";
import { byteLength, type GgmlType, ggmlTypes } from "./encode.js";

/** A value of the file's head. */
export type GgufValue =
  | { readonly type: "u32" | "f32"; readonly value: number }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "text"; readonly value: string }
  | { readonly type: "texts"; readonly value: readonly string[] }
  | { readonly type: "i32s" | "f32s"; readonly value: readonly number[] };

export type GgufMetadata = ReadonlyMap<string, GgufValue>;

/** A tensor whose bytes are made when their turn comes. */
export interface GgufTensor {
  readonly name: string;
  /** Row-major, outermost size first, as safetensors has it. */
  readonly shape: readonly number[];
  readonly type: GgmlType;
  readonly bytes: () => Promise<Uint8Array>;
}

export const u32 = (value: number): GgufValue => ({ type: "u32", value });
export const f32 = (value: number): GgufValue => ({ type: "f32", value });
export const bool = (value: boolean): GgufValue => ({ type: "bool", value });
export const text = (value: string): GgufValue => ({ type: "text", value });

const MAGIC = 0x46554747; // "GGUF", little-endian
const VERSION = 3;
const ALIGNMENT = 32;
const CODES = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 } as const;

/**
 * Writes the file under a temporary name and renames it when it is whole.
 * @param onTensor is told how many tensors are written
 */
export async function writeGguf(
  path: string,
  metadata: GgufMetadata,
  tensors: readonly GgufTensor[],
  onTensor: (done: number) => void = () => undefined,
): Promise<void> {
  const head = encodeHead(metadata, tensors);
  async function* pieces(): AsyncGenerator<Uint8Array> {
    yield head;
    for (const [i, tensor] of tensors.entries()) {
      const bytes = await tensor.bytes();
      yield bytes;
      yield new Uint8Array(padding(bytes.length));
      onTensor(i + 1);
    }
  }
  await writeFileAtomically(path, pieces());
}

/** All before the tensors' bytes, padded. */
function encodeHead(metadata: GgufMetadata, tensors: readonly GgufTensor[]): Uint8Array {
  const sink = createSink();
  sink.u32(MAGIC);
  sink.u32(VERSION);
  sink.u64(tensors.length);
  sink.u64(metadata.size);
  for (const [key, value] of metadata) {
    sink.text(key);
    putValue(sink, value);
  }
  let offset = 0;
  for (const { name, shape, type } of tensors) {
    sink.text(name);
    sink.u32(shape.length);
    // The innermost size comes first here.
    for (const size of [...shape].reverse()) sink.u64(size);
    sink.u32(ggmlTypes[type].code);
    sink.u64(offset);
    const length = byteLength(type, shape);
    offset += length + padding(length);
  }
  return sink.padded();
}

function putValue(sink: Sink, entry: GgufValue): void {
  const array = (code: number, length: number) => {
    sink.u32(CODES.array);
    sink.u32(code);
    sink.u64(length);
  };
  switch (entry.type) {
    case "u32":
      sink.u32(CODES.u32);
      sink.u32(entry.value);
      break;
    case "f32":
      sink.u32(CODES.f32);
      sink.f32(entry.value);
      break;
    case "bool":
      sink.u32(CODES.bool);
      sink.u8(Number(entry.value));
      break;
    case "text":
      sink.u32(CODES.string);
      sink.text(entry.value);
      break;
    case "texts":
      array(CODES.string, entry.value.length);
      for (const item of entry.value) sink.text(item);
      break;
    case "i32s":
      array(CODES.i32, entry.value.length);
      for (const item of entry.value) sink.u32(item);
      break;
    case "f32s":
      array(CODES.f32, entry.value.length);
      for (const item of entry.value) sink.f32(item);
  }
}

type Sink = ReturnType<typeof createSink>;

/** Numbers and texts -> little-endian bytes. */
function createSink() {
  let view = new DataView(new ArrayBuffer(2 ** 16));
  let length = 0;
  const encoder = new TextEncoder();
  /** Where `size` more bytes go. */
  const take = (size: number): number => {
    if (length + size > view.byteLength) {
      const larger = new Uint8Array(2 * (length + size));
      larger.set(new Uint8Array(view.buffer, 0, length));
      view = new DataView(larger.buffer);
    }
    length += size;
    return length - size;
  };
  const u64 = (value: number): void => {
    const at = take(8);
    view.setBigUint64(at, BigInt(value), true);
  };
  return {
    u8(value: number): void {
      const at = take(1);
      view.setUint8(at, value);
    },
    u32(value: number): void {
      const at = take(4);
      view.setUint32(at, value, true);
    },
    f32(value: number): void {
      const at = take(4);
      view.setFloat32(at, value, true);
    },
    u64,
    text(value: string): void {
      const bytes = encoder.encode(value);
      u64(bytes.length);
      const at = take(bytes.length);
      new Uint8Array(view.buffer).set(bytes, at);
    },
    padded(): Uint8Array {
      take(padding(length));
      return new Uint8Array(view.buffer, 0, length);
    },
  };
}

/** Bytes that are missing to the next multiple of the alignment. */
function padding(length: number): number {
  return (ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT;
}
