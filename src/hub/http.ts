// A request to the Hub -> its answer, after redirects, waits and new tries; or the fault, with its reason. The token goes to the endpoint alone.
import { setTimeout as sleep } from "node:timers/promises";
import { type Fault, fail } from "../errors.js";
import { answerFault, isBusy, type Reason, unreachableFault } from "./failure.js";
import type { HubName } from "./name.js";
import type { HubSettings } from "./settings.js";

export interface HubRequest {
  readonly url: string;
  readonly method?: "GET" | "POST" | "PUT";
  readonly headers?: Readonly<Record<string, string>>;
  /** Made anew for each try. */
  readonly body?: () => string | Uint8Array | ReadableStream<Uint8Array>;
  readonly signal?: AbortSignal | undefined;
  /** What it is about, for messages. */
  readonly about: HubName;
  /** Statuses from 400 that the caller understands. */
  readonly accepts?: readonly number[];
  /** Tries again as well where the server cannot be reached at all. */
  readonly isPatient?: boolean;
  /** Is told why and how long nothing happens. */
  readonly onWait?: (note: string) => void;
}

export type Reply =
  | { readonly response: Response; readonly fault?: undefined }
  | { readonly response?: undefined; readonly fault: Fault; readonly reason: Reason };

const MAX_TRIES = 6;
const MAX_REDIRECTS = 10;
const LONGEST_BACKOFF = 8;
/** Seconds; a server that asks for more is not waited for. */
const LONGEST_WAIT = 300;

/** Sends a request until it is answered for good. @throws only when it is aborted */
export async function send(settings: HubSettings, request: HubRequest): Promise<Reply> {
  for (let attempt = 1; ; attempt++) {
    stopIfAborted(request);
    const reply = await sendOnce(settings, request);
    const isLast = attempt === MAX_TRIES;
    if ("error" in reply) {
      stopIfAborted(request);
      const { fault, isBroken } = unreachableFault(reply.error, settings, request);
      if (isLast || !(isBroken || request.isPatient)) return { fault, reason: "unreachable" };
      await wait(settings, request, attempt, "the connection broke", undefined);
      continue;
    }
    const { response, url } = reply;
    if (response.status < 400 || request.accepts?.includes(response.status)) return { response };
    const asked = retryAfter(response.headers);
    const isTooLong = asked !== undefined && asked > LONGEST_WAIT;
    if (isLast || isTooLong || !isBusy(response.status))
      return answerFault(response, await startOf(response), settings, request, url, asked);
    await response.body?.cancel().catch(() => undefined);
    await wait(settings, request, attempt, `the server answered ${response.status}`, asked);
  }
}

function stopIfAborted({ signal, about }: HubRequest): void {
  if (signal?.aborted) failStopped(about);
}

/** What an aborted transfer ends with. */
export function failStopped({ id }: HubName): never {
  return fail("interrupted", `the transfer of ${id} was stopped`, {
    fix: "what has arrived is kept: the same command goes on where it stopped",
  });
}

/** @param attempt the number of tries so far @param asked seconds that the server named */
async function wait(
  { firstWait }: HubSettings,
  request: HubRequest,
  attempt: number,
  why: string,
  asked: number | undefined,
): Promise<void> {
  const backoff = firstWait * Math.min(2 ** (attempt - 1), LONGEST_BACKOFF);
  const milliseconds = asked === undefined ? backoff : (asked * 1000 + 1000) * (firstWait / 1000);
  request.onWait?.(`${why}: trying again in ${Math.ceil(milliseconds / 1000)} s`);
  await sleep(milliseconds, undefined, request.signal ? { signal: request.signal } : {}).catch(() =>
    failStopped(request.about),
  );
}

type Once = { readonly response: Response; readonly url: string } | { readonly error: unknown };

/** One try, with its redirects. */
async function sendOnce(settings: HubSettings, request: HubRequest): Promise<Once> {
  let { url } = request;
  try {
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      const response = await fetchOnce(settings, request, url);
      const target = response.headers.get("location");
      if (response.status < 300 || response.status >= 400 || target === null) return { response, url };
      await response.body?.cancel().catch(() => undefined);
      const next = new URL(target, url);
      if (!/^https?:$/.test(next.protocol)) throw new Error(`the server redirects to ${next.protocol}`);
      url = next.href;
    }
    throw new Error(`the server redirects more than ${MAX_REDIRECTS} times`);
  } catch (error) {
    return { error };
  }
}

async function fetchOnce(settings: HubSettings, request: HubRequest, url: string): Promise<Response> {
  const { method = "GET", headers = {}, body, signal } = request;
  const isOwn = new URL(url).origin === new URL(settings.endpoint).origin;
  const idle = new AbortController();
  const timer = setTimeout(
    () => idle.abort(new Error("no answer for too long")),
    // The body of an upload is sent before anything is answered.
    body ? 0x7fffffff : settings.idleLimit,
  );
  try {
    return await fetch(url, {
      method,
      headers: {
        "user-agent": "phinetune",
        ...headers,
        ...(isOwn && settings.token !== undefined ? { authorization: `Bearer ${settings.token}` } : {}),
      },
      ...(body ? { body: body(), duplex: "half" } : {}),
      redirect: "manual",
      signal: signal ? AbortSignal.any([signal, idle.signal]) : idle.signal,
    } as RequestInit);
  } finally {
    clearTimeout(timer);
  }
}

/** Seconds that a busy server asks for: Retry-After as seconds or a date, or the Hub's own RateLimit. */
export function retryAfter(headers: Headers, now = Date.now()): number | undefined {
  const limit = /;\s*r=0\s*;\s*t=(\d{1,9})/.exec(headers.get("ratelimit") ?? "")?.[1];
  if (limit !== undefined) return Number(limit);
  const value = headers.get("retry-after")?.trim();
  if (!value) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value);
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, Math.ceil((date - now) / 1000));
}

/** Bytes of a body as they come. @throws when it breaks off, or nothing comes for too long */
export async function* piecesOf(response: Response, idleLimit: number): AsyncGenerator<Uint8Array> {
  if (!response.body) return;
  const reader = response.body.getReader();
  try {
    for (;;) {
      let timer: NodeJS.Timeout | undefined;
      const silence = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error("nothing came for too long")), idleLimit);
      });
      const { done, value } = await Promise.race([reader.read(), silence]).finally(() => clearTimeout(timer));
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** All bytes of a body that has at most `most` of them; undefined where there are more. @throws when it breaks off */
export async function bytesOf(
  response: Response,
  most: number,
  idleLimit: number,
): Promise<Buffer | undefined> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of piecesOf(response, idleLimit)) {
    length += piece.length;
    if (length > most) return undefined;
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** What a refusal says of itself. */
async function startOf(response: Response): Promise<string> {
  const bytes = await bytesOf(response, 64 * 1024, 5000).catch(() => undefined);
  return bytes?.toString("utf8") ?? "";
}
