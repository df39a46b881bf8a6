// A good file -> a damaged one, with words that say what was done to it; the same for the same random numbers.
import type { Random } from "../../../src/random.js";

export interface Mutant {
  readonly bytes: Uint8Array;
  readonly how: string;
}

export const pick = <T>(random: Random, items: readonly T[]): T => items[below(random, items.length)]!;

/** A whole number from 0 to n - 1; 0 where there is none. */
export const below = (random: Random, n: number): number => Math.floor(random.nextFloat() * n);

/** Values at which lengths, counts and offsets go wrong. */
const LIES = [
  0n,
  1n,
  7n,
  255n,
  2n ** 15n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 53n,
  2n ** 63n,
  2n ** 64n - 1n,
];
const BYTES = [0, 1, 0x0a, 0x20, 0x22, 0x2c, 0x30, 0x5b, 0x5c, 0x7b, 0x7d, 0x7f, 0x80, 0xbf, 0xed, 0xff];

/** One to three changes of bytes from `start` to `end`. */
export function mutateBytes(original: Uint8Array, random: Random, start = 0, end = original.length): Mutant {
  let bytes: Uint8Array = Uint8Array.from(original);
  const how: string[] = [];
  for (let rounds = 1 + below(random, 3); rounds > 0; rounds--) {
    const last = Math.min(end, bytes.length);
    const at = Math.min(start + below(random, last - start), bytes.length);
    const length = Math.min(1 + below(random, pick(random, [1, 4, 32, 256])), bytes.length - at);
    const spliced = (removed: number, ...inserted: readonly Uint8Array[]) =>
      Buffer.concat([bytes.subarray(0, at), ...inserted, bytes.subarray(at + removed)]);
    const taken = bytes.subarray(at, at + length);
    switch (below(random, 9)) {
      case 0:
      case 1:
        if (at < bytes.length) bytes[at]! ^= 1 << below(random, 8);
        how.push(`a bit of byte ${at} flipped`);
        break;
      case 2:
      case 3: {
        const byte = random.nextFloat() < 0.5 ? pick(random, BYTES) : below(random, 256);
        if (at < bytes.length) bytes[at] = byte;
        how.push(`byte ${at} set to ${byte}`);
        break;
      }
      case 4: {
        const inserted = Uint8Array.from({ length }, () => below(random, 256));
        bytes = spliced(0, inserted);
        how.push(`bytes ${[...inserted.subarray(0, 8)]}${length > 8 ? ", …" : ""} inserted at ${at}`);
        break;
      }
      case 5:
        bytes = spliced(length);
        how.push(`${length} bytes at ${at} deleted`);
        break;
      case 6: {
        const times = pick(random, [1, 2, 50]);
        bytes = spliced(0, ...new Array<Uint8Array>(times).fill(taken));
        how.push(`${length} bytes at ${at} repeated ${times} times`);
        break;
      }
      case 7: {
        const [lie, size] = [pick(random, LIES), pick(random, [1, 2, 4, 8])];
        const number = new Uint8Array(new BigUint64Array([lie]).buffer, 0, size);
        bytes.set(number.subarray(0, bytes.length - at), at);
        how.push(`${lie} written over ${size} bytes at ${at}`);
        break;
      }
      default:
        if (random.nextFloat() < 0.5) {
          bytes = bytes.subarray(0, at);
          how.push(`cut at ${at}`);
        } else {
          const from = below(random, bytes.length - length);
          bytes.copyWithin(at, from, from + length);
          how.push(`${length} bytes from ${from} copied to ${at}`);
        }
    }
  }
  return { bytes, how: how.join("; ") };
}

/** A value in the text of a JSON document. */
interface Span {
  readonly start: number;
  readonly end: number;
  /** Where its key starts and ends; undefined in a list and at the root. */
  readonly key: readonly [start: number, end: number] | undefined;
  readonly children: readonly Span[];
}

