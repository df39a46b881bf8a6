// A safetensors file -> where each of its tensors lies (only the header is read), and the bytes of a tensor.
// Source: https://github.com/huggingface/safetensors#format
import { isUtf8 } from "node:buffer";
import { type FileHandle, open } from "node:fs/promises";
import { resolve } from "node:path";
import { type Fault, fail, failIfAny, PhinetuneError } from "../errors.js";
import { fileFault } from "./file_error.js";
import { findJsonFault } from "./json.js";
import { bytesPerElement, type DType, elementCount, type Tensor, type TensorEntry } from "./tensor.js";

/** The tensors of a file or folder, by name; none of their bytes are in memory. */
export interface SafetensorsFile {
  readonly entries: ReadonlyMap<string, TensorEntry>;
  /** `__metadata__` of the header. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Bytes of the header's length, and the longest header that readers of the format accept. */
export const PREFIX = 8;
const MAX_HEADER = 100_000_000;
export const METADATA = "__metadata__";
const FIX = "download or copy the file again";

/**
 * Reads the header of a safetensors file and checks all that the format promises: the tensors cover the rest of
 * the file exactly, without holes and overlaps, and each has as many bytes as its dtype and shape need.
 * @throws PhinetuneError with every fault of the header.
 */
export async function openSafetensors(path: string): Promise<SafetensorsFile> {
  const file = await openForReading(path);
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw Object.assign(new Error(), { code: "EISDIR" });
    return parseHeader(await readHeader(file, stats.size, path), stats.size, path);
  } catch (error) {
    if (error instanceof PhinetuneError) throw error;
    throw new PhinetuneError(fileFault("the file cannot be read", path, error), error);
  } finally {
    await file.close();
  }
}

/** Reads the bytes of one tensor into memory of their own. */
export async function readTensor({
  name,
  dtype,
  shape,
  file: path,
  offset,
  length,
}: TensorEntry): Promise<Tensor> {
  const file = await openForReading(path);
  try {
    return { dtype, shape, bytes: await readBytes(file, offset, length) };
  } catch (error) {
    throw new PhinetuneError(fileFault(`tensor ${name} cannot be read`, path, error), error);
  } finally {
    await file.close();
  }
}

async function openForReading(path: string): Promise<FileHandle> {
  try {
    return await open(path, "r");
  } catch (error) {
    throw new PhinetuneError(fileFault("the file cannot be read", path, error), error);
  }
}

/** One read call takes at most 2^31 - 1 bytes. */
const LARGEST_READ = 2 ** 30;

async function readBytes(file: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const wanted = Math.min(length - done, LARGEST_READ);
    const { bytesRead } = await file.read(bytes, done, wanted, offset + done);
    if (bytesRead === 0) {
      const { size } = await file.stat();
      throw new Error(`bytes ${offset} to ${offset + length} are wanted, but the file has only ${size} now`);
    }
    done += bytesRead;
  }
  return bytes;
}

async function readHeader(file: FileHandle, fileSize: number, where: string): Promise<Uint8Array> {
  if (fileSize < PREFIX) {
    const what = `the file has ${fileSize} bytes; a safetensors file has at least ${PREFIX}`;
    fail("format", what, { where, fix: FIX });
  }
  const prefix = await readBytes(file, 0, PREFIX);
  const length = new DataView(prefix.buffer).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER)) {
    const what = `the header would have ${length} bytes (at most ${MAX_HEADER} are allowed): this is no safetensors file`;
    fail("format", what, { where });
  }
  if (PREFIX + Number(length) > fileSize) {
    const what = `the file is truncated: its header alone needs ${PREFIX + Number(length)} bytes, the file has ${fileSize}`;
    fail("format", what, { where, fix: FIX });
  }
  return readBytes(file, PREFIX, Number(length));
}

