// UTF-8 bytes of JSON -> where values end, and the first fault of the syntax with its place.

/** A fault in the bytes: its offset and what is wrong there. */
export interface ByteFault {
  readonly offset: number;
  readonly what: string;
}

/** Deeper nesting is no data that anybody wrote, and would overflow the stack of whoever walks through it. */
const MAX_DEPTH = 1000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** The first byte at or after `from` that is no white space; `end` when there is none. */
export function skipSpace(bytes: Uint8Array, from: number, end = bytes.length): number {
  let at = from;
  while (at < end && isSpace(bytes[at]!)) at++;
  return at;
}

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}

/**
 * The end of the value that starts at `start`: strings and brackets are followed, nothing else is checked.
 * @returns the offset after the value; -1 when it does not end before `end`.
 */
export function skipValue(bytes: Uint8Array, start: number, end = bytes.length): number {
  let depth = 0;
  let at = start;
  while (at < end) {
    const byte = bytes[at]!;
    if (byte === QUOTE) {
      at = skipString(bytes, at, end);
      if (at < 0) return -1;
      if (depth === 0) return at;
      continue;
    }
    if (byte === OPEN_BRACKET || byte === OPEN_BRACE) depth++;
    else if (byte === CLOSE_BRACKET || byte === CLOSE_BRACE) {
      if (depth === 0) return at;
      depth--;
      if (depth === 0) return at + 1;
    } else if (depth === 0 && (byte === COMMA || byte === COLON || isSpace(byte))) return at;
    at++;
  }
  return depth === 0 && at > start ? at : -1;
}

/** The offset after the string that opens at `start`; -1 when it is not closed. */
function skipString(bytes: Uint8Array, start: number, end: number): number {
  for (let at = start; ; ) {
    at = bytes.indexOf(QUOTE, at + 1);
    if (at < 0 || at >= end) return -1;
    let slashes = 0;
    while (bytes[at - 1 - slashes] === BACKSLASH && at - 1 - slashes > start) slashes++;
    if (slashes % 2 === 0) return at + 1;
  }
}

/** As JSON.parse, but values that are nested too deeply are an error as well. */
export function parseJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  if (isDeeper(value, MAX_DEPTH)) throw new SyntaxError(`values are nested deeper than ${MAX_DEPTH}`);
  return value;
}

function isDeeper(value: unknown, depth: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  const members: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
  return depth === 0 || members.some((member) => isDeeper(member, depth - 1));
}

/**
 * The first fault of the one JSON value in `bytes` from `start` to `end`; undefined where `parseJson` would accept it.
 * The bytes must be valid UTF-8. With `uniqueKeys`, a key that occurs twice in one object is a fault too.
 */
export function findJsonFault(
  bytes: Uint8Array,
  {
    start = 0,
    end = bytes.length,
    uniqueKeys = false,
  }: { start?: number; end?: number; uniqueKeys?: boolean } = {},
): ByteFault | undefined {
  /** The open containers, innermost last: the keys seen so far of an object, null for an array. */
  const open: (Set<string> | null)[] = [];
  let at = skipSpace(bytes, start, end);
  let expected: "value" | "value or ]" | "key" | "key or }" | "comma" = "value";
  for (;;) {
    if (at >= end) {
      if (expected === "comma" && open.length === 0) return undefined;
      return {
        offset: end,
        what:
          open.length > 0 ? `${open.at(-1) ? "an object" : "a list"} is not closed` : "a value is missing",
      };
    }
    const byte = bytes[at]!;
    if (expected === "comma") {
      const container = open.at(-1);
      if (container === undefined)
        return { offset: at, what: `unexpected ${show(bytes, at)} after the value` };
      if (byte === COMMA) expected = container ? "key" : "value";
      else if (byte === (container ? CLOSE_BRACE : CLOSE_BRACKET)) open.pop();
      else {
        const closing = container ? "}" : "]";
        return { offset: at, what: `a comma or ${closing} is expected, not ${show(bytes, at)}` };
      }
      at++;
    } else if (expected === "key" || expected === "key or }") {
      if (byte === CLOSE_BRACE && expected === "key or }") {
        open.pop();
        expected = "comma";
        at++;
      } else {
        if (byte !== QUOTE)
          return { offset: at, what: `a key in double quotes is expected, not ${show(bytes, at)}` };
        const after = checkString(bytes, at, end);
        if (typeof after !== "number") return after;
        if (uniqueKeys) {
          const key = JSON.parse(new TextDecoder().decode(bytes.subarray(at, after))) as string;
          const keys = open.at(-1)!;
          if (keys.has(key))
            return { offset: at, what: `the key ${JSON.stringify(key)} occurs twice in one object` };
          keys.add(key);
        }
        at = skipSpace(bytes, after, end);
        if (at >= end || bytes[at] !== COLON)
          return { offset: at, what: `a colon is expected after the key, not ${show(bytes, at, end)}` };
        at++;
        expected = "value";
      }
    } else if (byte === CLOSE_BRACKET && expected === "value or ]") {
      open.pop();
      expected = "comma";
      at++;
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (open.length >= MAX_DEPTH) return { offset: at, what: `values are nested deeper than ${MAX_DEPTH}` };
      open.push(byte === OPEN_BRACE ? new Set() : null);
      expected = byte === OPEN_BRACE ? "key or }" : "value or ]";
      at++;
    } else {
      const after = checkScalar(bytes, at, end);
      if (typeof after !== "number") return after;
      at = after;
      expected = "comma";
    }
    at = skipSpace(bytes, at, end);
  }
}

