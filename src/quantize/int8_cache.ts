// A model's linear layers -> their weights in 8 bits, in files of a cache: made where they are missing or damaged, each written whole or not at all.
import { createHash } from "node:crypto";
import { createReadStream, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { PhinetuneError } from "../errors.js";
import { removeLeftovers } from "../formats/atomic.js";
import { toFloat32 } from "../formats/dtype.js";
import { fileFault } from "../formats/file_error.js";
import { hashFile } from "../formats/hash.js";
import { openSafetensors, readTensor, writeSafetensors } from "../formats/safetensors.js";
import { bytesPerElement, f32Tensor, type Tensor, type TensorEntry } from "../formats/tensor.js";
import type { BaseModel } from "../models/base_model.js";
import { type Rounded, roundWeight } from "./int8.js";

/** Changes with everything that changes the numbers. */
const VERSION = "1";

/** Where the rounded weights of a layer lie. */
export interface Int8Entries {
  readonly forward: TensorEntry;
  readonly forwardScale: TensorEntry;
  readonly backward: TensorEntry;
  readonly backwardScale: TensorEntry;
}

/** A frozen weight [out, in] to be rounded. */
export interface WeightToRound {
  /** Path of its layer, by which it is known in the cache. */
  readonly path: string;
  readonly entry: TensorEntry;
}

/** How far the work is; `repaired` names a file that was damaged. */
export interface Int8Progress {
  readonly done: number;
  readonly modules: number;
  readonly repaired?: string | undefined;
}

export interface CacheOptions {
  /** Unsigned numbers with zero at 128, for processors that add signed products inexactly. */
  readonly unsigned: boolean;
  readonly env?: NodeJS.ProcessEnv | undefined;
}

/** The folder that holds what can be made again: PHINETUNE_CACHE, or one in the system's place for such folders. */
function cacheFolder(env: NodeJS.ProcessEnv): string {
  if (env.PHINETUNE_CACHE) return env.PHINETUNE_CACHE;
  if (process.platform === "win32" && env.LOCALAPPDATA) return join(env.LOCALAPPDATA, "phinetune");
  if (process.platform === "darwin") return join(homedir(), "Library", "Caches", "phinetune");
  return join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "phinetune");
}

/** Yields progress where there is anything to make, and returns where everything lies, by path. */
export async function* openInt8Cache(
  base: BaseModel,
  weights: readonly WeightToRound[],
  { unsigned, env = process.env }: CacheOptions,
): AsyncGenerator<Int8Progress, ReadonlyMap<string, Int8Entries>> {
  const identity = await identityOf(base);
  const name = `${identity}-v${VERSION}${unsigned ? "-unsigned" : ""}`;
  const folder = join(cacheFolder(env), "int8", name);
  try {
    mkdirSync(folder, { recursive: true });
  } catch (error) {
    throw new PhinetuneError(fileFault("the cache folder cannot be made", folder, error), error);
  }
  removeLeftovers(folder, { olderThan: A_DAY });
  const found = new Map<string, Int8Entries>();
  for (const [done, { path, entry }] of weights.entries()) {
    const file = join(folder, `${path}.safetensors`);
    const metadata = { format: "phinetune-int8", version: VERSION, base: identity, module: path };
    const [known, damage] = await openWeight(file, entry.shape, metadata, unsigned);
    if (known) {
      found.set(path, known);
      continue;
    }
    yield {
      done,
      modules: weights.length,
      repaired: damage === undefined ? undefined : `${file}: ${damage}`,
    };
    await writeWeight(file, entry, metadata, unsigned);
    const [made, fault] = await openWeight(file, entry.shape, metadata, unsigned);
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
const NAMES = ["forward", "forward_scale", "backward", "backward_scale"] as const;

/** A layer's file, if it is what it should be, to the last bit; else, where there is one, what is wrong with it. */
async function openWeight(
  file: string,
  [out, size]: readonly number[],
  metadata: Metadata,
  unsigned: boolean,
): Promise<readonly [entries: Int8Entries | undefined, damage?: string]> {
  const dtype = unsigned ? "U8" : "I8";
  const shapes = {
    forward: [size, out],
    forward_scale: [out],
    backward: [out, size],
    backward_scale: [size],
  };
  try {
    const { entries, metadata: found } = await openSafetensors(file);
    for (const [key, value] of Object.entries(metadata))
      if (found[key] !== value) return [undefined, `${key} is ${found[key]}, not ${value}`];
    for (const name of NAMES) {
      const entry = entries.get(name);
      const wanted = name.endsWith("scale") ? "F32" : dtype;
      if (!entry || entry.dtype !== wanted || entry.shape.join() !== shapes[name].join())
        return [undefined, `${name} is not ${wanted} [${shapes[name]}]`];
    }
    const [forward, forwardScale, backward, backwardScale] = NAMES.map((name) => entries.get(name)!);
    if (
      (await digestFrom(file, Math.min(...[...entries.values()].map(({ offset }) => offset)))) !==
      found.sha256
    )
      return [undefined, "its bytes are not those that were written"];
    return [
      {
        forward: forward!,
        forwardScale: forwardScale!,
        backward: backward!,
        backwardScale: backwardScale!,
      },
    ];
  } catch (error) {
    const cause = (error as Error).cause as NodeJS.ErrnoException | undefined;
    return cause?.code === "ENOENT" ? [undefined] : [undefined, (error as Error).message];
  }
}

/** SHA-256 of a file from some byte on. */
async function digestFrom(file: string, start: number): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(file, { start, highWaterMark: 1 << 20 }))
    hash.update(piece as Uint8Array);
  return hash.digest("hex");
}

async function writeWeight(
  file: string,
  entry: TensorEntry,
  metadata: Metadata,
  unsigned: boolean,
): Promise<void> {
  const [out, size] = entry.shape as readonly [number, number];
  const bytesOfRow = size * bytesPerElement[entry.dtype];
  const { forward, backward } = await roundWeight(out, size, async (from, to) => {
    const part = {
      ...entry,
      shape: [to - from, size],
      offset: entry.offset + from * bytesOfRow,
      length: (to - from) * bytesOfRow,
    };
    return toFloat32(await readTensor(part));
  });
  const tensor = ({ values }: Rounded, shape: readonly number[]): Tensor => {
    const bytes = new Uint8Array(values.buffer);
    // Two's complement with its first bit turned is the number plus 128.
    if (unsigned) for (let i = 0; i < bytes.length; i++) bytes[i]! ^= 128;
    return { dtype: unsigned ? "U8" : "I8", shape, bytes };
  };
  // In the order in which they lie in the file.
  const tensors = new Map<string, Tensor>([
    ["backward_scale", f32Tensor([size], backward.scale)],
    ["forward_scale", f32Tensor([out], forward.scale)],
    ["backward", tensor(backward, [out, size])],
    ["forward", tensor(forward, [size, out])],
  ]);
  const hash = createHash("sha256");
  for (const { bytes } of tensors.values()) hash.update(bytes);
  await writeSafetensors(file, tensors, { ...metadata, sha256: hash.digest("hex") });
}
