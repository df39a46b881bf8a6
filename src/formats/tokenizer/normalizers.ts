// The `normalizer` entry of tokenizer.json -> a function from text to normalised text.

import { bytesToChars } from "./byte_level.js";
import { booleanField, objectField, sequenceField, stringField, unsupported } from "./fields.js";
import { compilePattern } from "./patterns.js";
import { normalizeUnicode } from "./unicode.js";

/** `atStart` is false for text that continues earlier text: no space is put before it. */
export type Normalizer = (text: string, atStart: boolean) => string;

const known = [
  "NFC",
  "NFD",
  "NFKC",
  "NFKD",
  "Lowercase",
  "Strip",
  "StripAccents",
  "Prepend",
  "Replace",
  "ByteLevel",
  "Sequence",
];

/** Builds the normalizer; the identity for null. Source: tokenizers/src/normalizers. */
export function createNormalizer(value: unknown, where = "normalizer", depth = 0): Normalizer {
  if (value === null || value === undefined) return (text) => text;
  const entry = objectField(value, where);
  switch (entry.type) {
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD": {
      const form = entry.type;
      return (text) => normalizeUnicode(text, form);
    }
    case "Lowercase":
      // Character by character: Rust knows no final sigma here.
      return (text) => Array.from(text, (char) => char.toLowerCase()).join("");
    case "Strip": {
      const left = booleanField(entry.strip_left, `${where}.strip_left`, true);
      const right = booleanField(entry.strip_right, `${where}.strip_right`, true);
      return (text) => {
        const start = left ? text.replace(/^\p{White_Space}+/u, "") : text;
        return right ? trimEnd(start) : start;
      };
    }
    case "StripAccents":
      return (text) => text.replace(/\p{M}/gu, "");
    case "Prepend": {
      const prefix = stringField(entry.prepend, `${where}.prepend`);
      return (text, atStart) => (text === "" || !atStart ? text : prefix + text);
    }
    case "Replace": {
      const pattern = compilePattern(entry.pattern, `${where}.pattern`);
      const content = stringField(entry.content, `${where}.content`);
      return (text) => text.replace(pattern, () => content);
    }
    case "ByteLevel":
      return bytesToChars;
    case "Sequence": {
      const members = sequenceField(entry.normalizers, `${where}.normalizers`, depth).map((member, i) =>
        createNormalizer(member, `${where}.normalizers[${i}]`, depth + 1),
      );
      return (text, atStart) => members.reduce((result, normalize) => normalize(result, atStart), text);
    }
    default:
      return unsupported(entry.type, `${where}.type`, known);
  }
}

/** `\s+$` would look at every run of spaces; this looks only at the end. */
export function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && /\p{White_Space}/u.test(text[end - 1]!)) end--;
  return text.slice(0, end);
}
