// Tensors in memory -> the bytes of a safetensors file, equal to those that the reference writer makes.
// Source: https://github.com/huggingface/safetensors/blob/main/safetensors/src/tensor.rs
import { type Fault, failIfAny } from "../errors.js";
import { writeFileAtomically } from "./atomic.js";
import { METADATA, PREFIX } from "./safetensors_file.js";
import { bytesPerElement, type DType, elementCount, type Tensor } from "./tensor.js";

/** The order in which the reference writer lays tensors down: later dtypes of its list first, then by name. */
const LAYOUT_ORDER: readonly DType[] = [
  "U64",
  "I64",
  "F64",
  "F32",
  "U32",
  "I32",
  "BF16",
  "F16",
  "U16",
  "I16",
  "I8",
  "U8",
  "BOOL",
];

/** The bytes of a safetensors file, equal to those that Python's `safetensors.torch.save` makes. */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, Tensor>,
  metadata?: Readonly<Record<string, string>>,
): Uint8Array {
  return Buffer.concat([...piecesOf(tensors, metadata)]);
}

/**
 * Writes a safetensors file; it appears under its name only when it is complete.
 * @throws PhinetuneError when a tensor's bytes do not fill its shape, the disk is full or the folder not writable.
 */
export async function writeSafetensors(
  path: string,
  tensors: ReadonlyMap<string, Tensor>,
  metadata?: Readonly<Record<string, string>>,
): Promise<void> {
  await writeFileAtomically(path, piecesOf(tensors, metadata));
}

/** Length, header and tensors: the pieces of a file one after another. */
function piecesOf(
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>> | undefined,
): readonly Uint8Array[] {
  failIfAny([...tensors].flatMap(([name, tensor]) => faultsOf(name, tensor)));
  const ordered = [...tensors]
    .map(([name, tensor]) => ({ name, tensor, key: Buffer.from(name) }))
    .sort(
      (a, b) =>
        LAYOUT_ORDER.indexOf(a.tensor.dtype) - LAYOUT_ORDER.indexOf(b.tensor.dtype) ||
        Buffer.compare(a.key, b.key),
    );
  const members = metadata === undefined ? [] : [member(METADATA, metadata)];
  let position = 0;
  for (const { name, tensor } of ordered) {
    const { dtype, shape, bytes } = tensor;
    members.push(member(name, { dtype, shape, data_offsets: [position, position + bytes.byteLength] }));
    position += bytes.byteLength;
  }
  const json = Buffer.from(`{${members.join(",")}}`);
  const header = Buffer.alloc(Math.ceil(json.length / PREFIX) * PREFIX, " ");
  header.set(json);
  const prefix = Buffer.alloc(PREFIX);
  prefix.writeBigUInt64LE(BigInt(header.length));
  return [prefix, header, ...ordered.map(({ tensor }) => tensor.bytes)];
}

function faultsOf(name: string, { dtype, shape, bytes }: Tensor): readonly Fault[] {
  const where = `tensor ${JSON.stringify(name)}`;
  const needed = elementCount(shape) * bytesPerElement[dtype];
  if (name === METADATA) return [{ code: "format", what: "the format reserves this name", where }];
  if (/\p{Surrogate}/u.test(name)) return [{ code: "format", what: "the name is not valid Unicode", where }];
  if (bytes.byteLength === needed) return [];
  const what = `${dtype} of shape [${shape}] needs ${needed} bytes; there are ${bytes.byteLength}`;
  return [{ code: "format", what, where }];
}

/** One member of the header. The object is not built as a whole: JavaScript would put names like "0" first. */
function member(name: string, value: unknown): string {
  return `${JSON.stringify(name)}:${JSON.stringify(value)}`;
}
