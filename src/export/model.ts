// A trained model -> a Hugging Face folder that transformers loads: config.json, model.safetensors, and the tokenizer as it was.
import { copyFile, mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { baseParameters } from "../adapters/plan.js";
import { PhinetuneError } from "../errors.js";
import { writeFileAtomically } from "../formats/atomic.js";
import { fromFloat32 } from "../formats/dtype.js";
import { fileFault } from "../formats/file_error.js";
import { writeSafetensors } from "../formats/safetensors.js";
import { SIDE_FILES } from "../formats/side_files.js";
import type { Tensor } from "../formats/tensor.js";
import type { BaseModel } from "../models/base_model.js";

/** Names of torch's types -> those of safetensors. */
export const DTYPES = { float32: "F32", float16: "F16", bfloat16: "BF16" } as const;
export type SavedDtype = keyof typeof DTYPES;

/** The files that a saved model consists of. */
export const MODEL_FILES: readonly string[] = ["config.json", "model.safetensors", ...SIDE_FILES];

/**
 * Writes a model whose every parameter is in `values`, by its name in the checkpoint.
 * A tied output head is left out, as transformers leaves it.
 */
export async function saveModel(
  folder: string,
  base: BaseModel,
  values: ReadonlyMap<string, Float32Array>,
  dtype: SavedDtype,
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const tensors = new Map<string, Tensor>();
  for (const [name, shape] of baseParameters(base))
    tensors.set(name, fromFloat32(values.get(name)!, DTYPES[dtype], shape));
  await writeSafetensors(join(folder, "model.safetensors"), tensors, { format: "pt" });
  await writeConfig(folder, base, { dtype });
  await copyTokenizer(base.folder, folder);
}

/** Writes config.json: that of the base, with what has changed. */
export async function writeConfig(
  folder: string,
  base: BaseModel,
  { dtype, ...changes }: { readonly dtype?: SavedDtype; readonly tie_word_embeddings?: boolean },
): Promise<void> {
  // transformers 4 says `torch_dtype`, 5 says `dtype` and reads both.
  const key = "dtype" in base.json ? "dtype" : "torch_dtype";
  const own = { architectures: [base.family.architecture], ...(dtype ? { [key]: dtype } : {}) };
  const config = { ...base.json, ...own, ...changes };
  await writeFileAtomically(join(folder, "config.json"), `${JSON.stringify(config, null, 2)}\n`);
}

/** Copies the tokenizer and what else stands beside the weights. */
export async function copyTokenizer(from: string, folder: string): Promise<void> {
  for (const name of SIDE_FILES) {
    const source = join(from, name);
    if (!(await stat(source).catch(() => undefined))) continue;
    await copyFile(source, join(folder, name)).catch((error: unknown) => {
      throw new PhinetuneError(fileFault("the file cannot be copied", source, error), error);
    });
  }
}
