// One row of a known shape -> an example: text segments, of which some are trained.
import { type Fault, PhinetuneError } from "../errors.js";
import type { Tokenizer } from "../formats/tokenizer.js";
import { alpacaPrompt } from "./alpaca.js";
import { chatSegments, type Message, renderChat } from "./chat.js";
import { detectFormat, type FieldName, fieldOf, type RowFormat, type RowOptions } from "./formats.js";
import type { Example, Row, Segment } from "./types.js";

/** Collects the faults of one row; each names file and line. */
export interface FaultCollector {
  add(row: Row, what: string, fix?: string): void;
}

/** A collector that appends to `faults`. */
export function collectInto(faults: Fault[]): FaultCollector {
  return {
    add: (row, what, fix) => faults.push({ code: "data", what, where: `${row.source}:${row.line}`, fix }),
  };
}

/** The formats whose rows are text. */
export type TextFormat = Exclude<RowFormat, "tokenized">;

/** Renders a row as train and evaluation see it; undefined, with faults added, when fields are missing or ill-typed. */
export function renderExample(
  row: Row,
  format: TextFormat,
  tokenizer: Tokenizer,
  faults: FaultCollector,
  columns?: RowOptions["columns"],
): Example | undefined {
  const parts = readParts(row, format, faults, columns);
  if (!parts) return undefined;
  try {
    return { source: row.source, line: row.line, segments: segmentsOf(parts, tokenizer) };
  } catch (error) {
    // Faults of the tokenizer itself would be the same for every row.
    if (!(error instanceof PhinetuneError) || error.faults.some(({ code }) => code !== "data")) throw error;
    for (const fault of error.faults) faults.add(row, fault.what, fault.fix);
    return undefined;
  }
}

/**
 * The prompt alone, exactly as training sees it, for a row or for a user's words.
 * A row's own answer (of a conversation, the last one) is left out; plain text is its own prompt.
 * @throws when the row's fields are missing or ill-typed.
 */
export function renderPrompt(from: Row | string, tokenizer: Tokenizer, options: RowOptions = {}): string {
  const faults: Fault[] = [];
  const parts =
    typeof from === "string"
      ? partsOfText(from, options.format)
      : partsOfPrompt(from, options, collectInto(faults));
  if (!parts) throw new PhinetuneError(faults);
  if (parts.kind === "text") return parts.prompt;
  const last = parts.messages.findLastIndex(({ role }) => role === "assistant");
  const messages = last === -1 ? parts.messages : parts.messages.slice(0, last);
  return renderChat(messages, tokenizer, { addGenerationPrompt: true });
}

/** The answer that a row holds: the text that a generated one is compared with; undefined for plain text. */
export function answerOf(row: Row, options: RowOptions = {}): string | undefined {
  const faults: Fault[] = [];
  const parts = partsOfRow(row, options, collectInto(faults));
  if (!parts) throw new PhinetuneError(faults);
  if (parts.kind === "text") return parts.answer;
  return parts.messages.findLast(({ role }) => role === "assistant")?.content;
}

/** What a row says, before any template. */
type Parts =
  | { readonly kind: "text"; readonly prompt: string; readonly answer: string | undefined }
  | { readonly kind: "chat"; readonly messages: readonly Message[]; readonly trainedFrom: number };

function segmentsOf(parts: Parts, tokenizer: Tokenizer): Segment[] {
  if (parts.kind === "chat") return chatSegments(parts.messages, tokenizer, parts.trainedFrom);
  if (parts.answer === undefined) return [{ text: parts.prompt, trained: true }];
  return [
    { text: parts.prompt, trained: false },
    { text: parts.answer, trained: true },
  ];
}

function partsOfText(text: string, format: RowFormat = "alpaca"): Parts {
  if (format === "alpaca") return { kind: "text", prompt: alpacaPrompt(text), answer: undefined };
  if (format === "messages")
    return { kind: "chat", messages: [{ role: "user", content: text }], trainedFrom: 0 };
  return { kind: "text", prompt: text, answer: undefined };
}

function partsOfRow(row: Row, options: RowOptions, faults: FaultCollector): Parts | undefined {
  const format = detectFormat([row], options);
  if (format === "tokenized") {
    faults.add(row, "a row of token ids has no prompt text", "give rows of text");
    return undefined;
  }
  return readParts(row, format, faults, options.columns);
}

