// Bytes -> a file that appears under its name only when all of it is on the disk.
import { randomUUID } from "node:crypto";
import { readdirSync, rmSync, statSync } from "node:fs";
import { open, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { PhinetuneError } from "../errors.js";
import { fileFault } from "./file_error.js";

/** Name under which something is written before it gets the name `name`, in the same folder. */
export function temporaryName(name: string): string {
  return `.${name.slice(0, 100)}.${randomUUID()}.tmp`;
}

const TEMPORARY = /^\..+\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.tmp$/;

/** Removes what a killed process left half-written in a folder. @param olderThan milliseconds, where other processes may be writing */
export function removeLeftovers(
  folder: string,
  { olderThan = 0 }: { readonly olderThan?: number } = {},
): void {
  const isOld = (path: string) => {
    const stats = statSync(path, { throwIfNoEntry: false });
    return stats !== undefined && Date.now() - stats.mtimeMs >= olderThan;
  };
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (TEMPORARY.test(name) && (olderThan === 0 || isOld(path)))
      rmSync(path, { recursive: true, force: true });
  }
}

/**
 * Writes to a temporary name in the same folder, syncs, and renames; an older file of that name is replaced.
 * @param content a text (written as UTF-8), bytes, or pieces to be written one after another
 * @throws PhinetuneError when the disk is full or the folder is missing or not writable; the temporary file is removed.
 */
export async function writeFileAtomically(
  path: string,
  content: Uint8Array | string | Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, temporaryName(basename(path)));
  try {
    const file = await open(temporary, "wx");
    try {
      await writeFile(file, content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    // A fault of the pieces themselves says more.
    if (error instanceof PhinetuneError) throw error;
    throw new PhinetuneError(fileFault("the file cannot be written", path, error), error);
  }
  await syncFolder(folder);
}

/** Makes the rename itself last through a power failure; not every system lets a folder be synced. */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, "r");
    await handle.sync().finally(() => handle.close());
  } catch {
    // The file is complete under its name all the same.
  }
}
