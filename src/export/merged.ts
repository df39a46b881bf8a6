// A base with adapters worked in -> a Hugging Face folder, in files as the base's are.
import { mkdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { mergedTensor, unties, type WeightedAdapter } from "../adapters/merge.js";
import { writeFileAtomically } from "../formats/atomic.js";
import { fromFloat32, toFloat32 } from "../formats/dtype.js";
import { readTensor, writeSafetensors } from "../formats/safetensors.js";
import type { Tensor, TensorEntry } from "../formats/tensor.js";
import type { BaseModel } from "../models/base_model.js";
import { EMBEDDING, OUTPUT_HEAD } from "../models/family.js";
import { copyTokenizer, DTYPES, type SavedDtype, writeConfig } from "./model.js";

const INDEX = "model.safetensors.index.json";
const HEAD = `${OUTPUT_HEAD}.weight`;

/** How far a merge is. */
export interface MergeProgress {
  readonly done: number;
  readonly tensors: number;
}

/**
 * Writes the merged model: each file of the base's weights becomes one of the same name.
 * @param dtype of all tensors; undefined keeps that of each
 */
export async function* saveMerged(
  folder: string,
  base: BaseModel,
  adapters: readonly WeightedAdapter[],
  dtype: SavedDtype | undefined,
): AsyncGenerator<MergeProgress> {
  await mkdir(folder, { recursive: true });
  const isUntied = unties(base, adapters);
  const files = new Map<string, [string, TensorEntry][]>();
  for (const [name, entry] of base.tensors) {
    const file = basename(entry.file);
    files.set(file, [...(files.get(file) ?? []), [name, entry]]);
  }
  const tensors = base.tensors.size + Number(isUntied);
  const places: Record<string, string> = {};
  let [done, bytes] = [0, 0];
  for (const [file, entries] of files) {
    const merged = new Map<string, Tensor>();
    const put = async (name: string, entry: TensorEntry): Promise<void> => {
      const tensor = await tensorOf(base, adapters, name, entry, dtype);
      merged.set(name, tensor);
      places[name] = file;
      bytes += tensor.bytes.byteLength;
      done++;
    };
    for (const [name, entry] of entries) {
      await put(name, entry);
      if (isUntied && name === `${EMBEDDING}.weight`) await put(HEAD, entry);
      yield { done, tensors };
    }
    await writeSafetensors(join(folder, file), merged, { format: "pt" });
  }
  if (files.size > 1 || !files.has("model.safetensors")) {
    const index = { metadata: { total_size: bytes }, weight_map: places };
    await writeFileAtomically(join(folder, INDEX), `${JSON.stringify(index, null, 2)}\n`);
  }
  await writeConfig(folder, base, {
    ...(dtype ? { dtype } : {}),
    ...(isUntied ? { tie_word_embeddings: false } : {}),
  });
  await copyTokenizer(base.folder, folder);
}

async function tensorOf(
  base: BaseModel,
  adapters: readonly WeightedAdapter[],
  name: string,
  entry: TensorEntry,
  dtype: SavedDtype | undefined,
): Promise<Tensor> {
  const stored = dtype ? DTYPES[dtype] : (entry.dtype as "F32");
  const values = await mergedTensor(base, adapters, name);
  if (values) return fromFloat32(values, stored, entry.shape);
  const tensor = await readTensor(entry);
  return tensor.dtype === stored ? tensor : fromFloat32(toFloat32(tensor), stored, entry.shape);
}
