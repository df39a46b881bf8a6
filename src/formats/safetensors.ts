// A model folder -> where each of its tensors lies, in one safetensors file or in shards named by an index. (A single file: safetensors_file.ts; writing: safetensors_write.ts.)
import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { type Fault, fail, failIfAny, nearest, PhinetuneError } from "../errors.js";
import { fileFault } from "./file_error.js";
import { readJsonObject } from "./json_file.js";
import { openSafetensors, type SafetensorsFile } from "./safetensors_file.js";
import type { TensorEntry } from "./tensor.js";

export { openSafetensors, readTensor, type SafetensorsFile } from "./safetensors_file.js";
export { encodeSafetensors, writeSafetensors } from "./safetensors_write.js";

const SINGLE = "model.safetensors";
const INDEX = "model.safetensors.index.json";

/**
 * Opens the weights of a model folder as Hugging Face lays them out; only headers are read.
 * @throws PhinetuneError when there are none, a shard is missing, or the index and the shards disagree (all faults at once).
 */
export async function openSafetensorsFolder(folder: string): Promise<SafetensorsFile> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw new PhinetuneError(fileFault("the model folder cannot be read", folder, error), error);
  });
  if (names.includes(SINGLE)) return openSafetensors(join(folder, SINGLE));
  if (names.includes(INDEX)) return openShards(folder);
  return refuseFolder(folder, names);
}

async function openShards(folder: string): Promise<SafetensorsFile> {
  const where = join(folder, INDEX);
  const { weight_map: map } = await readJsonObject(where, "the index of the weights");
  if (typeof map !== "object" || map === null || Array.isArray(map))
    fail("format", "the index has no weight_map that maps tensor names to files", { where });

  const tensorsOfShard = new Map<unknown, string[]>();
  for (const [tensor, shard] of Object.entries(map)) {
    const listed = tensorsOfShard.get(shard);
    if (listed) listed.push(tensor);
    else tensorsOfShard.set(shard, [tensor]);
  }
  const faults: Fault[] = [];
  const entries = new Map<string, TensorEntry>();
  let metadata: Readonly<Record<string, string>> = {};
  for (const [shard, tensors] of tensorsOfShard) {
    const opened = await openShard(folder, shard, tensors, faults);
    if (!opened) continue;
    metadata = { ...opened.metadata, ...metadata };
    for (const name of tensors) {
      const entry = opened.entries.get(name);
      if (entry) entries.set(name, entry);
      else {
        const near = nearest(name, opened.entries.keys());
        faults.push({
          code: "weights",
          what: `tensor ${name} is listed for ${String(shard)}, which does not hold it`,
          where,
          fix: near === undefined ? undefined : `it holds ${near}`,
        });
      }
    }
  }
  failIfAny(faults);
  return { entries, metadata };
}

/** One shard; its faults are added to `faults`, and undefined returned. */
async function openShard(
  folder: string,
  shard: unknown,
  tensors: readonly string[],
  faults: Fault[],
): Promise<SafetensorsFile | undefined> {
  const where = join(folder, INDEX);
  const refuse = (code: "format" | "file", what: string, fix?: string): undefined => {
    faults.push({ code, what, where, fix });
    return undefined;
  };
  if (typeof shard !== "string")
    return refuse("format", `the file of tensor ${tensors[0]} is ${JSON.stringify(shard)}, not a name`);
  if (!staysInside(folder, shard))
    return refuse("format", `shard ${JSON.stringify(shard)} lies outside the model's folder`);
  if (!existsSync(join(folder, shard))) {
    const what = `shard ${shard} with ${tensors.length} tensors (${tensors[0]}, …) is missing`;
    return refuse("file", what, "download the model again");
  }
  try {
    return await openSafetensors(join(folder, shard));
  } catch (error) {
    if (!(error instanceof PhinetuneError)) throw error;
    faults.push(...error.faults);
    return undefined;
  }
}

/** An index comes from strangers: it may name only files below its own folder. */
function staysInside(folder: string, name: string): boolean {
  if (name === "" || name.includes("\0") || name.includes("\\") || isAbsolute(name)) return false;
  const path = relative(resolve(folder), resolve(folder, name));
  return path !== "" && path !== ".." && !path.startsWith(`..${sep}`) && !isAbsolute(path);
}

/** Says why a folder without safetensors weights cannot be used, by what it holds instead. */
function refuseFolder(folder: string, names: readonly string[]): never {
  const pickles = names.filter((name) => /\.(bin|pt|pth|ckpt)(\.index\.json)?$/.test(name));
  if (pickles.length > 0) {
    fail(
      "weights",
      `the weights are only there as pickle (${pickles.join(", ")}), which runs code when read`,
      {
        where: folder,
        fix: "convert them in Python: AutoModelForCausalLM.from_pretrained(folder).save_pretrained(folder, safe_serialization=True)",
      },
    );
  }
  const others = names.filter((name) => /\.(safetensors|gguf|onnx)$/.test(name));
  fail("weights", `the folder holds neither ${SINGLE} nor ${INDEX}`, {
    where: folder,
    fix:
      others.length > 0
        ? `it holds ${others.join(", ")}; give the folder of a Hugging Face model`
        : "give the folder of a Hugging Face model",
  });
}
