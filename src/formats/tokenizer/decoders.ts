// The `decoder` entry of tokenizer.json -> a function from token texts to text.
import { charsToText } from "./byte_level.js";
import { booleanField, countField, objectField, sequenceField, stringField, unsupported } from "./fields.js";
import { compilePattern } from "./patterns.js";

/** Token texts -> pieces whose concatenation is the text. */
export type Decoder = (tokens: readonly string[]) => readonly string[];

const known = [
  "ByteLevel",
  "Metaspace",
  "BPEDecoder",
  "Replace",
  "ByteFallback",
  "Fuse",
  "Strip",
  "Sequence",
];

/** Builds the decoder; without one, tokens are joined by spaces. Source: tokenizers/src/decoders. */
export function createDecoder(value: unknown, where = "decoder", depth = 0): Decoder {
  if (value === null || value === undefined) return (tokens) => [tokens.join(" ")];
  const entry = objectField(value, where);
  switch (entry.type) {
    case "ByteLevel":
      return (tokens) => [charsToText(tokens)];
    case "Metaspace": {
      const replacement = stringField(entry.replacement, `${where}.replacement`, "▁");
      const prefixed = booleanField(entry.add_prefix_space, `${where}.add_prefix_space`, true);
      const scheme = stringField(
        entry.prepend_scheme,
        `${where}.prepend_scheme`,
        prefixed ? "always" : "never",
      );
      return (tokens) =>
        tokens.map((token, i) => token.replaceAll(replacement, i === 0 && scheme !== "never" ? "" : " "));
    }
    case "BPEDecoder": {
      const suffix = stringField(entry.suffix, `${where}.suffix`, "</w>");
      return (tokens) =>
        tokens.map((token, i) => token.replaceAll(suffix, i === tokens.length - 1 ? "" : " "));
    }
    case "Replace": {
      const pattern = compilePattern(entry.pattern, `${where}.pattern`);
      const content = stringField(entry.content, `${where}.content`);
      return (tokens) => tokens.map((token) => token.replace(pattern, () => content));
    }
    case "ByteFallback":
      return decodeByteTokens;
    case "Fuse":
      return (tokens) => [tokens.join("")];
    case "Strip": {
      const content = stringField(entry.content, `${where}.content`);
      const start = countField(entry.start, `${where}.start`, 2 ** 31, 0);
      const stop = countField(entry.stop, `${where}.stop`, 2 ** 31, 0);
      return (tokens) => tokens.map((token) => strip(token, content, start, stop));
    }
    case "Sequence": {
      const members = sequenceField(entry.decoders, `${where}.decoders`, depth).map((member, i) =>
        createDecoder(member, `${where}.decoders[${i}]`, depth + 1),
      );
      return (tokens) => members.reduce((result, decode) => decode(result), tokens);
    }
    default:
      return unsupported(entry.type, `${where}.type`, known);
  }
}

const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Runs of `<0xNN>` become text when they are valid UTF-8, else one U+FFFD a byte. */
function decodeByteTokens(tokens: readonly string[]): readonly string[] {
  const pieces: string[] = [];
  let bytes: number[] = [];
  const flush = (): void => {
    if (bytes.length === 0) return;
    try {
      pieces.push(strictDecoder.decode(Uint8Array.from(bytes)));
    } catch {
      for (const _ of bytes) pieces.push("\ufffd");
    }
    bytes = [];
  };
  for (const token of tokens) {
    const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(token);
    if (byte) {
      bytes.push(Number.parseInt(byte[1]!, 16));
      continue;
    }
    flush();
    pieces.push(token);
  }
  flush();
  return pieces;
}

/** Takes up to `start` and `stop` times the character `content` from the ends. */
function strip(token: string, content: string, start: number, stop: number): string {
  const chars = Array.from(token);
  let from = 0;
  while (from < start && chars[from] === content) from++;
  let to = chars.length;
  while (chars.length - to < stop && to > 0 && chars[to - 1] === content) to--;
  return chars.slice(from, Math.max(from, to)).join("");
}
