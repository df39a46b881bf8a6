// Files -> SHA-256 in hexadecimal; a file that has not changed since is not read again, by a later process neither.
//
// What is known of large files is kept in hashes.json of the user's cache, by path, size, number, and the times at which
// content and state changed last, as git's index does. Without that file, or with a damaged one, all files are read.
import { createHash } from "node:crypto";
import { type BigIntStats, createReadStream, mkdirSync, readFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { PhinetuneError } from "../errors.js";
import { writeFileAtomically } from "./atomic.js";
import { fileFault } from "./file_error.js";
import { userCacheFolder } from "./user_cache.js";

/** Smaller files are read as fast as looked up. */
const KEPT_FROM = 2 ** 20;
const MOST_KEPT = 2000;

/** Of each file and first byte: what the file was like, and its hash. */
const known = new Map<string, Known>();
/** What earlier processes knew; read once. */
let kept: Readonly<Record<string, Known>> | undefined;

interface Known {
  readonly stamp: string;
  readonly sha256: string;
}

/** SHA-256 of a file, read in pieces. @param start first byte that counts */
export async function hashFile(
  path: string,
  { start = 0 }: { readonly start?: number } = {},
): Promise<string> {
  try {
    const stats = await stat(path, { bigint: true });
    const stamp = stampOf(stats);
    const name = `${resolve(path)}@${start}`;
    kept ??= readKept();
    for (const earlier of [known.get(name), kept[name]]) if (earlier?.stamp === stamp) return earlier.sha256;
    const hash = createHash("sha256");
    for await (const piece of createReadStream(path, { start, highWaterMark: 1 << 20 }))
      hash.update(piece as Uint8Array);
    const sha256 = hash.digest("hex");
    known.set(name, { stamp, sha256 });
    const isWhole = stampOf(await stat(path, { bigint: true })) === stamp && isSettled(stats);
    if (isWhole && stats.size >= KEPT_FROM) await keep(name, { stamp, sha256 });
    return sha256;
  } catch (error) {
    throw new PhinetuneError(fileFault("the file cannot be read", path, error), error);
  }
}

const stampOf = ({ size, mtimeNs, ctimeNs, ino, dev }: BigIntStats) =>
  [size, mtimeNs, ctimeNs, dev, ino].join(" ");

/** Whether a further change would show in the times: clocks of file systems tick in steps, some of a second or two. */
function isSettled({ ctimeNs }: BigIntStats): boolean {
  const step = ctimeNs % 1_000_000_000n === 0n ? 2_500_000_000n : 100_000_000n;
  return BigInt(Date.now()) * 1_000_000n - ctimeNs > step;
}

const keptPath = () => join(userCacheFolder(), "hashes.json");

function readKept(): Readonly<Record<string, Known>> {
  try {
    const value: unknown = JSON.parse(readFileSync(keptPath(), "utf8"));
    if (typeof value !== "object" || value === null || Array.isArray(value)) return {};
    return Object.fromEntries(Object.entries(value).filter(([, entry]) => isKnown(entry)));
  } catch {
    return {};
  }
}

function isKnown(value: unknown): value is Known {
  const { stamp, sha256 } = (value ?? {}) as Partial<Record<keyof Known, unknown>>;
  return typeof stamp === "string" && typeof sha256 === "string" && /^[0-9a-f]{64}$/.test(sha256);
}

/** Where the cache cannot be written, the file is read again next time. */
async function keep(name: string, entry: Known): Promise<void> {
  try {
    const { [name]: _, ...others } = readKept();
    const entries = [...Object.entries(others), [name, entry] as const].slice(-MOST_KEPT);
    mkdirSync(userCacheFolder(), { recursive: true });
    await writeFileAtomically(keptPath(), JSON.stringify(Object.fromEntries(entries), undefined, 1));
  } catch {
    // Nothing depends on it.
  }
}
