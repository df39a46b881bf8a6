// Models by name -> an HTTP server that speaks as OpenAI's: /v1/chat/completions, /v1/completions, /v1/models.
// Source: https://platform.openai.com/docs/api-reference
import { createHash, randomUUID, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { PhinetuneError } from "../errors.js";
import type { Completed, Models } from "./models.js";
import { type CompletionRequest, RequestError, readRequest } from "./request.js";

export interface ServerOptions {
  /** What clients must send as a bearer token; undefined lets everyone in. */
  readonly apiKey?: string | undefined;
  readonly maxRequestBytes: number;
  /** Answers that are generated at the same time; further requests wait. */
  readonly maxConcurrent: number;
  /** Requests that may wait; further ones are sent away. */
  readonly maxWaiting: number;
  /** Longest time for one answer. */
  readonly timeoutSeconds: number;
  /** Is told of each request that was answered. */
  readonly onAnswered?: (line: string) => void;
}

export interface CompletionServer {
  /** Does not listen yet. */
  readonly server: Server;
  /** Stops listening, drops all clients, and waits until nothing is generated any more. */
  close(): Promise<void>;
}

export function createCompletionServer(models: Models, options: ServerOptions): CompletionServer {
  const turns = createTurns(options.maxConcurrent, options.maxWaiting);
  const created = Math.trunc(Date.now() / 1000);
  const inWork = new Set<Promise<void>>();
  const server = createServer((request, response) => {
    const started = performance.now();
    const work = handle(request, response, { models, options, turns, created })
      .catch((error: unknown) => sendError(response, error))
      .finally(() => {
        inWork.delete(work);
        const seconds = ((performance.now() - started) / 1000).toFixed(2);
        options.onAnswered?.(`${request.method} ${request.url} ${response.statusCode} ${seconds} s`);
      });
    inWork.add(work);
  });
  // A client that dawdles over its request does not keep a connection for ever.
  server.headersTimeout = 10_000;
  server.requestTimeout = 30_000;
  return {
    server,
    async close() {
      server.close();
      server.closeAllConnections();
      await Promise.all(inWork);
    },
  };
}

interface Context {
  readonly models: Models;
  readonly options: ServerOptions;
  readonly turns: Turns;
  readonly created: number;
}

async function handle(request: IncomingMessage, response: ServerResponse, context: Context): Promise<void> {
  const { models, options, created } = context;
  const path = new URL(request.url ?? "/", "http://localhost").pathname.replace(/\/$/, "");
  if (request.method === "GET" && path === "/health") return sendJson(response, 200, { status: "ok" });
  checkKey(request, options.apiKey);
  const kinds: Readonly<Record<string, "chat" | "text">> = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "text",
  };
  const kind = kinds[path];
  if (kind) {
    if (request.method !== "POST") throw new RequestError(405, `${path} takes POST`);
    return complete(request, response, kind, context);
  }
  const described = models.all.map(({ name }) => ({
    id: name,
    object: "model",
    created,
    owned_by: "phinetune",
  }));
  if (path === "/v1/models" && request.method === "GET")
    return sendJson(response, 200, { object: "list", data: described });
  const [, name] = /^\/v1\/models\/(.+)$/.exec(path) ?? [];
  if (name !== undefined && request.method === "GET") {
    const model = models.find(decodeURIComponent(name));
    return sendJson(
      response,
      200,
      described.find(({ id }) => id === model.name),
    );
  }
  throw new RequestError(404, `there is no ${request.method} ${path}`);
}

function checkKey(request: IncomingMessage, key: string | undefined): void {
  if (key === undefined) return;
  const given = /^Bearer (.*)$/.exec(request.headers.authorization ?? "")?.[1] ?? "";
  const hash = (text: string) => createHash("sha256").update(text).digest();
  if (!timingSafeEqual(hash(given), hash(key)))
    throw new RequestError(401, "the API key is missing or wrong", { code: "invalid_api_key" });
}

async function complete(
  request: IncomingMessage,
  response: ServerResponse,
  kind: "chat" | "text",
  { models, options, turns }: Context,
): Promise<void> {
  const wanted = readRequest(await readJson(request, options.maxRequestBytes), kind);
  const model = models.find(wanted.model);
  const gone = new AbortController();
  const late = AbortSignal.timeout(1000 * options.timeoutSeconds);
  const signal = AbortSignal.any([gone.signal, late]);
  response.once("close", () => gone.abort());
  const turn = await turns.take(signal);
  try {
    if (gone.signal.aborted) return;
    const answer = model.complete(wanted, signal);
    const id = `${kind === "chat" ? "chatcmpl" : "cmpl"}-${randomUUID()}`;
    const head = { id, created: Math.trunc(Date.now() / 1000), model: model.name };
    if (wanted.stream) await sendStream(response, answer, kind, head, wanted);
    else await sendWhole(response, answer, kind, head, late);
  } finally {
    turn.end();
  }
}

interface Head {
  readonly id: string;
  readonly created: number;
  readonly model: string;
}

