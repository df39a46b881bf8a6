// Files -> SHA-256 in hexadecimal; a file that has not changed since is not read again.
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { PhinetuneError } from "../errors.js";
import { fileFault } from "./file_error.js";

const known = new Map<string, string>();

/** SHA-256 of a file, read in pieces. */
export async function hashFile(path: string): Promise<string> {
  try {
    const { size, mtimeMs, ino } = await stat(path);
    const key = [path, size, mtimeMs, ino].join("\0");
    const earlier = known.get(key);
    if (earlier !== undefined) return earlier;
    const hash = createHash("sha256");
    for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 }))
      hash.update(piece as Uint8Array);
    const digest = hash.digest("hex");
    known.set(key, digest);
    return digest;
  } catch (error) {
    throw new PhinetuneError(fileFault("the file cannot be read", path, error), error);
  }
}