function parseHeader(header: Uint8Array, fileSize: number, path: string): SafetensorsFile {
  if (!isUtf8(header)) fail("format", "the header is not valid UTF-8", { where: path, fix: FIX });
  const fault = findJsonFault(header, { uniqueKeys: true });
  if (fault) {
    fail("format", `the header is not valid JSON: ${fault.what}`, {
      where: `${path}, byte ${PREFIX + fault.offset}`,
      fix: FIX,
    });
  }
  const json: unknown = JSON.parse(new TextDecoder().decode(header));
  if (!isRecord(json)) fail("format", "the header is not a JSON object", { where: path });

  const faults: Fault[] = [];
  const refuse = (what: string) => void faults.push({ code: "format", what, where: path });
  const entries = new Map<string, TensorEntry>();
  const dataStart = PREFIX + header.length;
  for (const [name, info] of Object.entries(json)) {
    if (name === METADATA) continue;
    const entry = readEntry(name, info, resolve(path), dataStart, refuse);
    if (entry) entries.set(name, entry);
  }
  const metadata = readMetadata(json[METADATA], refuse);
  failIfAny(faults);
  checkLayout(entries, dataStart, fileSize, refuse);
  failIfAny(faults);
  return { entries, metadata };
}

function readMetadata(value: unknown, refuse: (what: string) => void): Readonly<Record<string, string>> {
  if (value === undefined || value === null) return {};
  if (isRecord(value) && Object.values(value).every((text) => typeof text === "string"))
    return value as Record<string, string>;
  refuse(`${METADATA} must map names to strings`);
  return {};
}

function readEntry(
  name: string,
  info: unknown,
  file: string,
  dataStart: number,
  refuse: (what: string) => void,
): TensorEntry | undefined {
  const tensor = `tensor ${JSON.stringify(name)}`;
  if (!isRecord(info)) {
    refuse(`${tensor}: its entry in the header is not an object`);
    return undefined;
  }
  const { dtype, shape, data_offsets: offsets } = info;
  if (!isDType(dtype)) {
    refuse(
      `${tensor}: dtype ${JSON.stringify(dtype)} is not supported; supported are ${Object.keys(bytesPerElement).join(", ")}`,
    );
  } else if (!isSizes(shape)) {
    refuse(`${tensor}: shape ${JSON.stringify(shape)} is not a list of whole numbers from 0 on`);
  } else if (!isSizes(offsets) || offsets.length !== 2 || offsets[1]! < offsets[0]!) {
    refuse(`${tensor}: data_offsets ${JSON.stringify(offsets)} are not two increasing byte offsets`);
  } else {
    const [begin, end] = offsets as [number, number];
    // A zero would hide that the other sizes multiply to more than a number can hold.
    const overflows = elementCount(shape.filter((size) => size > 0)) * bytesPerElement[dtype] > 2 ** 53;
    const needed = overflows ? Number.POSITIVE_INFINITY : elementCount(shape) * bytesPerElement[dtype];
    if (needed === end - begin)
      return { name, dtype, shape, file, offset: dataStart + begin, length: needed };
    refuse(
      `${tensor}: ${dtype} of shape [${shape}] needs ${needed} bytes; data_offsets [${begin}, ${end}] give it ${end - begin}`,
    );
  }
  return undefined;
}

/** The tensors, in the order of their offsets, must follow each other and end where the file ends. */
function checkLayout(
  entries: ReadonlyMap<string, TensorEntry>,
  dataStart: number,
  fileSize: number,
  refuse: (what: string) => void,
): void {
  const ordered = [...entries.values()].sort((a, b) => a.offset - b.offset || a.length - b.length);
  let position = dataStart;
  for (const { name, offset, length } of ordered) {
    const difference = offset - position;
    if (difference !== 0) {
      const what = difference > 0 ? "leave a hole of" : "overlap the tensor before by";
      refuse(`tensor ${JSON.stringify(name)}: its bytes ${what} ${Math.abs(difference)} bytes`);
    }
    position = offset + length;
  }
  if (position > fileSize)
    refuse(`the file is truncated: its header tells of ${position} bytes, the file has ${fileSize}; ${FIX}`);
  else if (position < fileSize)
    refuse(
      `the file has ${fileSize} bytes, its header tells of ${position}: ${fileSize - position} too many`,
    );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isDType(value: unknown): value is DType {
  return typeof value === "string" && Object.hasOwn(bytesPerElement, value);
}

function isSizes(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}
