// Chat messages -> text by the tokenizer's chat template, with the assistant's answers marked as trained.
import { Template } from "@huggingface/jinja";
import { fail } from "../errors.js";
import type { Tokenizer } from "../formats/tokenizer.js";
import type { Segment } from "./types.js";

/** One turn; further keys (tool_calls, say) are passed on to the template. */
export interface Message {
  readonly role: string;
  readonly content: string;
}

/** For models without a template: Alpaca's headings, and EOS after each answer. */
export const DEFAULT_CHAT_TEMPLATE = `{%- for message in messages -%}
{%- if message.role == 'system' -%}{{ message.content + '\\n\\n' }}
{%- elif message.role == 'user' -%}{{ '### Instruction:\\n' + message.content + '\\n\\n' }}
{%- elif message.role == 'assistant' -%}{{ '### Response:\\n' + message.content + eos_token + '\\n\\n' }}
{%- else -%}{{ raise_exception('Only the roles system, user and assistant are known, not ' + message.role) }}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '### Response:\\n' }}{%- endif -%}`;

/** Noncharacters of Unicode, which no text holds: they mark where `{% generation %}` opens and closes. */
const [OPEN, CLOSE] = ["\ufdd0", "\ufdd1"];

interface CompiledTemplate {
  readonly template: Template;
  /** The template says itself, with `{% generation %}`, what the assistant writes. */
  readonly marksAnswers: boolean;
}
const compiled = new WeakMap<Tokenizer, CompiledTemplate>();

function compile(tokenizer: Tokenizer): CompiledTemplate {
  const known = compiled.get(tokenizer);
  if (known) return known;
  const source = tokenizer.chatTemplate ?? DEFAULT_CHAT_TEMPLATE;
  const marked = source
    .replace(/\{%(-?)\s*generation\s*(-?)%\}/g, `{{$1 "${OPEN}" $2}}`)
    .replace(/\{%(-?)\s*endgeneration\s*(-?)%\}/g, `{{$1 "${CLOSE}" $2}}`);
  const result = { template: parse(marked, tokenizer), marksAnswers: marked !== source };
  compiled.set(tokenizer, result);
  return result;
}

function parse(source: string, tokenizer: Tokenizer): Template {
  try {
    return new Template(source);
  } catch (error) {
    return fail("tokenizer", `the chat template cannot be read: ${(error as Error).message}`, {
      where: tokenizer.path,
      cause: error,
    });
  }
}