const LITERAL = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?)$/;

/** The offset after a string, number, true, false or null, or what is wrong with it. */
function checkScalar(bytes: Uint8Array, start: number, end: number): number | ByteFault {
  if (bytes[start] === QUOTE) return checkString(bytes, start, end);
  let after = start;
  while (after < end && isWordByte(bytes[after]!)) after++;
  const word = new TextDecoder().decode(bytes.subarray(start, after));
  if (LITERAL.test(word)) return after;
  const offset = start;
  if (word === "") return { offset, what: `a value is expected, not ${show(bytes, start, end)}` };
  if (/^-?(NaN|Infinity)$/.test(word))
    return { offset, what: `${word} is no JSON value (write null, or leave the field out)` };
  return { offset, what: `a value is expected, not ${word.length > 30 ? `${word.slice(0, 30)}…` : word}` };
}

/** Letters, digits, and the other characters of a number. */
function isWordByte(byte: number): boolean {
  return (
    (byte >= 0x30 && byte <= 0x39) ||
    (byte >= 0x41 && byte <= 0x5a) ||
    (byte >= 0x61 && byte <= 0x7a) ||
    byte === 0x2b ||
    byte === 0x2d ||
    byte === 0x2e ||
    byte === 0x5f
  );
}

/** The offset after the string that opens at `start`, or what is wrong in it. */
function checkString(bytes: Uint8Array, start: number, end: number): number | ByteFault {
  for (let at = start + 1; at < end; at++) {
    const byte = bytes[at]!;
    if (byte === QUOTE) return at + 1;
    if (byte < 0x20) {
      return byte === 0x0a || byte === 0x0d
        ? { offset: start, what: "a string is not closed on its line (a line break in it is written \\n)" }
        : { offset: at, what: `the control character ${show(bytes, at)} in a string must be escaped` };
    }
    if (byte === BACKSLASH) {
      const text = new TextDecoder().decode(bytes.subarray(at + 1, Math.min(at + 6, end)));
      const length = /^(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/.exec(text)?.[0].length;
      if (length === undefined)
        return { offset: at, what: `\\${text.slice(0, 1)} is no escape that JSON knows` };
      at += length;
    }
  }
  return { offset: start, what: "a string is not closed" };
}

/** The character at an offset, for messages. */
function show(bytes: Uint8Array, at: number, end = bytes.length): string {
  if (at >= end) return "the end";
  const text = new TextDecoder().decode(bytes.subarray(at, Math.min(at + 4, end)));
  const character = String.fromCodePoint(text.codePointAt(0)!);
  return character < " " || character === "\x7f"
    ? `U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`
    : JSON.stringify(character);
}

/** Line and column of an offset, both from 1; a column is one Unicode character. */
export function placeOf(
  bytes: Uint8Array,
  offset: number,
): { readonly line: number; readonly column: number } {
  let line = 1;
  let lineStart = 0;
  for (let at = bytes.indexOf(0x0a); at >= 0 && at < offset; at = bytes.indexOf(0x0a, at + 1)) {
    line++;
    lineStart = at + 1;
  }
  let column = 1;
  // Continuation bytes (10xxxxxx) belong to the character before them.
  for (let at = lineStart; at < offset; at++) if ((bytes[at]! & 0xc0) !== 0x80) column++;
  return { line, column };
}
