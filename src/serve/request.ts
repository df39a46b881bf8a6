// The body of a request as OpenAI's clients send it -> what is to be generated; or an error that says which field is wrong.
// Source: https://platform.openai.com/docs/api-reference/chat and …/completions
import type { Message } from "../data/chat.js";

/** An answer to a client that asked for something that cannot be done. */
export class RequestError extends Error {
  readonly status: number;
  /** The field at fault. */
  readonly param: string | undefined;
  readonly code: string | undefined;

  constructor(
    status: number,
    message: string,
    more: { readonly param?: string; readonly code?: string } = {},
  ) {
    super(message);
    this.name = "RequestError";
    this.status = status;
    this.param = more.param;
    this.code = more.code;
  }
}

export interface Sampling {
  readonly maxNewTokens: number | undefined;
  readonly temperature: number;
  readonly topP: number;
  readonly seed: number | undefined;
}

export interface CompletionRequest {
  readonly model: string | undefined;
  readonly prompt: { readonly text: string } | { readonly messages: readonly Message[] };
  readonly sampling: Sampling;
  /** Texts before which an answer ends. */
  readonly stop: readonly string[];
  readonly stream: boolean;
  readonly includeUsage: boolean;
}

type Json = Readonly<Record<string, unknown>>;

/** What would change the answer and is not done: allowed only with these values. */
const NEUTRAL: Readonly<Record<string, readonly unknown[]>> = {
  n: [1],
  best_of: [1],
  echo: [false],
  suffix: ["", undefined],
  logprobs: [false, 0],
  top_logprobs: [0],
  frequency_penalty: [0],
  presence_penalty: [0],
  tools: [],
  functions: [],
  tool_choice: ["none", "auto"],
  audio: [],
};

const MAX_STOPS = 4;

/** @throws RequestError of status 400 */
export function readRequest(body: unknown, kind: "chat" | "text"): CompletionRequest {
  if (!isObject(body)) throw new RequestError(400, "the body must be a JSON object");
  for (const [param, allowed] of Object.entries(NEUTRAL)) {
    const value = body[param];
    if (value === undefined || value === null || (Array.isArray(value) && value.length === 0)) continue;
    if (isObject(value) && Object.keys(value).length === 0) continue;
    if (!allowed.includes(value))
      throw new RequestError(400, `${param} is ${JSON.stringify(value)}, which is not implemented`, {
        param,
      });
  }
  const format = body.response_format;
  if (isObject(format) && format.type !== "text")
    throw new RequestError(400, "response_format other than text is not implemented", {
      param: "response_format",
    });
  const streamOptions = isObject(body.stream_options) ? body.stream_options : {};
  return {
    model: optional(body, "model", isText, "a text"),
    prompt: kind === "chat" ? { messages: readMessages(body.messages) } : { text: readPrompt(body.prompt) },
    sampling: {
      maxNewTokens:
        optional(body, "max_completion_tokens", isCount, "a whole number above 0") ??
        optional(body, "max_tokens", isCount, "a whole number above 0"),
      temperature: optional(body, "temperature", between(0, 2), "a number from 0 to 2") ?? 1,
      topP: optional(body, "top_p", (x) => between(0, 1)(x) && x !== 0, "a number above 0, at most 1") ?? 1,
      seed: optional(body, "seed", Number.isSafeInteger, "a whole number"),
    },
    stop: readStops(body.stop),
    stream: optional(body, "stream", isFlag, "true or false") ?? false,
    includeUsage: streamOptions.include_usage === true,
  };
}

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isText = (value: unknown) => typeof value === "string";
const isFlag = (value: unknown) => typeof value === "boolean";
const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) > 0;
const between = (low: number, high: number) => (value: unknown) =>
  typeof value === "number" && value >= low && value <= high;

function optional<Value>(
  body: Json,
  param: string,
  accepts: (value: unknown) => boolean,
  expected: string,
): Value | undefined {
  const value = body[param];
  if (value === undefined || value === null) return undefined;
  if (accepts(value)) return value as Value;
  throw new RequestError(400, `${param} is ${JSON.stringify(value)}; it must be ${expected}`, { param });
}

function readPrompt(prompt: unknown): string {
  const only = Array.isArray(prompt) && prompt.length === 1 ? (prompt[0] as unknown) : prompt;
  if (typeof only === "string") return only;
  throw new RequestError(400, "prompt must be one text", { param: "prompt" });
}

/** Content is a text, or parts of which all are text. */
function readMessages(messages: unknown): readonly Message[] {
  if (!Array.isArray(messages) || messages.length === 0)
    throw new RequestError(400, "messages must be a list with at least one message", { param: "messages" });
  return messages.map((message: unknown, i) => {
    const param = `messages[${i}]`;
    if (!isObject(message) || typeof message.role !== "string")
      throw new RequestError(400, `${param} needs a role and content`, { param });
    const { role, content } = message;
    if (typeof content === "string") return { ...message, role: nameOfRole(role), content };
    const parts = Array.isArray(content) ? (content as unknown[]) : [];
    const texts = parts.map((part) => (isObject(part) && part.type === "text" ? part.text : undefined));
    if (parts.length === 0 || texts.some((text) => typeof text !== "string"))
      throw new RequestError(400, `the content of ${param} must be text`, { param: `${param}.content` });
    return { role: nameOfRole(role), content: texts.join("") };
  });
}

/** Newer clients say developer for system. */
const nameOfRole = (role: string) => (role === "developer" ? "system" : role);

function readStops(stop: unknown): readonly string[] {
  const list = stop === undefined || stop === null ? [] : Array.isArray(stop) ? (stop as unknown[]) : [stop];
  if (list.length > MAX_STOPS || list.some((text) => typeof text !== "string" || text === ""))
    throw new RequestError(400, `stop must be a text or up to ${MAX_STOPS} of them`, { param: "stop" });
  return list as string[];
}
