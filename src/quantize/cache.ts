// A model's linear layers and another form of their weights -> that form, in files of a cache: made where they are missing or damaged, each written whole or not at all.
import { createHash } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { PhinetuneError } from "../errors.js";
import { removeLeftovers } from "../formats/atomic.js";
import { fileFault } from "../formats/file_error.js";
import { hashFile } from "../formats/hash.js";
import { openSafetensors, writeSafetensors } from "../formats/safetensors.js";
import type { DType, Tensor, TensorEntry } from "../formats/tensor.js";
import { userCacheFolder } from "../formats/user_cache.js";
import type { BaseModel } from "../models/base_model.js";

/** Another form of a weight [out, in]: tensors by name. */
export interface WeightForm<Name extends string> {
  /** Names its folder in the cache, and stands in its files. */
  readonly name: string;
  /** Changes with everything that changes the numbers. */
  readonly version: string;
  /** Sets apart what is made of the same weights with other settings. */
  readonly variant?: string | undefined;
  /** The tensors of a weight, in the order in which they lie in its file. */
  readonly layout: (
    shape: readonly number[],
  ) => Readonly<Record<Name, { readonly dtype: DType; readonly shape: readonly number[] }>>;
  /** Makes the bytes of these tensors. */
  readonly make: (weight: TensorEntry) => Promise<Readonly<Record<Name, ArrayBufferView>>>;
}

/** A frozen weight [out, in]. */
export interface WeightToRound {
  /** Path of its layer, by which it is known in the cache. */
  readonly path: string;
  readonly entry: TensorEntry;
}

/** How far the work is; `repaired` names a file that was damaged. */
export interface CacheProgress {
  readonly done: number;
  readonly modules: number;
  readonly repaired?: string | undefined;
}

/** Where the tensors of each layer lie, by path and name. */
export type CachedWeights<Name extends string> = ReadonlyMap<string, Readonly<Record<Name, TensorEntry>>>;

/** Yields progress where there is anything to make, and returns where everything lies. */
export async function* openCache<Name extends string>(
  base: BaseModel,
  weights: readonly WeightToRound[],
  form: WeightForm<Name>,
  env: NodeJS.ProcessEnv = process.env,
): AsyncGenerator<CacheProgress, CachedWeights<Name>> {
  const identity = await identityOf(base);
  const folderName = [`${identity}-v${form.version}`, ...(form.variant ? [form.variant] : [])].join("-");
  const folder = join(userCacheFolder(env), form.name, folderName);
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw new PhinetuneError(fileFault("the cache folder cannot be made", folder, error), error);
  }
  removeLeftovers(folder, { olderThan: A_DAY });
  const found = new Map<string, Readonly<Record<Name, TensorEntry>>>();
  for (const [done, { path, entry }] of weights.entries()) {
    const file = join(folder, `${path}.safetensors`);
    const metadata = {
      format: `phinetune-${form.name}`,
      version: form.version,
      base: identity,
      module: path,
    };
    const layout = form.layout(entry.shape);
    const [known, damage] = await openWeight(file, layout, metadata);
    if (known) {
      found.set(path, known);
      continue;
    }
    yield {
      done,
      modules: weights.length,
      repaired: damage === undefined ? undefined : `${file}: ${damage}`,
    };
    await writeWeight(file, layout, await form.make(entry), metadata);
    const [made, fault] = await openWeight(file, layout, metadata);
    if (!made)
      throw new PhinetuneError({ code: "file", what: `the cache cannot be read: ${fault}`, where: file });
    found.set(path, made);
  }
  return found;
}

const A_DAY = 24 * 60 * 60 * 1000;

/** What the weights are: the hash of their file, or of the hashes of their files. */
async function identityOf({ tensors }: BaseModel): Promise<string> {
  const files = [...new Set([...tensors.values()].map(({ file }) => file))].sort();
  const hashes: string[] = [];
  for (const file of files) hashes.push(await hashFile(file));
  return hashes.length === 1 ? hashes[0]! : createHash("sha256").update(hashes.join()).digest("hex");
}

type Metadata = Readonly<Record<string, string>>;
type Layout<Name extends string> = ReturnType<WeightForm<Name>["layout"]>;
const namesOf = <Name extends string>(layout: Layout<Name>) => Object.keys(layout) as Name[];

/** A layer's file, if it is what it should be, to the last bit; else, where there is one, what is wrong with it. */
async function openWeight<Name extends string>(
  file: string,
  layout: Layout<Name>,
  metadata: Metadata,
): Promise<readonly [entries: Readonly<Record<Name, TensorEntry>> | undefined, damage?: string]> {
  try {
    const { entries, metadata: found } = await openSafetensors(file);
    for (const [key, value] of Object.entries(metadata))
      if (found[key] !== value) return [undefined, `${key} is ${found[key]}, not ${value}`];
    for (const name of namesOf(layout)) {
      const { dtype, shape } = layout[name];
      const entry = entries.get(name);
      if (!entry || entry.dtype !== dtype || entry.shape.join() !== shape.join())
        return [undefined, `${name} is not ${dtype} [${shape}]`];
    }
    const start = Math.min(...[...entries.values()].map(({ offset }) => offset));
    if ((await hashFile(file, { start })) !== found.sha256)
      return [undefined, "its bytes are not those that were written"];
    const named = namesOf(layout).map((name) => [name, entries.get(name)!] as const);
    return [Object.fromEntries(named) as Record<Name, TensorEntry>];
  } catch (error) {
    const cause = (error as Error).cause as NodeJS.ErrnoException | undefined;
    return cause?.code === "ENOENT" ? [undefined] : [undefined, (error as Error).message];
  }
}

async function writeWeight<Name extends string>(
  file: string,
  layout: Layout<Name>,
  made: Readonly<Record<Name, ArrayBufferView>>,
  metadata: Metadata,
): Promise<void> {
  const tensors = new Map<string, Tensor>();
  const hash = createHash("sha256");
  for (const name of namesOf(layout)) {
    const { buffer, byteOffset, byteLength } = made[name];
    const bytes = new Uint8Array(buffer, byteOffset, byteLength);
    hash.update(bytes);
    tensors.set(name, { ...layout[name], bytes });
  }
  await writeSafetensors(file, tensors, { ...metadata, sha256: hash.digest("hex") });
}
