// The name of a model or an adapter -> a local folder: a path as it is, or a snapshot in the cache, downloaded where it is missing.
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { PhinetuneError } from "../errors.js";
import { askCommit, askFiles, orThrow } from "./api.js";
import { cachedSnapshot, isFolder, snapshotFolder, writeRef } from "./cache.js";
import type { Refusal } from "./failure.js";
import { hubNameOf, noPathFault, offlineFault, refusedFault } from "./local.js";
import { isCompleteModel, type ModelPart, modelFiles } from "./model_files.js";
import { type HubName, isCommit, nameText } from "./name.js";
import type { Transfer, TransferControl, TransferProgress } from "./progress.js";
import { type HubSettings, hubSettings } from "./settings.js";
import { fetchSnapshot } from "./snapshot.js";

/**
 * The folder of a model. A local folder goes before a name of the Hub.
 * @param part `config` where the weights are not needed
 * @throws with what to do when neither path, Hub nor cache has it
 */
export function resolveModel(
  name: string,
  { part = "model", ...control }: TransferControl & { readonly part?: "model" | "config" } = {},
): Transfer<string> {
  return resolveFolder(name, part, control);
}

/** The folder of a PEFT adapter, in the same way. */
export function resolveAdapter(name: string, control: TransferControl = {}): Transfer<string> {
  return resolveFolder(name, "adapter", control);
}

async function* resolveFolder(
  given: string,
  part: ModelPart,
  { env, settings: overrides, signal }: TransferControl,
): Transfer<string> {
  if (isFolder(given)) return resolve(given);
  const noun = part === "adapter" ? "adapter" : "model";
  const name = hubNameOf(given, "model");
  if (!name) throw new PhinetuneError(noPathFault(given, noun));
  const settings = { ...hubSettings(env), ...overrides };
  const folder = cachedSnapshot(settings, name);
  const cached = folder !== undefined && isCompleteModel(folder, part) ? folder : undefined;
  if (settings.isOffline) {
    if (cached !== undefined) return cached;
    throw new PhinetuneError(offlineFault(given, noun, settings));
  }
  // A commit never changes; but another program may have fetched the weights alone.
  const isWhole = cached !== undefined && (part !== "model" || existsSync(join(cached, "tokenizer.json")));
  if (isWhole && isCommit(name.revision)) return cached;
  return yield* fetchModel(settings, name, part, signal, (refusal) => {
    if (cached !== undefined && refusal.reason !== "revision") return cached;
    throw new PhinetuneError(refusedFault(given, noun, refusal.fault));
  });
}

/** @param otherwise gives the folder to take where the Hub gives none */
async function* fetchModel(
  settings: HubSettings,
  name: HubName,
  part: ModelPart,
  signal: AbortSignal | undefined,
  otherwise: (refusal: Refusal) => string,
): Transfer<string> {
  const notes: string[] = [];
  const options = { signal, onWait: (note: string) => void notes.push(note) };
  const revision = await askCommit(settings, name, options);
  yield* noted(name, notes);
  if (revision.refusal) {
    const folder = otherwise(revision.refusal);
    yield note(name, `${revision.refusal.fault.what}: what the cache has is taken`);
    return folder;
  }
  const { commit, currentId } = revision.value;
  if (currentId !== name.id) yield note(name, `${name.id} is called ${currentId} now`);
  const files = orThrow(await askFiles(settings, name, commit, { ...options, isDeep: false }));
  yield* noted(name, notes);
  yield* fetchSnapshot(settings, name, commit, modelFiles(files, part, name), signal);
  await writeRef(settings, name, commit);
  return snapshotFolder(settings, name, commit);
}

/** A word beside the progress. */
export function note(name: HubName, text: string): TransferProgress {
  return {
    name: nameText(name),
    direction: "down",
    done: 0,
    total: 0,
    filesDone: 0,
    files: 0,
    note: text,
  };
}

/** What had to be waited for. */
export function* noted(name: HubName, notes: string[]): Generator<TransferProgress> {
  for (const text of notes.splice(0)) yield note(name, text);
}