const usageOf = ({ promptTokens, completionTokens }: Completed) => ({
  prompt_tokens: promptTokens,
  completion_tokens: completionTokens,
  total_tokens: promptTokens + completionTokens,
});

async function sendWhole(
  response: ServerResponse,
  answer: AsyncGenerator<string, Completed>,
  kind: "chat" | "text",
  head: Head,
  late: AbortSignal,
): Promise<void> {
  let text = "";
  for (;;) {
    const { done, value } = await answer.next();
    if (!done) {
      text += value;
      continue;
    }
    if (late.aborted) throw new RequestError(504, "the answer took too long", { code: "timeout" });
    const content =
      kind === "chat" ? { message: { role: "assistant", content: text, refusal: null } } : { text };
    return sendJson(response, 200, {
      ...head,
      object: kind === "chat" ? "chat.completion" : "text_completion",
      choices: [{ index: 0, ...content, logprobs: null, finish_reason: value.finishReason }],
      usage: usageOf(value),
    });
  }
}

/** Server-sent events, as OpenAI's clients read them. */
async function sendStream(
  response: ServerResponse,
  answer: AsyncGenerator<string, Completed>,
  kind: "chat" | "text",
  head: Head,
  { includeUsage }: CompletionRequest,
): Promise<void> {
  const object = kind === "chat" ? "chat.completion.chunk" : "text_completion";
  const send = (data: unknown) =>
    response.write(`data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`);
  const chunk = (part: object, finishReason: string | null = null) => ({
    ...head,
    object,
    choices: [{ index: 0, ...part, logprobs: null, finish_reason: finishReason }],
    ...(includeUsage ? { usage: null } : {}),
  });
  const piece = (text: string) => (kind === "chat" ? { delta: { content: text } } : { text });
  // The first piece is waited for, so that a request at fault gets its status.
  let next = await answer.next();
  response.writeHead(200, {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache",
    connection: "keep-alive",
  });
  if (kind === "chat") send(chunk({ delta: { role: "assistant", content: "" } }));
  try {
    for (; !next.done; next = await answer.next()) send(chunk(piece(next.value)));
    send(chunk(kind === "chat" ? { delta: {} } : { text: "" }, next.value.finishReason));
    if (includeUsage) send({ ...head, object, choices: [], usage: usageOf(next.value) });
  } catch (error) {
    send({ error: bodyOf(error).error });
  }
  send("[DONE]");
  response.end();
}

async function readJson(request: IncomingMessage, limit: number): Promise<unknown> {
  const tooLarge = () => new RequestError(413, `a request can have up to ${limit} bytes`);
  if (Number(request.headers["content-length"] ?? 0) > limit) throw tooLarge();
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    size += piece.length;
    if (size > limit) throw tooLarge();
    pieces.push(piece);
  }
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(pieces)));
  } catch {
    throw new RequestError(400, "the body is not JSON in UTF-8");
  }
}

function bodyOf(error: unknown) {
  const { message } = error as Error;
  if (error instanceof RequestError) {
    const { status, param = null, code = null } = error;
    const type =
      status === 401 ? "authentication_error" : status >= 500 ? "server_error" : "invalid_request_error";
    return { status, error: { message, type, param, code } };
  }
  // Faults of phinetune name what is wrong; what anything else says stays inside.
  const told = error instanceof PhinetuneError ? message : "the server failed";
  return { status: 500, error: { message: told, type: "server_error", param: null, code: null } };
}

function sendError(response: ServerResponse, error: unknown): void {
  const { status, error: body } = bodyOf(error);
  if (response.headersSent || response.destroyed) {
    response.end();
    return;
  }
  // The rest of a body that was not read would be taken for the next request.
  if (status === 413) response.setHeader("connection", "close");
  if (status === 429) response.setHeader("retry-after", "1");
  sendJson(response, status, { error: body });
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    "content-type": "application/json; charset=utf-8",
    "content-length": Buffer.byteLength(text),
  });
  response.end(text);
}

interface Turns {
  /** Waits for a turn. @throws RequestError of status 429 when too many wait already */
  take(signal: AbortSignal): Promise<{ end(): void }>;
}

function createTurns(atOnce: number, mayWait: number): Turns {
  let running = 0;
  const waiting: (() => void)[] = [];
  const end = () => {
    running--;
    waiting.shift()?.();
  };
  return {
    async take(signal) {
      if (running >= atOnce) {
        if (waiting.length >= mayWait)
          throw new RequestError(429, "too many requests wait already", { code: "rate_limit_exceeded" });
        await new Promise<void>((resolve, reject) => {
          const go = () => {
            signal.removeEventListener("abort", leave);
            resolve();
          };
          const leave = () => {
            waiting.splice(waiting.indexOf(go), 1);
            reject(new RequestError(504, "the request waited too long", { code: "timeout" }));
          };
          signal.addEventListener("abort", leave, { once: true });
          waiting.push(go);
        });
      }
      running++;
      return { end };
    },
  };
}
