// Large files -> the Hub's storage, by Git LFS in one part or in several; what is there already is not sent again.
// Source: huggingface_hub/lfs.py, https://github.com/git-lfs/git-lfs/blob/main/docs/api/batch.md
import { createReadStream } from "node:fs";
import { Readable } from "node:stream";
import { type Fault, fail, failIfAny, PhinetuneError } from "../errors.js";
import { isRecord } from "./api.js";
import { plainUrl } from "./failure.js";
import { bytesOf, type HubRequest, send } from "./http.js";
import { type HubName, urlPath } from "./name.js";
import type { HubSettings } from "./settings.js";

/** A file to be stored. */
export interface LfsFile {
  /** In the repository, for messages. */
  readonly path: string;
  /** On this machine. */
  readonly source: string;
  readonly size: number;
  readonly sha256: string;
}

export interface LfsOptions {
  readonly signal: AbortSignal;
  /** Bytes sent since the last time; negative where they must be sent again. */
  readonly onBytes: (bytes: number) => void;
  readonly onNote: (note: string) => void;
}

/** What the Hub wants done with a file; no `upload` where it has it. */
export interface LfsAction {
  readonly file: LfsFile;
  readonly upload: Link | undefined;
  readonly verify: Link | undefined;
}

interface Link {
  readonly href: string;
  readonly header: Readonly<Record<string, string>>;
}

const LFS = {
  accept: "application/vnd.git-lfs+json",
  "content-type": "application/vnd.git-lfs+json",
} as const;
/** Files in one question. */
const BATCH = 256;
const MAX_ANSWER = 64 * 1024 * 1024;

/** Asks what is to be done with files. @throws with every file that the Hub refuses */
export async function askActions(
  settings: HubSettings,
  name: HubName,
  files: readonly LfsFile[],
  options: LfsOptions,
): Promise<readonly LfsAction[]> {
  const actions: LfsAction[] = [];
  const url = `${settings.endpoint}/${urlPath(name)}.git/info/lfs/objects/batch`;
  for (let from = 0; from < files.length; from += BATCH) {
    const batch = files.slice(from, from + BATCH);
    const objects = batch.map(({ sha256, size }) => ({ oid: sha256, size }));
    const question = {
      operation: "upload",
      transfers: ["basic", "multipart"],
      hash_algo: "sha256",
      ref: { name: name.revision },
      objects,
    };
    const json = await postJson(settings, name, url, question, options, LFS);
    actions.push(...readActions(json, batch, settings, url));
  }
  return actions;
}

