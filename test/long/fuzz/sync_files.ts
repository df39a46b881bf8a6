// The functions of node:fs/promises with which files are read, done at once instead of in the thread pool.
// An input needs about ten of them, and on a busy machine each would wait for a processor.
import {
  accessSync,
  closeSync,
  fstatSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
} from "node:fs";
import type * as promises from "node:fs/promises";

/** What the readers use of a file's handle. */
function handleOf(file: number) {
  return {
    stat: async () => fstatSync(file),
    read: async (bytes: Uint8Array, offset: number, length: number, position: number) => ({
      bytesRead: readSync(file, bytes, offset, length, position),
    }),
    sync: async () => fsyncSync(file),
    close: async () => closeSync(file),
  };
}

/** To be put over the real functions; a file is opened in another way only for reading. */
export const syncFiles = (real: typeof promises) => ({
  readFile: async (...args: Parameters<typeof readFileSync>) => readFileSync(...args),
  stat: async (path: string) => statSync(path),
  readdir: async (path: string) => readdirSync(path),
  access: async (path: string) => accessSync(path),
  open: async (path: string, flags: string) =>
    flags === "r" ? handleOf(openSync(path, flags)) : real.open(path, flags),
});