/** As `partsOfRow`, but the answer may be missing: a prompt needs none. */
function partsOfPrompt(row: Row, options: RowOptions, faults: FaultCollector): Parts | undefined {
  const answers: readonly FieldName[] = ["output", "completion"];
  const blank = Object.fromEntries(
    answers
      .map((field) => options.columns?.[field] ?? field)
      .filter((column) => !Object.hasOwn(row.fields, column))
      .map((column) => [column, ""]),
  );
  const promptFields: readonly FieldName[] = ["instruction", "prompt"];
  const hasPrompt = promptFields.some((field) => fieldOf(row, field, options.columns) !== undefined);
  return partsOfRow(hasPrompt ? { ...row, fields: { ...row.fields, ...blank } } : row, options, faults);
}

function readParts(
  row: Row,
  format: TextFormat,
  faults: FaultCollector,
  columns: RowOptions["columns"],
): Parts | undefined {
  const text = (field: FieldName, optional = false): string | undefined => {
    const value = fieldOf(row, field, columns);
    if (optional && (value === undefined || value === null)) return "";
    if (typeof value === "string") return value;
    faults.add(row, `${nameOf(field, columns)} is ${describe(value)}; a string is expected`);
    return undefined;
  };
  switch (format) {
    case "alpaca": {
      const [instruction, input, output] = [text("instruction"), text("input", true), text("output")];
      if (instruction === undefined || input === undefined || output === undefined) return undefined;
      return { kind: "text", prompt: alpacaPrompt(instruction, input), answer: output };
    }
    case "prompt_completion": {
      if (Array.isArray(fieldOf(row, "prompt", columns))) {
        const prompt = readMessages(row, "prompt", faults, columns);
        const completion = readMessages(row, "completion", faults, columns);
        if (!prompt || !completion) return undefined;
        return { kind: "chat", messages: [...prompt, ...completion], trainedFrom: prompt.length };
      }
      const [prompt, completion] = [text("prompt"), text("completion")];
      if (prompt === undefined || completion === undefined) return undefined;
      return { kind: "text", prompt, answer: completion };
    }
    case "messages": {
      const messages = readMessages(row, "messages", faults, columns);
      return messages && { kind: "chat", messages, trainedFrom: 0 };
    }
    case "text": {
      const whole = text("text");
      return whole === undefined ? undefined : { kind: "text", prompt: whole, answer: undefined };
    }
  }
}

/** `[{role, content}]`; content may also be a list of `{type: "text", text}`, or absent beside tool calls. */
function readMessages(
  row: Row,
  field: FieldName,
  faults: FaultCollector,
  columns: RowOptions["columns"],
): readonly Message[] | undefined {
  const value = fieldOf(row, field, columns);
  const name = nameOf(field, columns);
  if (!Array.isArray(value) || value.length === 0) {
    faults.add(row, `${name} is ${describe(value)}; a list of {role, content} is expected`);
    return undefined;
  }
  const messages: Message[] = [];
  (value as readonly unknown[]).forEach((item, i) => {
    const entry = typeof item === "object" && item !== null ? (item as Record<string, unknown>) : {};
    const content = contentOf(entry);
    if (typeof entry.role !== "string" || content === undefined) {
      const keys = Object.keys(entry).join(", ");
      const sharegpt = "from" in entry && "value" in entry;
      faults.add(
        row,
        `message ${i + 1} of ${name} is ${keys === "" ? describe(item) : `an object with ${keys}`}; role and content, both strings, are expected`,
        sharegpt ? "rename from to role (human: user, gpt: assistant) and value to content" : undefined,
      );
      return;
    }
    messages.push({ ...entry, role: entry.role, content });
  });
  return messages.length === value.length ? messages : undefined;
}

function contentOf({ content, tool_calls }: Readonly<Record<string, unknown>>): string | undefined {
  if (typeof content === "string") return content;
  if ((content === null || content === undefined) && Array.isArray(tool_calls)) return "";
  if (!Array.isArray(content)) return undefined;
  const texts = (content as readonly unknown[]).map((part) =>
    typeof part === "object" && part !== null && "text" in part && typeof part.text === "string"
      ? part.text
      : undefined,
  );
  return texts.includes(undefined) ? undefined : texts.join("");
}

const nameOf = (field: FieldName, columns: RowOptions["columns"]): string => {
  const column = columns?.[field];
  return column === undefined || column === field ? field : `${column} (as ${field})`;
};

/** What a value is, for messages. */
export function describe(value: unknown): string {
  if (value === undefined) return "missing";
  if (value === null) return "null";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  if (typeof value === "object") return "an object";
  const text = String(value);
  return typeof value === "string" ? "a string" : `${text.length > 40 ? `${text.slice(0, 40)}…` : text}`;
}