/** Renders with the marks of `{% generation %}` still in. */
function renderMarked(
  messages: readonly Message[],
  tokenizer: Tokenizer,
  addGenerationPrompt: boolean,
): string {
  const { template } = compile(tokenizer);
  const token = (id: number | undefined): string | undefined =>
    id === undefined ? undefined : tokenizer.idToToken(id);
  const specials = {
    bos_token: token(tokenizer.bosTokenId),
    eos_token: token(tokenizer.eosTokenId),
    pad_token: token(tokenizer.padTokenId),
  };
  try {
    return template.render({
      messages: messages.map((message) => ({ ...message })),
      add_generation_prompt: addGenerationPrompt,
      tools: null,
      documents: null,
      ...Object.fromEntries(Object.entries(specials).filter(([, text]) => text !== undefined)),
    });
  } catch (error) {
    return fail("data", `the chat template refuses the messages: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

const withoutMarks = (text: string): string => text.replaceAll(OPEN!, "").replaceAll(CLOSE!, "");

/** The messages as the model sees them; with `addGenerationPrompt`, up to where its next answer starts. */
export function renderChat(
  messages: readonly Message[],
  tokenizer: Tokenizer,
  { addGenerationPrompt }: { readonly addGenerationPrompt: boolean },
): string {
  return withoutMarks(renderMarked(messages, tokenizer, addGenerationPrompt));
}

/**
 * The conversation as segments; trained are the assistant's answers from message `trainedFrom` on, each with the
 * special token that ends its turn. White space after the last answer is left out.
 * @throws when the template refuses the messages, or an answer cannot be found in what it renders.
 */
export function chatSegments(messages: readonly Message[], tokenizer: Tokenizer, trainedFrom = 0): Segment[] {
  if (messages.some((message) => message.content.includes(OPEN!) || message.content.includes(CLOSE!)))
    fail("data", "a message holds U+FDD0 or U+FDD1, which are no characters", { fix: "remove them" });
  const marked = renderMarked(messages, tokenizer, false);
  const text = withoutMarks(marked);
  const spans = compile(tokenizer).marksAnswers
    ? markedSpans(marked, messages, trainedFrom)
    : renderedSpans(text, messages, tokenizer, trainedFrom);
  const segments: Segment[] = [];
  let done = 0;
  for (const { start, end } of spans) {
    if (start > done) segments.push({ text: text.slice(done, start), trained: false });
    if (end > start) segments.push({ text: text.slice(start, end), trained: true });
    done = end;
  }
  if (text.slice(done).trim() !== "") segments.push({ text: text.slice(done), trained: false });
  return segments;
}

/** Offsets in the rendered text. */
interface Span {
  readonly start: number;
  readonly end: number;
}

/** The spans between the marks, which stand in the order of the assistant's turns. */
function markedSpans(marked: string, messages: readonly Message[], trainedFrom: number): Span[] {
  const spans: Span[] = [];
  let [offset, start] = [0, 0];
  for (const char of marked) {
    if (char === OPEN) start = offset;
    else if (char === CLOSE) spans.push({ start, end: offset });
    else offset += char.length;
  }
  const untrained = messages.slice(0, trainedFrom).filter(({ role }) => role === "assistant").length;
  return spans.slice(untrained);
}

/** The spans found by rendering the conversation up to before and up to after each answer. */
function renderedSpans(
  whole: string,
  messages: readonly Message[],
  tokenizer: Tokenizer,
  trainedFrom: number,
): Span[] {
  const render = (count: number, addGenerationPrompt: boolean): string =>
    renderChat(messages.slice(0, count), tokenizer, { addGenerationPrompt });
  const spans: Span[] = [];
  let done = 0;
  messages.forEach(({ role, content }, i) => {
    if (role !== "assistant" || i < trainedFrom) return;
    const prompt = i === 0 ? "" : render(i, true);
    const continues = whole.startsWith(prompt);
    const from = continues ? Math.max(prompt.length, done) : done;
    const upTo = i + 1 === messages.length ? whole : render(i + 1, false);
    const turnEnd = whole.startsWith(upTo) ? upTo.length : whole.length;
    // Templates may trim the content.
    const answer = content.trim();
    const at = whole.indexOf(answer, from);
    if (at === -1 || at + answer.length > turnEnd)
      fail("data", `the chat template does not show the answer of message ${i + 1} as it is`, {
        where: tokenizer.path,
        fix: "use a template with {% generation %} marks, or rows of prompt and completion",
      });
    // What stands between a generation prompt and the answer, the model has to write itself; without such a
    // prompt it is the heading of the turn.
    const lead = whole.slice(from, at);
    const isWritten = lead.trim() === "" || (continues && i > 0 && prompt !== render(i, false));
    const end = at + answer.length + endOfTurn(whole.slice(at + answer.length, turnEnd), tokenizer);
    spans.push({ start: isWritten ? from : at, end });
    done = end;
  });
  return spans;
}

/** Length of the tail up to and with its first special token; 0 when it holds none. */
function endOfTurn(tail: string, tokenizer: Tokenizer): number {
  let first: Span | undefined;
  for (const id of tokenizer.specialTokenIds) {
    const token = tokenizer.idToToken(id) ?? "";
    const start = token === "" ? -1 : tail.indexOf(token);
    const longer = start + token.length > (first?.end ?? 0);
    if (start !== -1 && (!first || start < first.start || (start === first.start && longer)))
      first = { start, end: start + token.length };
  }
  return first?.end ?? 0;
}
