// The name of a repository -> the commit that its revision stands for, and the files in it: the Hub's JSON, read as from a stranger.
import { type Fault, PhinetuneError } from "../errors.js";
import { parseJson } from "../formats/json.js";
import { plainUrl, type Refusal } from "./failure.js";
import { bytesOf, send } from "./http.js";
import { apiPath, type HubName, isCommit } from "./name.js";
import type { HubSettings } from "./settings.js";

/** A file of a repository at a commit. */
export interface RepoFile {
  /** With forward slashes. It is the server's word: `isSafePath` decides whether it may be followed. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** Name of its content, which the cache files it under: SHA-256 of what Git LFS holds, else git's SHA-1 of the blob. */
  readonly blob: string;
}

export interface AskOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onWait?: (note: string) => void;
}

/** A value, or why there is none. */
export type Asked<Value> =
  | { readonly value: Value; readonly refusal?: undefined }
  | { readonly value?: undefined; readonly refusal: Refusal };

/** Bytes of one answer of the API; a page of a listing has at most 1,000 entries. */
const MAX_ANSWER = 16 * 1024 * 1024;
const MAX_PAGES = 200;

/** The value, or an error. */
export function orThrow<Value>(asked: Asked<Value>): Value {
  if (asked.refusal) throw new PhinetuneError(asked.refusal.fault);
  return asked.value;
}

/** The commit of a revision; also what the repository is called now, where it was renamed. */
export async function askCommit(
  settings: HubSettings,
  name: HubName,
  options: AskOptions = {},
): Promise<Asked<{ readonly commit: string; readonly currentId: string }>> {
  const url = `${settings.endpoint}/api/${apiPath(name)}/revision/${encodeURIComponent(name.revision)}`;
  const asked = await askJson(settings, name, url, options);
  if (asked.refusal) return asked;
  const { json } = asked.value;
  const { sha, id } = isRecord(json) ? json : {};
  if (typeof sha !== "string" || !isCommit(sha)) return malformed(url, "it names no commit");
  return { value: { commit: sha, currentId: typeof id === "string" ? id : name.id } };
}

/** The files at a commit. @param isDeep those in folders as well */
export async function askFiles(
  settings: HubSettings,
  name: HubName,
  commit: string,
  { isDeep, ...options }: AskOptions & { readonly isDeep: boolean },
): Promise<Asked<readonly RepoFile[]>> {
  const first = `${settings.endpoint}/api/${apiPath(name)}/tree/${commit}?recursive=${isDeep}&expand=false`;
  const files: RepoFile[] = [];
  const seen = new Set<string>();
  for (let url: string | undefined = first; url !== undefined; ) {
    if (seen.has(url)) return malformed(url, "its pages go round in a circle");
    seen.add(url);
    if (seen.size > MAX_PAGES) return malformed(url, `it has more than ${MAX_PAGES} pages`);
    const asked: Asked<{ json: unknown; next: string | undefined }> = await askJson(
      settings,
      name,
      url,
      options,
    );
    if (asked.refusal) return asked;
    const parsed = parseTree(asked.value.json);
    if (typeof parsed === "string") return malformed(url, parsed);
    files.push(...parsed);
    url = asked.value.next;
    if (url !== undefined && new URL(url).origin !== new URL(settings.endpoint).origin)
      return malformed(url, "its next page is on another server");
  }
  return { value: files };
}

/** The files of one page of a listing, or what is wrong with it. */
export function parseTree(json: unknown): readonly RepoFile[] | string {
  if (!Array.isArray(json)) return "a listing of files must be a list";
  const files: RepoFile[] = [];
  for (const [i, entry] of (json as readonly unknown[]).entries()) {
    if (!isRecord(entry) || typeof entry.path !== "string" || entry.path === "")
      return `entry ${i} of its listing has no path`;
    if (entry.type !== "file") continue;
    const lfs = isRecord(entry.lfs) ? entry.lfs : undefined;
    const [blob, size] = lfs ? [lfs.oid, lfs.size] : [entry.oid, entry.size];
    if (typeof blob !== "string" || !(lfs ? /^[0-9a-f]{64}$/ : /^[0-9a-f]{40}$/).test(blob))
      return `the hash of ${JSON.stringify(entry.path.slice(0, 200))} is ${lfs ? "no SHA-256" : "no SHA-1"}`;
    if (!(Number.isSafeInteger(size) && (size as number) >= 0))
      return `the size of ${JSON.stringify(entry.path.slice(0, 200))} is no number of bytes`;
    files.push({ path: entry.path, size: size as number, blob });
  }
  return files;
}

/** Asks for JSON. */
async function askJson(
  settings: HubSettings,
  about: HubName,
  url: string,
  { signal, onWait }: AskOptions,
): Promise<Asked<{ readonly json: unknown; readonly next: string | undefined }>> {
  const reply = await send(settings, { url, about, signal, ...(onWait ? { onWait } : {}) });
  if (reply.fault) return { refusal: reply };
  const bytes = await bytesOf(reply.response, MAX_ANSWER, settings.idleLimit).catch((error: Error) => error);
  if (bytes === undefined) return malformed(url, `it has more than ${MAX_ANSWER} bytes`);
  if (bytes instanceof Error) return malformed(url, `it broke off: ${bytes.message}`);
  try {
    const json = parseJson(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return { value: { json, next: nextPage(reply.response.headers.get("link"), url) } };
  } catch {
    const start = bytes.toString("utf8", 0, 40).replace(/[^\x20-\x7e]+/g, " ");
    return malformed(url, `it is not JSON but begins with ${JSON.stringify(start)}`);
  }
}

function malformed(url: string, what: string): { readonly refusal: Refusal } {
  const fault: Fault = {
    code: "hub",
    what: `the answer is not one of the Hugging Face Hub: ${what}`,
    where: plainUrl(url),
    fix: "check HF_ENDPOINT, and whether a proxy or a page to log in stands between; then try again",
  };
  return { refusal: { fault, reason: "malformed" } };
}

/** The address of the next page in a Link header. Source: RFC 8288 */
export function nextPage(link: string | null, base: string): string | undefined {
  for (const part of (link ?? "").split(/,(?=\s*<)/)) {
    const match = /^\s*<([^>]*)>.*;\s*rel="?next"?/.exec(part);
    if (match && URL.canParse(match[1]!, base)) return new URL(match[1]!, base).href;
  }
  return undefined;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