export interface JsonDocument {
  readonly text: string;
  readonly root: Span;
}

/** The spans of all values of a valid JSON text. */
export function jsonDocument(text: string): JsonDocument {
  let at = 0;
  const skip = (pattern: RegExp): void => {
    pattern.lastIndex = at;
    at += pattern.exec(text)?.[0].length ?? 0;
  };
  const value = (key?: Span["key"]): Span => {
    skip(SPACE);
    const start = at;
    const children: Span[] = [];
    if (text[at] === "{" || text[at] === "[") {
      const isObject = text[at++] === "{";
      for (skip(SPACE); text[at] !== "}" && text[at] !== "]"; skip(SPACE)) {
        if (text[at] === ",") at++;
        skip(SPACE);
        const keyStart = at;
        if (isObject) skip(STRING);
        const keyEnd = at;
        skip(SPACE);
        if (isObject) at++;
        children.push(value(isObject ? [keyStart, keyEnd] : undefined));
      }
      at++;
    } else skip(text[at] === '"' ? STRING : WORD);
    return { start, end: at, key, children };
  };
  return { text, root: value() };
}

const SPACE = /\s*/y;
const STRING = /"(?:[^"\\]|\\.)*"/sy;
const WORD = /[^\s,\]}]*/y;

/** What no reader expects. */
const VALUES = [
  ...["null", "true", "false", "0", "-0", "-1", "1", "2", "7", "1.5", "1e-320", "1e308", "1e999", "-1e999"],
  ...[
    "2147483647",
    "2147483648",
    "4294967296",
    "9007199254740993",
    "18446744073709551615",
    "123456789012345678901234567890",
  ],
  ...[
    '""',
    '" "',
    '"x"',
    '"1"',
    '"("',
    '"(?<a"',
    '"[a-"',
    '"\\\\"',
    '".*"',
    '"\\ud800"',
    '"\\u0000"',
    '"ſ👋"',
  ],
  ...[
    '"__proto__"',
    '"constructor"',
    '"toString"',
    '"../x"',
    '"/"',
    '"."',
    '"BPE"',
    '"Sequence"',
    '"default"',
  ],
  ...[
    "[]",
    "{}",
    "[[]]",
    "[{}]",
    "[null]",
    '[""]',
    "[0]",
    "[1,2]",
    '{"":null}',
    '{"__proto__":{"a":1}}',
    '{"type":"Sequence"}',
    '{"toString":0,"valueOf":0}',
  ],
];
const LARGE = [
  `"${"x".repeat(20_000)}"`,
  `[${"0,".repeat(5000)}0]`,
  `{${Array.from({ length: 2000 }, (_, i) => `"k${i}":${i}`)}}`,
  `1${"0".repeat(400)}`,
  `"${"(a*)*".repeat(40)}"`,
];
const KEYS = [
  '"__proto__"',
  '"constructor"',
  '"hasOwnProperty"',
  '""',
  '"0"',
  '"x"',
  '"type"',
  '"\\u0000"',
  '"\\ud800"',
];

/** One to three changes of values and keys. The text stays JSON; with `always` false, its bytes may be changed as well. */
export function mutateJson({ text, root }: JsonDocument, random: Random, always = false): Mutant {
  const edits: { readonly start: number; readonly end: number; readonly by: string; readonly how: string }[] =
    [];
  for (let rounds = pick(random, [1, 1, 1, 2, 3]); rounds > 0; rounds--) {
    const edit = jsonEdit(text, root, random);
    if (edits.every(({ start, end }) => edit.end <= start || end <= edit.start)) edits.push(edit);
  }
  edits.sort((a, b) => b.start - a.start);
  let result = text;
  for (const { start, end, by } of edits) result = result.slice(0, start) + by + result.slice(end);
  const how = edits.map((edit) => edit.how).join("; ");
  const bytes = Buffer.from(result);
  if (always || random.nextFloat() > 0.1) return { bytes, how };
  const mutant = mutateBytes(bytes, random);
  return { bytes: mutant.bytes, how: `${how}; then ${mutant.how}` };
}

