// Files of weights -> one folder and names below it, the form in which onnxruntime takes references to external data.
import { realpathSync } from "node:fs";
import { dirname, relative, sep } from "node:path";
import { fail, PhinetuneError } from "../errors.js";
import { fileFault } from "../formats/file_error.js";

export interface Location {
  /** The folder that holds all files, links followed; undefined without files. */
  readonly folder: string | undefined;
  /** A file's path relative to the folder, with forward slashes. */
  readonly locate: (file: string) => string;
}

/** Finds the deepest folder above all files. onnxruntime refuses references that leave it, so links are resolved first. */
export function locateFiles(files: readonly string[]): Location {
  const real = new Map([...new Set(files)].map((file) => [file, realPath(file)]));
  let folder: string | undefined;
  for (const path of real.values()) {
    folder ??= dirname(path);
    while (relative(folder, path).startsWith("..")) {
      const parent = dirname(folder);
      if (parent === folder)
        fail("weights", `${path} and the other weight files lie on different drives`, {
          fix: "put them into one folder",
        });
      folder = parent;
    }
  }
  return { folder, locate: (file) => relative(folder!, real.get(file)!).split(sep).join("/") };
}

function realPath(file: string): string {
  try {
    return realpathSync(file);
  } catch (error) {
    throw new PhinetuneError(fileFault("the weights cannot be read", file, error), error);
  }
}
