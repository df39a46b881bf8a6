// Safetensors files alone and in shards: what is read must be what the simplest reader finds.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fromFloat32 } from "../../../src/formats/dtype.js";
import {
  encodeSafetensors,
  openSafetensors,
  openSafetensorsFolder,
  readTensor,
} from "../../../src/formats/safetensors.js";
import { bytesPerElement, elementCount, type Tensor, type TensorEntry } from "../../../src/formats/tensor.js";
import type { Random } from "../../../src/random.js";
import {
  changedJson,
  fixtures,
  folderOf,
  type Input,
  jsonIn,
  must,
  type Reader,
  same,
  textOf,
} from "./harness.js";
import {
  type JsonDocument,
  jsonDocument,
  type Mutant,
  mutateBytes,
  mutateJson,
  pick,
  relaidJson,
} from "./mutations.js";

interface HeaderEntry {
  readonly dtype: Tensor["dtype"];
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** The tensors of a file and where they lie, without any check. */
export function tensorsIn(path: string): Map<string, Tensor & { readonly offset: number }> {
  const bytes = readFileSync(path);
  const start = 8 + Number(bytes.readBigUInt64LE());
  const header = JSON.parse(textOf(bytes.subarray(8, start))) as Record<string, HeaderEntry>;
  const tensors = new Map<string, Tensor & { readonly offset: number }>();
  for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const [offset, end] = [start + offsets[0], start + offsets[1]];
    tensors.set(name, { dtype, shape, offset, bytes: bytes.subarray(offset, end) });
  }
  return tensors;
}

/** Where tensors lie, and the bytes of the first few. */
interface Opened {
  readonly entries: ReadonlyMap<string, TensorEntry>;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

async function readFirst(entries: Opened["entries"]): Promise<Opened> {
  const first = [...entries].slice(0, 3);
  const read = await Promise.all(
    first.map(async ([name, entry]) => [name, await readTensor(entry)] as const),
  );
  return { entries, tensors: new Map(read) };
}

/** @param inFile the tensors of the entry's file */
function mustBeEntry(
  { name, dtype, shape, offset, length }: TensorEntry,
  read: Tensor | undefined,
  inFile: ReturnType<typeof tensorsIn>,
): void {
  const wanted = inFile.get(name);
  must(wanted !== undefined, `${name}: the file has no such tensor`);
  must(dtype === wanted.dtype && same(shape, wanted.shape), `${name}: dtype or shape`);
  must(offset === wanted.offset && length === wanted.bytes.length, `${name}: its place`);
  must(length === elementCount(shape) * bytesPerElement[dtype], `${name}: its length`);
  must(!read || Buffer.compare(read.bytes, wanted.bytes) === 0, `${name}: its bytes`);
}

export interface SafetensorsSource {
  readonly bytes: Buffer;
  readonly header: JsonDocument;
  readonly data: Buffer;
}

export function safetensorsSource(bytes: Buffer): SafetensorsSource {
  const end = 8 + Number(bytes.readBigUInt64LE());
  return { bytes, header: jsonDocument(bytes.toString("utf8", 8, end)), data: bytes.subarray(end) };
}

/** Bytes changed anywhere, in the header, in its length or in the data; or another header of the right length. */
export function changedSafetensors(
  { bytes, header, data }: SafetensorsSource,
  random: Random,
): Mutant & Input {
  const kind = random.nextFloat();
  const headerEnd = bytes.length - data.length;
  if (kind < 0.1) return mutateBytes(bytes, random);
  if (kind < 0.25) return mutateBytes(bytes, random, 0, headerEnd);
  if (kind < 0.3) return mutateBytes(bytes, random, 0, 8);
  if (kind < 0.4) return mutateBytes(bytes, random, headerEnd);
  const isGood = kind < 0.45;
  const { bytes: text, how } = isGood ? relaidJson(header.text, random) : mutateJson(header, random);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return { bytes: Buffer.concat([length, text, data]), how, isGood };
}

export function singleFile(): Reader<Opened> {
  const path = join(folderOf("safetensors"), "a.safetensors");
  const sources = ["every_dtype", "odd_names"].map((name) =>
    safetensorsSource(readFileSync(join(fixtures, "safetensors", `${name}.safetensors`))),
  );
  return {
    write(random) {
      const mutant = changedSafetensors(pick(random, sources), random);
      writeFileSync(path, mutant.bytes);
      return mutant;
    },
    read: async () => readFirst((await openSafetensors(path)).entries),
    check({ entries, tensors }) {
      const inFile = tensorsIn(path);
      must(entries.size === inFile.size, "number of tensors");
      for (const [name, entry] of entries) mustBeEntry(entry, tensors.get(name), inFile);
    },
  };
}

export function shardedFolder(): Reader<Opened> {
  const folder = folderOf("shards");
  const filled = (value: number, ...shape: number[]): Tensor =>
    fromFloat32(new Float32Array(elementCount(shape)).fill(value), "F16", shape);
  const first = { "a.weight": filled(1, 2, 3), both: filled(2, 4) };
  const second = { "b.weight": filled(3, 2), both: filled(4, 1), c: filled(5) };
  const files = Object.entries({ "1.safetensors": first, "2.safetensors": second }).map(
    ([name, tensors]) =>
      [
        name,
        safetensorsSource(Buffer.from(encodeSafetensors(new Map(Object.entries(tensors)), { format: "pt" }))),
      ] as const,
  );
  const map = {
    "a.weight": "1.safetensors",
    ...Object.fromEntries(Object.keys(second).map((name) => [name, "2.safetensors"])),
  };
  const index = jsonDocument(JSON.stringify({ metadata: { total_size: 30 }, weight_map: map }));
  const indexPath = join(folder, "model.safetensors.index.json");
  return {
    write(random) {
      writeFileSync(indexPath, index.text);
      for (const [name, { bytes }] of files) writeFileSync(join(folder, name), bytes);
      if (random.nextFloat() < 0.6) {
        const mutant = changedJson(index, random);
        writeFileSync(indexPath, mutant.bytes);
        return { ...mutant, how: `index: ${mutant.how}` };
      }
      const [name, source] = pick(random, files);
      const [another, { bytes }] = pick(random, files);
      const isSwapped = random.nextFloat() < 0.05;
      const mutant = isSwapped ? { bytes, how: `is ${another}` } : changedSafetensors(source, random);
      writeFileSync(join(folder, name), mutant.bytes);
      return { ...mutant, how: `${name}: ${mutant.how}` };
    },
    read: async () => readFirst((await openSafetensorsFolder(folder)).entries),
    check({ entries, tensors }) {
      const wanted = jsonIn(indexPath).weight_map as Record<string, string>;
      must(same([...entries.keys()].sort(), Object.keys(wanted).sort()), "names of the tensors");
      for (const [name, entry] of entries) {
        must(entry.file === join(folder, wanted[name]!), `${name}: its file`);
        mustBeEntry(entry, tensors.get(name), tensorsIn(entry.file));
      }
    },
  };
}
