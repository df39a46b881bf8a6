// Files of a repository at a commit -> a folder of the cache that holds them, several downloaded at once.
import { existsSync } from "node:fs";
import { stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Fault, fail, failIfAny } from "../errors.js";
import type { RepoFile } from "./api.js";
import { fetchBlob, partialPath } from "./blob.js";
import {
  addToSnapshot,
  blobPath,
  dropBlobs,
  inCache,
  makeCache,
  repoFolder,
  snapshotFolder,
} from "./cache.js";
import { failStopped } from "./http.js";
import { type HubName, isSafePath, nameText } from "./name.js";
import type { Transfer } from "./progress.js";
import type { HubSettings } from "./settings.js";

/** Files that are on their way at the same time. */
const AT_ONCE = 4;
/** Milliseconds between two words about the progress. */
const INTERVAL = 100;

/**
 * Downloads what is missing. The snapshot gets its files when all of them are complete, so that it never looks whole before it is; that the revision stands for the commit is for the caller to write.
 * @throws PhinetuneError when a name leads elsewhere, the disk is too small, or the network gives up; what has come is kept
 */
export async function* fetchSnapshot(
  settings: HubSettings,
  name: HubName,
  commit: string,
  files: readonly RepoFile[],
  signal?: AbortSignal,
): Transfer<string> {
  failIfAny(files.flatMap(({ path }) => (isSafePath(path) ? [] : [unsafe(path, name)])));
  const folder = snapshotFolder(settings, name, commit);
  const missing = files.filter(({ path }) => !existsSync(join(folder, ...path.split("/"))));
  if (missing.length > 0) {
    makeCache(settings.cache);
    const blobs = new Map(missing.map((file) => [file.blob, file]));
    const wanted = [...blobs.values()].filter(({ blob }) => !existsSync(blobPath(settings, name, blob)));
    if (wanted.length > 0) {
      await checkDisk(settings, name, wanted);
      yield* fetchBlobs(settings, name, commit, wanted, signal);
    }
    const copied = new Set<string>();
    for (const file of missing) if (await addToSnapshot(settings, name, commit, file)) copied.add(file.blob);
    // Those that were there before may belong to another snapshot.
    await dropBlobs(
      settings,
      name,
      wanted.flatMap(({ blob }) => (copied.has(blob) ? [blob] : [])),
    );
  }
  return folder;
}

function unsafe(path: string, name: HubName): Fault {
  return {
    code: "hub",
    what: `${name.id} names a file that would lie outside of its folder: ${JSON.stringify(path.slice(0, 200))}`,
    fix: "do not trust this repository",
  };
}

async function* fetchBlobs(
  settings: HubSettings,
  name: HubName,
  commit: string,
  files: readonly RepoFile[],
  signal: AbortSignal | undefined,
): Transfer<void> {
  const total = files.reduce((sum, { size }) => sum + size, 0);
  let [done, filesDone, isDone] = [0, 0, false];
  const notes: string[] = [];
  const progress = (note?: string) => ({
    name: nameText(name),
    direction: "down" as const,
    done,
    total,
    filesDone: isDone ? filesDone : Math.min(filesDone, files.length - 1),
    files: files.length,
    ...(note === undefined ? {} : { note }),
  });
  // One that fails, or a caller who has gone, stops all.
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  signal?.addEventListener("abort", stop, { once: true });
  if (signal?.aborted) stop();
  const options = {
    signal: stopping.signal,
    onBytes: (bytes: number) => {
      done += bytes;
    },
    onNote: (note: string) => void notes.push(note),
  };
  const faults: unknown[] = [];
  const queue = [...files].sort((a, b) => b.size - a.size);
  const worker = async (): Promise<void> => {
    for (let file = queue.shift(); file && !stopping.signal.aborted; file = queue.shift()) {
      try {
        await fetchBlob(settings, name, commit, file, options);
        filesDone++;
      } catch (error) {
        faults.push(error);
        stop();
      }
    }
  };
  const all = Promise.all(Array.from({ length: AT_ONCE }, worker)).then(() => true);
  try {
    yield progress();
    while (!isDone) {
      isDone = await Promise.race([all, sleep(INTERVAL, false)]);
      for (const note of notes.splice(0)) yield progress(note);
      yield progress();
    }
  } finally {
    stop();
    await all;
    signal?.removeEventListener("abort", stop);
  }
  if (signal?.aborted) failStopped(name);
  if (faults.length > 0) throw faults[0];
}

/** Refuses what cannot fit, before anything is fetched. */
async function checkDisk(settings: HubSettings, name: HubName, files: readonly RepoFile[]): Promise<void> {
  let needed = 0;
  for (const { blob, size } of files) {
    const partial = await stat(partialPath(blobPath(settings, name, blob))).catch(() => undefined);
    needed += Math.max(0, size - (partial?.size ?? 0));
  }
  const { bavail, bsize } = await inCache(settings.cache, () => statfs(settings.cache));
  const free = bavail * bsize;
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
  if (needed > free)
    fail(
      "hub",
      `${nameText(name)} needs ${gigabytes(needed)}, and the disk of the cache has ${gigabytes(free)} free`,
      {
        where: repoFolder(settings, name),
        fix: "free some space, or set HF_HOME to a folder on another disk",
      },
    );
}