function jsonEdit(text: string, root: Span, random: Random) {
  const { span, parent, index } = walk(root, random);
  const { start, end, key, children } = span;
  const own = text.slice(start, end);
  const label = `${key ? `${text.slice(...key)} ` : ""}at ${start}`;
  const replaced = (by: string) => ({ start, end, by, how: `${label}: ${short(own)} -> ${short(by)}` });
  const other = walk(root, random).span;
  const memberStart = key?.[0] ?? start;
  switch (below(random, 10)) {
    case 0:
      if (parent) {
        const next = parent.children[index + 1];
        const before = parent.children[index - 1];
        const how = `${label}: removed`;
        if (next) return { start: memberStart, end: next.key?.[0] ?? next.start, by: "", how };
        return { start: before?.end ?? memberStart, end, by: "", how };
      }
      return replaced("");
    case 1:
      if (key) {
        const value = random.nextFloat() < 0.5 ? pick(random, VALUES) : own;
        const by = `${text.slice(...key)}:${value},${text.slice(memberStart, end)}`;
        const swapped = `${text.slice(memberStart, end)},${text.slice(...key)}:${value}`;
        const isFirst = random.nextFloat() < 0.5;
        return {
          start: memberStart,
          end,
          by: isFirst ? by : swapped,
          how: `${label}: twice, ${isFirst ? "first" : "last"} ${value}`,
        };
      }
      return replaced(`${own},${own}`);
    case 2:
      if (key) {
        const by = random.nextFloat() < 0.5 && other.key ? text.slice(...other.key) : pick(random, KEYS);
        return { start: key[0], end: key[1], by, how: `${label}: renamed to ${by}` };
      }
      return replaced(text.slice(other.start, other.end));
    case 3:
      return replaced(text.slice(other.start, other.end));
    case 4: {
      const depth = pick(random, [1, 2, 40, 1001, 5000, 5000, 60_000]);
      const [open, close] = pick(random, [["[", "]"] as const, ['{"a":', "}"] as const]);
      return replaced(open.repeat(depth) + own + close.repeat(depth));
    }
    case 5:
      if (children.length > 0 && children[0]!.key === undefined) {
        const inner = text.slice(children[0]!.start, children.at(-1)!.end);
        return replaced(`[${`${inner},`.repeat(pick(random, [1, 10, 100]))}${inner}]`);
      }
      return replaced(pick(random, LARGE));
    case 6: {
      const number = Number(own);
      if (/^-?\d/.test(own))
        return replaced(
          `${pick(random, [number + 1, number - 1, -number, number * 2, number / 2, number + 0.5])}`,
        );
      return replaced(pick(random, VALUES));
    }
    default:
      return replaced(pick(random, VALUES));
  }
}

/** A value by a walk from the root, so that a long list or vocabulary does not take all the chances. */
function walk(root: Span, random: Random) {
  let [span, parent, index]: [Span, Span | undefined, number] = [root, undefined, 0];
  while (span.children.length > 0 && (parent === undefined || random.nextFloat() < 0.85)) {
    index = below(random, span.children.length);
    [parent, span] = [span, span.children[index]!];
  }
  return { span, parent, index };
}

const short = (text: string) =>
  text.length > 60 ? `${text.slice(0, 40)}… (${text.length} characters)` : text;

/** The same document in another layout. */
export function relaidJson(text: string, random: Random): Mutant {
  const value: unknown = JSON.parse(text);
  const indent = below(random, 4);
  const space = " \t\r\n".slice(0, below(random, 5));
  return {
    bytes: Buffer.from(`${space}${JSON.stringify(value, null, indent)}${space}`),
    how: `laid out with ${indent} spaces`,
  };
}
