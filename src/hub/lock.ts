// A path -> an action that only one process at a time does: a file that its owner keeps young, and that is taken over when its owner is gone.
import { randomUUID } from "node:crypto";
import { link, mkdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export interface LockOptions {
  readonly signal?: AbortSignal | undefined;
  /** Is told once when another process has the lock. */
  readonly onBusy?: () => void;
  /** Milliseconds after which a lock that nobody keeps young is free; its owner touches it five times as often. */
  readonly staleAfter?: number;
  /** Milliseconds between two looks. */
  readonly interval?: number;
}

interface Owner {
  readonly pid: number;
  readonly host: string;
  readonly id: string;
}

/** Waits for the lock, acts, and frees it. @throws what the action throws, and when waiting is aborted */
export async function withLock<Result>(
  path: string,
  options: LockOptions,
  action: () => Promise<Result>,
): Promise<Result> {
  const { signal, onBusy, staleAfter = 60_000, interval = 200 } = options;
  await mkdir(dirname(path), { recursive: true });
  const own: Owner = { pid: process.pid, host: hostname(), id: randomUUID() };
  for (let isFirst = true; !(await acquire(path, own, staleAfter)); isFirst = false) {
    if (isFirst) onBusy?.();
    await sleep(interval, undefined, signal ? { signal } : {});
  }
  const beat = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => undefined);
  }, staleAfter / 5);
  try {
    return await action();
  } finally {
    clearInterval(beat);
    if ((await ownerOf(path))?.id === own.id) await rm(path, { force: true });
  }
}

async function acquire(path: string, own: Owner, staleAfter: number): Promise<boolean> {
  if (await create(path, own)) return true;
  const owner = await ownerOf(path);
  if (!(await isStale(path, owner, staleAfter))) return false;
  // Taken away under a name of its own; where it was another's in the meantime, it is put back.
  const away = `${path}.${own.id}`;
  try {
    await rename(path, away);
    if ((await ownerOf(away))?.id !== owner?.id) await link(away, path).catch(() => undefined);
    await rm(away, { force: true });
  } catch {
    // Somebody else was faster.
  }
  return create(path, own);
}

async function create(path: string, own: Owner): Promise<boolean> {
  try {
    await writeFile(path, JSON.stringify(own), { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

async function ownerOf(path: string): Promise<Partial<Owner> | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as Partial<Owner>;
  } catch {
    // Gone, or its owner is just writing it.
    return undefined;
  }
}

/** Nobody keeps it young, or its owner was a process of this machine that has ended. */
async function isStale(
  path: string,
  owner: Partial<Owner> | undefined,
  staleAfter: number,
): Promise<boolean> {
  const stats = await stat(path).catch(() => undefined);
  if (!stats) return false;
  if (Date.now() - stats.mtimeMs > staleAfter) return true;
  return owner?.host === hostname() && typeof owner.pid === "number" && !isRunning(owner.pid);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
