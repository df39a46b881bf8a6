// Options, model and data of a run -> run.json: what is needed to know what was done, and to do it again.
import { readdirSync, statSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { hashFile } from "../formats/hash.js";
import type { TensorEntry } from "../formats/tensor.js";
import { runtimeVersion } from "../runtime/session.js";
import { ownVersion } from "./version.js";

export interface Manifest {
  /** All options with their defaults. */
  readonly options: object;
  readonly versions: { readonly phinetune: string; readonly node: string; readonly onnxruntime: string };
  readonly device: { readonly kind: "cpu"; readonly model: string; readonly cores: number };
  /** Path -> SHA-256 in hexadecimal: of each weight file, of tokenizer.json, of the data files. */
  readonly hashes: Readonly<Record<string, string>>;
  /** Figures of the rows. */
  readonly data: object;
}

/** A file as it is; of a folder, the files in it. */
function filesAt(path: string): readonly string[] {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) return [path];
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map(({ name }) => join(path, name))
    .sort();
}

/** Files that hold the tensors, each once. */
export function weightFiles(tensors: ReadonlyMap<string, TensorEntry>): readonly string[] {
  return [...new Set([...tensors.values()].map(({ file }) => file))].sort();
}

/** Puts the manifest together. @param files files, or folders of files, whose hashes are kept @param data figures of the rows */
export async function createManifest(
  options: object,
  files: readonly string[],
  data: object,
): Promise<Manifest> {
  const hashes: Record<string, string> = {};
  for (const path of files.flatMap(filesAt)) hashes[path] = await hashFile(path);
  const processors = cpus();
  return {
    options,
    versions: { phinetune: ownVersion(), node: process.version, onnxruntime: await runtimeVersion() },
    device: { kind: "cpu", model: processors[0]?.model.trim() ?? "unknown", cores: processors.length },
    hashes,
    data,
  };
}
