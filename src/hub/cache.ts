// The cache of Python's huggingface_hub: blobs named by their content, snapshots of links to them, refs from names to commits.
// Source: https://huggingface.co/docs/huggingface_hub/guides/manage-cache, huggingface_hub/file_download.py
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { copyFile, link, mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { PhinetuneError } from "../errors.js";
import { fileFault } from "../formats/file_error.js";
import { folderName, type HubName, isCommit, type RepoKind } from "./name.js";
import type { HubSettings } from "./settings.js";

/** Where the cache keeps a repository. */
export function repoFolder({ cache }: Pick<HubSettings, "cache">, name: HubName): string {
  return join(cache, folderName(name));
}

export function snapshotFolder(settings: Pick<HubSettings, "cache">, name: HubName, commit: string): string {
  return join(repoFolder(settings, name), "snapshots", commit);
}

export function blobPath(settings: Pick<HubSettings, "cache">, name: HubName, blob: string): string {
  return join(repoFolder(settings, name), "blobs", blob);
}

/** The lock of a blob. Python locks `<blob>.lock` by flock, which Node has not; so ours has another name. */
export function lockPath({ cache }: Pick<HubSettings, "cache">, name: HubName, blob: string): string {
  return join(cache, ".locks", folderName(name), `${blob}.owner`);
}

/** The commit that the cache knows a revision by. */
export function cachedCommit(settings: Pick<HubSettings, "cache">, name: HubName): string | undefined {
  if (isCommit(name.revision)) return name.revision;
  try {
    const commit = readFileSync(
      join(repoFolder(settings, name), "refs", ...name.revision.split("/")),
      "utf8",
    );
    return isCommit(commit.trim()) ? commit.trim() : undefined;
  } catch {
    return undefined;
  }
}

/** The folder of a cached snapshot, if there is one. */
export function cachedSnapshot(settings: Pick<HubSettings, "cache">, name: HubName): string | undefined {
  const commit = cachedCommit(settings, name);
  const folder = commit === undefined ? undefined : snapshotFolder(settings, name, commit);
  return folder !== undefined && isFolder(folder) ? folder : undefined;
}

/** Names of the models or data sets of which the cache has a snapshot. */
export function cachedNames(kind: RepoKind, { cache }: Pick<HubSettings, "cache">): readonly string[] {
  if (!isFolder(cache)) return [];
  const prefix = `${kind}s--`;
  return readdirSync(cache)
    .filter((entry) => entry.startsWith(prefix) && isFolder(join(cache, entry, "snapshots")))
    .map((entry) => entry.slice(prefix.length).replaceAll("--", "/"))
    .sort();
}

export function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** Says that a revision stands for a commit, as Python does. */
export async function writeRef(settings: HubSettings, name: HubName, commit: string): Promise<void> {
  if (name.revision === commit || cachedCommit(settings, name) === commit) return;
  const path = join(repoFolder(settings, name), "refs", ...name.revision.split("/"));
  await inCache(path, async () => {
    await mkdir(dirname(path), { recursive: true });
    const temporary = `${path}.${randomUUID().slice(0, 8)}.tmp`;
    await writeFile(temporary, commit);
    await rename(temporary, path);
  });
}

/** The mark by which programs for backups know a cache. Source: https://bford.info/cachedir/ */
const TAG =
  "Signature: 8a477f597d28d172789f06886806bc55\n# This file marks a cache of Hugging Face models.\n";

export function makeCache(cache: string): void {
  try {
    mkdirSync(cache, { recursive: true });
    const tag = join(cache, "CACHEDIR.TAG");
    if (!existsSync(tag)) writeFileSync(tag, TAG);
  } catch (error) {
    throw new PhinetuneError(fileFault("the cache cannot be written", cache, error), error);
  }
}

/** Makes a file of a snapshot: a relative link to its blob or, where there can be none, a hard link, or else a copy. @returns whether it is a copy */
export async function addToSnapshot(
  settings: HubSettings,
  name: HubName,
  commit: string,
  { path, blob }: { readonly path: string; readonly blob: string },
): Promise<boolean> {
  const from = blobPath(settings, name, blob);
  const to = join(snapshotFolder(settings, name, commit), ...path.split("/"));
  return inCache(to, async () => {
    await mkdir(dirname(to), { recursive: true });
    const temporary = join(dirname(to), `.${randomUUID()}.tmp`);
    try {
      const isLink =
        (settings.mayLink && (await works(symlink(relative(dirname(to), from), temporary)))) ||
        (await works(link(from, temporary)));
      if (!isLink) await copyFile(from, temporary);
      await rename(temporary, to);
      return !isLink;
    } finally {
      await rm(temporary, { force: true });
    }
  });
}

/** Windows lets only some users make links, and some disks have none. */
function works(action: Promise<void>): Promise<boolean> {
  return action.then(
    () => true,
    () => false,
  );
}

/** Removes blobs that copies stand for. */
export async function dropBlobs(
  settings: HubSettings,
  name: HubName,
  blobs: Iterable<string>,
): Promise<void> {
  for (const blob of blobs) await rm(blobPath(settings, name, blob), { force: true });
}

/** Does something to the cache. @throws in words */
export async function inCache<Result>(path: string, action: () => Promise<Result>): Promise<Result> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof PhinetuneError || (error as NodeJS.ErrnoException).syscall === undefined)
      throw error;
    throw new PhinetuneError(fileFault("the cache cannot be written", path, error), error);
  }
}