function readActions(
  json: unknown,
  files: readonly LfsFile[],
  { endpoint }: HubSettings,
  url: string,
): readonly LfsAction[] {
  const objects = isRecord(json) && Array.isArray(json.objects) ? (json.objects as readonly unknown[]) : [];
  const byHash = new Map(
    objects.flatMap((object) => (isRecord(object) ? [[object.oid, object] as const] : [])),
  );
  const faults: Fault[] = [];
  const where = plainUrl(url);
  const linkOf = (value: unknown): Link | undefined => {
    if (!isRecord(value) || typeof value.href !== "string" || !/^https?:\/\//.test(value.href))
      return undefined;
    const header = isRecord(value.header) ? value.header : {};
    const href = value.href.replace(/^https:\/\/huggingface\.co(?=\/)/, () => endpoint);
    return { href, header: Object.fromEntries(Object.entries(header).map(([key, of]) => [key, String(of)])) };
  };
  const actions = files.flatMap((file): LfsAction[] => {
    const object = byHash.get(file.sha256);
    const error = object && isRecord(object.error) ? object.error : undefined;
    if (!object || error) {
      const said = error ? `: ${String(error.message).slice(0, 300)}` : " without a reason";
      faults.push({ code: "hub", what: `the Hub does not take ${file.path}${said}`, where });
      return [];
    }
    if (!isRecord(object.actions)) return [{ file, upload: undefined, verify: undefined }];
    const upload = linkOf(object.actions.upload);
    if (object.actions.upload !== undefined && !upload)
      faults.push({ code: "hub", what: `the Hub names no address for ${file.path}`, where });
    return [{ file, upload, verify: linkOf(object.actions.verify) }];
  });
  failIfAny(faults);
  return actions;
}

/** Sends one file. @throws when the network or the storage gives up */
export async function store(
  settings: HubSettings,
  name: HubName,
  { file, upload, verify }: LfsAction,
  options: LfsOptions,
): Promise<void> {
  if (!upload) return options.onBytes(file.size);
  const { chunk_size: chunk } = upload.header;
  if (chunk === undefined) await put(settings, name, file, upload.href, 0, file.size, options);
  else await putParts(settings, name, file, upload, Number(chunk), options);
  if (verify)
    await postJson(settings, name, verify.href, { oid: file.sha256, size: file.size }, options, {
      "content-type": "application/json",
    });
}

async function putParts(
  settings: HubSettings,
  name: HubName,
  file: LfsFile,
  { href, header }: Link,
  chunk: number,
  options: LfsOptions,
): Promise<void> {
  const addresses = Object.entries(header)
    .filter(([part]) => /^\d+$/.test(part))
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([, address]) => address);
  if (!(Number.isInteger(chunk) && chunk > 0) || addresses.length !== Math.ceil(file.size / chunk))
    fail(
      "hub",
      `the Hub wants ${file.path} in ${addresses.length} parts of ${chunk} bytes, which do not fit its ${file.size} bytes`,
      {
        where: plainUrl(href),
        fix: "try again later",
      },
    );
  const parts: { partNumber: number; etag: string }[] = [];
  for (const [i, address] of addresses.entries()) {
    const end = Math.min((i + 1) * chunk, file.size);
    const response = await put(settings, name, file, address, i * chunk, end, options);
    const etag = response.headers.get("etag");
    if (!etag)
      fail("hub", `the storage gave no receipt for part ${i + 1} of ${file.path}`, {
        where: plainUrl(address),
        fix: "try again",
      });
    parts.push({ partNumber: i + 1, etag });
  }
  await postJson(settings, name, href, { oid: file.sha256, parts }, options, LFS);
}

/** Sends the bytes of a file from `start` to `end`. The storage wants to know their number before. */
async function put(
  settings: HubSettings,
  name: HubName,
  { path, source }: LfsFile,
  url: string,
  start: number,
  end: number,
  { signal, onBytes, onNote }: LfsOptions,
): Promise<Response> {
  let sent = 0;
  const body = () => {
    onBytes(-sent);
    sent = 0;
    const pieces = async function* () {
      for await (const piece of createReadStream(source, { start, end: end - 1, highWaterMark: 1 << 18 })) {
        yield piece as Uint8Array;
        sent += (piece as Uint8Array).length;
        onBytes((piece as Uint8Array).length);
      }
    };
    return Readable.toWeb(Readable.from(pieces(), { objectMode: false })) as ReadableStream<Uint8Array>;
  };
  const reply = await send(settings, {
    url,
    method: "PUT",
    headers: { "content-length": String(end - start) },
    body,
    about: name,
    signal,
    isPatient: true,
    onWait: (note) => onNote(`${path}: ${note}`),
  });
  if (reply.fault) throw new PhinetuneError(reply.fault);
  await reply.response.body?.cancel().catch(() => undefined);
  return reply.response;
}

/** Sends JSON, and gives the JSON of the answer. */
export async function postJson(
  settings: HubSettings,
  about: HubName,
  url: string,
  value: unknown,
  { signal, onNote }: Pick<LfsOptions, "signal" | "onNote">,
  headers: Readonly<Record<string, string>> = { "content-type": "application/json" },
  more: Partial<HubRequest> = {},
): Promise<unknown> {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const request = { url, method: "POST" as const, headers, body: () => text, about, signal, onWait: onNote };
  const reply = await send(settings, { ...request, ...more });
  if (reply.fault) throw new PhinetuneError(reply.fault);
  const bytes = await bytesOf(reply.response, MAX_ANSWER, settings.idleLimit).catch(() => undefined);
  try {
    return bytes === undefined || bytes.length === 0 ? {} : JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    return fail("hub", "the answer is not JSON", {
      where: plainUrl(url),
      fix: "check HF_ENDPOINT, and whether a proxy stands between",
      cause,
    });
  }
}
