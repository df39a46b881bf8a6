// The folder that an export is to fill -> whether it is new.
import { readdir } from "node:fs/promises";
import { fail } from "../errors.js";

/** Nothing that is there already is written over. @throws PhinetuneError where the folder holds anything, or is a file */
export async function checkNewFolder(folder: string): Promise<void> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    return fail("file", `--output cannot be used as a folder: ${error.message}`, {
      where: folder,
      cause: error,
    });
  });
  if (names.length > 0)
    fail("usage", `the folder that --output names holds ${names.length} files or folders`, {
      where: folder,
      fix: "choose a new one, or empty it",
    });
}
