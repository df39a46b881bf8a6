// A file of a repository -> its bytes in the cache, going on where an earlier try broke off, checked against size and hash.
import { createHash, type Hash } from "node:crypto";
import { createReadStream, existsSync } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fail, PhinetuneError } from "../errors.js";
import type { RepoFile } from "./api.js";
import { blobPath, inCache, lockPath } from "./cache.js";
import { plainUrl, unreachableFault } from "./failure.js";
import { failStopped, piecesOf, send } from "./http.js";
import { withLock } from "./lock.js";
import { type HubName, urlPath } from "./name.js";
import type { HubSettings } from "./settings.js";

export interface BlobOptions {
  readonly signal?: AbortSignal | undefined;
  /** Bytes that have come since the last time; negative where bytes turn out to be of no use. */
  readonly onBytes: (bytes: number) => void;
  readonly onNote: (note: string) => void;
}

/** Tries in a row that bring no byte. */
const MAX_EMPTY_TRIES = 5;

/** Name of what is not complete yet; huggingface_hub has other names for its own, so neither spoils the other's. */
export const partialPath = (blob: string): string => `${blob}.phinetune.incomplete`;

/** Downloads a blob unless it is there. @throws PhinetuneError, with what has come kept for the next try */
export async function fetchBlob(
  settings: HubSettings,
  name: HubName,
  commit: string,
  file: RepoFile,
  options: BlobOptions,
): Promise<void> {
  const path = blobPath(settings, name, file.blob);
  const lock = lockPath(settings, name, file.blob);
  const onBusy = () => options.onNote(`another process downloads ${file.path}: waiting for it`);
  await inCache(path, () =>
    withLock(lock, { signal: options.signal, onBusy }, async () => {
      if (existsSync(path)) return options.onBytes(file.size);
      await mkdir(dirname(path), { recursive: true });
      await fetchWhole(settings, name, commit, file, options);
      await rename(partialPath(path), path);
    }),
  ).catch((error: unknown) => {
    if (options.signal?.aborted) failStopped(name);
    throw error;
  });
}

/** Fills the partial file until size and hash are right. */
async function fetchWhole(
  settings: HubSettings,
  name: HubName,
  commit: string,
  file: RepoFile,
  options: BlobOptions,
): Promise<void> {
  const partial = partialPath(blobPath(settings, name, file.blob));
  const path = file.path.split("/").map(encodeURIComponent).join("/");
  const url = `${settings.endpoint}/${urlPath(name)}/resolve/${commit}/${path}`;
  let [emptyTries, furthest, isSecond] = [0, 0, false];
  for (;;) {
    const hash = hashOf(file);
    const start = await readPartial(partial, file, hash);
    options.onBytes(start);
    furthest = Math.max(furthest, start);
    const { end, error, restarts } = await fetchRest({
      settings,
      name,
      file,
      options,
      url,
      partial,
      hash,
      start,
    });
    if (end === file.size && hash.digest("hex") === file.blob) return;
    options.onBytes(-end);
    if (end === file.size) {
      await rm(partial, { force: true });
      if (isSecond)
        fail("hub", `${file.path} came twice with another hash than the ${file.blob} that the Hub names`, {
          where: plainUrl(url),
          fix: "try again later; if it stays, something between here and the Hub changes files",
        });
      isSecond = true;
      options.onNote(`${file.path} came damaged: it is fetched once more`);
      continue;
    }
    if (restarts) continue;
    emptyTries = end > furthest ? 0 : emptyTries + 1;
    if (emptyTries >= MAX_EMPTY_TRIES)
      throw new PhinetuneError(unreachableFault(error, settings, { url, about: name }).fault, error);
    const wait = settings.firstWait * 2 ** Math.min(emptyTries, 3);
    options.onNote(`the connection broke at byte ${end} of ${file.path}: going on in ${wait / 1000} s`);
    await sleep(wait, undefined, options.signal ? { signal: options.signal } : {});
  }
}

/** Git's hash is over a header as well. */
function hashOf({ blob, size }: RepoFile): Hash {
  return blob.length === 64 ? createHash("sha256") : createHash("sha1").update(`blob ${size}\0`);
}

/** Puts what an earlier try left into the hash. @returns its bytes; 0 where it is too long to be right */
async function readPartial(partial: string, { size }: RepoFile, hash: Hash): Promise<number> {
  const length = (await stat(partial).catch(() => undefined))?.size ?? 0;
  if (length > size) {
    await rm(partial);
    return 0;
  }
  if (length > 0)
    for await (const piece of createReadStream(partial, { end: length - 1, highWaterMark: 1 << 20 }))
      hash.update(piece as Uint8Array);
  return length;
}

interface Rest {
  readonly settings: HubSettings;
  readonly name: HubName;
  readonly file: RepoFile;
  readonly options: BlobOptions;
  readonly url: string;
  readonly partial: string;
  readonly hash: Hash;
  /** Bytes that are there. */
  readonly start: number;
}

/** One request for what is missing. @returns where the file ends now, and what broke; `restarts` where it is empty again */
async function fetchRest(
  rest: Rest,
): Promise<{ readonly end: number; readonly error?: unknown; readonly restarts?: boolean }> {
  const { settings, name, file, options, url, partial, hash, start } = rest;
  const handle = await open(partial, start > 0 ? "r+" : "w");
  let end = start;
  try {
    if (start === file.size) return { end };
    const reply = await send(settings, {
      url,
      about: name,
      signal: options.signal,
      headers: { "accept-encoding": "identity", ...(start > 0 ? { range: `bytes=${start}-` } : {}) },
      accepts: [416],
      isPatient: true,
      onWait: (note) => options.onNote(`${file.path}: ${note}`),
    });
    if (reply.fault) throw new PhinetuneError(reply.fault);
    const { response } = reply;
    if (start > 0 && !continues(response, start)) {
      // The server sends all of it, or another part: from the start then.
      await response.body?.cancel().catch(() => undefined);
      await handle.truncate(0);
      return { end: start, restarts: true };
    }
    for await (const piece of piecesOf(response, settings.idleLimit)) {
      if (end + piece.length > file.size)
        fail("hub", `${file.path} has more bytes than the ${file.size} that the Hub names`, {
          where: plainUrl(url),
          fix: "try again later",
        });
      await writeAll(handle, piece, end);
      hash.update(piece);
      end += piece.length;
      options.onBytes(piece.length);
    }
    return { end, error: new Error("the connection was closed before the end of the file") };
  } catch (error) {
    // What the network breaks is tried again; faults of ours and of the disk are not.
    if (error instanceof PhinetuneError || (error as NodeJS.ErrnoException).path !== undefined) throw error;
    if (options.signal?.aborted || isOfDisk(error)) throw error;
    return { end, error };
  } finally {
    await handle.close();
  }
}

function continues(response: Response, start: number): boolean {
  const range = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "");
  return response.status === 206 && range !== null && Number(range[1]) === start;
}

function isOfDisk(error: unknown): boolean {
  return ["ENOSPC", "EDQUOT", "EIO", "EFBIG", "EROFS"].includes((error as NodeJS.ErrnoException).code ?? "");
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
