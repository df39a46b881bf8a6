// Files of this machine -> a commit in a repository of the Hub, which is made where it does not exist; what is there already is left out.
// Source: huggingface_hub/_commit_api.py, hf_api.py (create_repo, create_commit)
import { createHash } from "node:crypto";
import { open, readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { fail, PhinetuneError } from "../errors.js";
import { hashFile } from "../formats/hash.js";
import { askCommit, isRecord } from "./api.js";
import { failStopped, send } from "./http.js";
import { askActions, type LfsFile, type LfsOptions, postJson, store } from "./lfs.js";
import { apiPath, type HubName, nameText, urlPath } from "./name.js";
import type { Transfer, TransferControl, TransferProgress } from "./progress.js";
import { type HubSettings, hubSettings } from "./settings.js";

/** A file to upload: one of this machine, or bytes. */
export interface UploadFile {
  /** In the repository. */
  readonly path: string;
  readonly size: number;
  readonly content: { readonly source: string } | { readonly bytes: Uint8Array };
  /** Leaves a file of this path alone that the repository has. */
  readonly isFallback?: boolean;
}

export interface UploadOptions extends TransferControl {
  readonly isPrivate: boolean;
  /** Headline of the commit. */
  readonly message: string;
}

export interface UploadResult {
  /** Page of the repository. */
  readonly url: string;
  /** Null where everything was there already. */
  readonly commit: string | null;
  readonly uploaded: readonly string[];
  readonly skipped: readonly string[];
  /** Whether the repository was made now. */
  readonly isNew: boolean;
}

/** Files that are on their way at the same time. */
const AT_ONCE = 4;
const INTERVAL = 100;

/** Settings with which something can be written. @throws where there is no token, or the network must not be used */
export function writingSettings({ env, settings: overrides }: TransferControl): HubSettings {
  const settings = { ...hubSettings(env), ...overrides };
  if (settings.isOffline)
    fail("hub", "nothing can be uploaded: HF_HUB_OFFLINE is set", { fix: "unset HF_HUB_OFFLINE" });
  if (settings.token === undefined)
    fail("hub", "nothing can be uploaded without a token of the Hugging Face Hub", {
      fix: `make one that may write at ${settings.endpoint}/settings/tokens, and give it by HF_TOKEN, or by hf auth login`,
    });
  return settings;
}

/** Asks the Hub whether it knows the token, before anything is worked for. */
export async function checkToken(name: HubName, control: TransferControl): Promise<void> {
  const settings = writingSettings(control);
  const url = `${settings.endpoint}/api/whoami-v2`;
  const reply = await send(settings, { url, about: name, signal: control.signal });
  if (reply.fault && reply.reason === "missing")
    fail("hub", `the Hub does not know the token from ${settings.tokenSource}`, {
      fix: `make a new one at ${settings.endpoint}/settings/tokens`,
    });
  if (reply.fault) throw new PhinetuneError(reply.fault);
  await reply.response.body?.cancel().catch(() => undefined);
}

/** Uploads. @throws with what to do; what was stored is not sent again by the next try */
export async function* uploadFiles(
  name: HubName,
  files: readonly UploadFile[],
  { isPrivate, message, ...control }: UploadOptions,
): Transfer<UploadResult> {
  const settings = writingSettings(control);
  const notes: string[] = [];
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  control.signal?.addEventListener("abort", stop, { once: true });
  if (control.signal?.aborted) stop();
  let [done, filesDone, isWhole] = [0, 0, false];
  const total = files.reduce((sum, { size }) => sum + size, 0);
  const progress = (note?: string): TransferProgress => ({
    name: nameText(name),
    direction: "up",
    done: Math.min(done, total),
    total,
    // Nothing is there before the commit is.
    filesDone: isWhole ? files.length : Math.min(filesDone, files.length - 1),
    files: files.length,
    ...(note === undefined ? {} : { note }),
  });
  const options: LfsOptions = {
    signal: stopping.signal,
    onNote: (note) => void notes.push(note),
    onBytes: (bytes) => {
      done += bytes;
    },
  };
  const onFile = () => {
    filesDone++;
  };
  const work = sendAll(settings, name, files, { isPrivate, message, options, onFile });
  const settled = work.then(
    () => true,
    () => true,
  );
  try {
    yield progress();
    for (let isDone = false; !isDone; ) {
      isDone = await Promise.race([settled, sleep(INTERVAL, false)]);
      for (const note of notes.splice(0)) yield progress(note);
      if (!isDone) yield progress();
    }
    const result = await work.catch((error: unknown) => {
      if (control.signal?.aborted) failStopped(name);
      throw error;
    });
    [done, isWhole] = [total, true];
    yield progress();
    return result;
  } finally {
    stop();
    await settled;
    control.signal?.removeEventListener("abort", stop);
  }
}

interface Sending {
  readonly isPrivate: boolean;
  readonly message: string;
  readonly options: LfsOptions;
  readonly onFile: () => void;
}

async function sendAll(
  settings: HubSettings,
  name: HubName,
  files: readonly UploadFile[],
  { isPrivate, message, options, onFile }: Sending,
): Promise<UploadResult> {
  const isNew = await createRepository(settings, name, isPrivate, options);
  if (name.revision !== "main") await createBranch(settings, name, options);
  const modes = await askModes(settings, name, files, options);
  const wanted: (UploadFile & { readonly isLarge: boolean; readonly hash: string })[] = [];
  const skipped: string[] = [];
  for (const file of files) {
    const mode = modes.get(file.path)!;
    const hash = await hashOf(file, mode.isLarge);
    if (mode.isIgnored || mode.oid === hash || (file.isFallback && mode.oid !== undefined)) {
      skipped.push(file.path);
      options.onBytes(file.size);
      onFile();
    } else wanted.push({ ...file, isLarge: mode.isLarge, hash });
  }
  const url = `${settings.endpoint}/${urlPath(name)}`;
  if (wanted.length === 0) return { url, commit: null, uploaded: [], skipped, isNew };

  const large = wanted.filter(({ isLarge }) => isLarge).map(lfsFile);
  const queue = [...(large.length > 0 ? await askActions(settings, name, large, options) : [])];
  const worker = async (): Promise<void> => {
    for (let action = queue.shift(); action; action = queue.shift()) {
      await store(settings, name, action, options);
      onFile();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));

  const lines: object[] = [{ key: "header", value: { summary: message, description: "" } }];
  for (const file of wanted) {
    const { path, size, isLarge, hash } = file;
    if (isLarge) lines.push({ key: "lfsFile", value: { path, algo: "sha256", oid: hash, size } });
    else {
      const content = Buffer.from(await bytesIn(file)).toString("base64");
      lines.push({ key: "file", value: { path, content, encoding: "base64" } });
      options.onBytes(size);
      onFile();
    }
  }
  const answer = await postJson(
    settings,
    name,
    `${settings.endpoint}/api/${apiPath(name)}/commit/${encodeURIComponent(name.revision)}`,
    lines.map((line) => `${JSON.stringify(line)}\n`).join(""),
    options,
    { "content-type": "application/x-ndjson" },
  );
  const commit = isRecord(answer) && typeof answer.commitOid === "string" ? answer.commitOid : "";
  return { url, commit, uploaded: wanted.map(({ path }) => path), skipped, isNew };
}

function lfsFile(file: UploadFile & { readonly hash: string }): LfsFile {
  const { path, size, hash, content } = file;
  if (!("source" in content))
    return fail("hub", `the Hub wants ${path} in its storage of large files`, { fix: "leave it out" });
  return { path, size, sha256: hash, source: content.source };
}

/** @returns whether it was made; one that exists serves as well */
async function createRepository(
  settings: HubSettings,
  name: HubName,
  isPrivate: boolean,
  { signal, onNote }: LfsOptions,
): Promise<boolean> {
  const [organization, repository] = name.id.split("/");
  const body = () =>
    JSON.stringify({
      name: repository,
      organization,
      type: name.kind,
      ...(isPrivate ? { private: true } : {}),
    });
  const reply = await send(settings, {
    url: `${settings.endpoint}/api/repos/create`,
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
    about: name,
    signal,
    onWait: onNote,
    accepts: [401, 403, 409],
  });
  if (reply.fault) throw new PhinetuneError(reply.fault);
  const { status, headers } = reply.response;
  await reply.response.body?.cancel().catch(() => undefined);
  if (status < 400) return true;
  // Who may not make a repository may still write to one that exists.
  if (status !== 409 && (await askCommit(settings, { ...name, revision: "main" }, { signal })).refusal) {
    const said = headers.get("x-error-message");
    fail(
      "hub",
      `${name.id} cannot be made with the token from ${settings.tokenSource}${said ? `: ${said.slice(0, 300)}` : ""}`,
      {
        fix: `use a token that may write to ${organization}: ${settings.endpoint}/settings/tokens`,
      },
    );
  }
  return false;
}

/** A branch from main, unless it is there. */
async function createBranch(
  settings: HubSettings,
  name: HubName,
  { signal, onNote }: LfsOptions,
): Promise<void> {
  const reply = await send(settings, {
    url: `${settings.endpoint}/api/${apiPath(name)}/branch/${encodeURIComponent(name.revision)}`,
    method: "POST",
    headers: { "content-type": "application/json" },
    body: () => "{}",
    about: name,
    signal,
    onWait: onNote,
    accepts: [409],
  });
  if (reply.fault) throw new PhinetuneError(reply.fault);
  await reply.response.body?.cancel().catch(() => undefined);
}

interface Mode {
  readonly isLarge: boolean;
  readonly isIgnored: boolean;
  /** Hash of the file of this path that is there. */
  readonly oid: string | undefined;
}

/** Bytes by which the Hub tells text from data. */
const SAMPLE = 512;

async function askModes(
  settings: HubSettings,
  name: HubName,
  files: readonly UploadFile[],
  options: LfsOptions,
): Promise<ReadonlyMap<string, Mode>> {
  const url = `${settings.endpoint}/api/${apiPath(name)}/preupload/${encodeURIComponent(name.revision)}`;
  const described = [];
  for (const file of files)
    described.push({ path: file.path, size: file.size, sample: (await startOf(file)).toString("base64") });
  const json = await postJson(settings, name, url, { files: described }, options);
  const listed = isRecord(json) && Array.isArray(json.files) ? (json.files as readonly unknown[]) : [];
  const modes = new Map<string, Mode>();
  for (const entry of listed) {
    if (!isRecord(entry) || typeof entry.path !== "string") continue;
    const size = files.find(({ path }) => path === entry.path)?.size;
    // Nothing cannot be stored as a large file.
    const isLarge = entry.uploadMode === "lfs" && size !== 0;
    const oid = typeof entry.oid === "string" ? entry.oid : undefined;
    modes.set(entry.path, { isLarge, isIgnored: entry.shouldIgnore === true, oid });
  }
  const missing = files.filter(({ path }) => !modes.has(path));
  if (missing.length > 0)
    fail("hub", `the Hub does not say how it wants ${missing.map(({ path }) => path).join(", ")}`, {
      where: url,
      fix: "check HF_ENDPOINT",
    });
  return modes;
}

async function startOf({ content }: UploadFile): Promise<Buffer> {
  if ("bytes" in content) return Buffer.from(content.bytes.subarray(0, SAMPLE));
  const handle = await open(content.source, "r");
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(SAMPLE), 0, SAMPLE, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** As the Hub names content: SHA-256 of large files, git's hash of others. */
async function hashOf(file: UploadFile, isLarge: boolean): Promise<string> {
  const { content } = file;
  if (isLarge && "source" in content) return hashFile(content.source);
  const bytes = await bytesIn(file);
  return isLarge
    ? createHash("sha256").update(bytes).digest("hex")
    : createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
}

async function bytesIn({ content }: UploadFile): Promise<Uint8Array> {
  return "bytes" in content ? content.bytes : readFile(content.source);
}
