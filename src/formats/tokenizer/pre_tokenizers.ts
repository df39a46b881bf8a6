// The `pre_tokenizer` entry of tokenizer.json -> a function from a stretch of text to the words that BPE sees.
import { fail } from "../../errors.js";
import { bytesToChars } from "./byte_level.js";
import { booleanField, countField, objectField, sequenceField, stringField, unsupported } from "./fields.js";
import { compilePattern, type SplitBehavior, splitBehaviors, splitText, translateRegex } from "./patterns.js";

/** A stretch of text, and whether it stands at the very start of the input. */
export interface Stretch {
  readonly text: string;
  /** Nothing stands before it, not even an added token. */
  readonly first: boolean;
  /** False for text that continues earlier text: no space is put before it. */
  readonly atStart: boolean;
}
export type PreTokenizer = (stretches: readonly Stretch[]) => readonly Stretch[];

const known = [
  "ByteLevel",
  "Split",
  "Metaspace",
  "Digits",
  "Punctuation",
  "Whitespace",
  "WhitespaceSplit",
  "CharDelimiterSplit",
  "Sequence",
];

/** GPT-2's regex, in Oniguruma's meaning of \s. Source: tokenizers/src/pre_tokenizers/byte_level.rs */
const GPT2_REGEX = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
/** `\w+|[^\w\s]+` as Rust's regex crate reads it. */
const WORDS =
  /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\p{White_Space}]+/gu;
const PUNCTUATION = /[\p{P}$+<=>^`|~]/gu;

/** Builds the pre-tokenizer; the identity for null. Source: tokenizers/src/pre_tokenizers. */
export function createPreTokenizer(value: unknown, where = "pre_tokenizer", depth = 0): PreTokenizer {
  if (value === null || value === undefined) return (stretches) => stretches;
  const entry = objectField(value, where);
  switch (entry.type) {
    case "ByteLevel": {
      const prefix = booleanField(entry.add_prefix_space, `${where}.add_prefix_space`, true);
      const useRegex = booleanField(entry.use_regex, `${where}.use_regex`, true);
      const regex = translateRegex(GPT2_REGEX, where);
      return eachText((text, stretch) => {
        const whole = prefix && stretch.atStart && !text.startsWith(" ") ? ` ${text}` : text;
        return (useRegex ? splitText(whole, regex, "Isolated") : [whole]).map(bytesToChars);
      });
    }
    case "Split": {
      const pattern = compilePattern(entry.pattern, `${where}.pattern`);
      const behavior = behaviorField(entry.behavior, `${where}.behavior`);
      const invert = booleanField(entry.invert, `${where}.invert`, false);
      return eachText((text) => splitText(text, pattern, behavior, invert));
    }
    case "Metaspace":
      return createMetaspace(entry, where);
    case "Digits": {
      const individual = booleanField(entry.individual_digits, `${where}.individual_digits`, false);
      return eachText((text) => splitText(text, /\p{N}/gu, individual ? "Isolated" : "Contiguous"));
    }
    case "Punctuation": {
      const behavior = behaviorField(entry.behavior ?? "Isolated", `${where}.behavior`);
      return eachText((text) => splitText(text, PUNCTUATION, behavior));
    }
    case "Whitespace":
      return eachText((text) => splitText(text, WORDS, "Removed", true));
    case "WhitespaceSplit":
      return eachText((text) => splitText(text, /\p{White_Space}/gu, "Removed"));
    case "CharDelimiterSplit": {
      const delimiter = compilePattern(
        stringField(entry.delimiter, `${where}.delimiter`),
        `${where}.delimiter`,
      );
      return eachText((text) => splitText(text, delimiter, "Removed"));
    }
    case "FixedLength": {
      const length = countField(entry.length, `${where}.length`, 2 ** 31);
      if (length === 0) fail("tokenizer", "the length is 0", { where: `${where}.length` });
      return eachText((text) => {
        const chars = Array.from(text);
        return Array.from({ length: Math.ceil(chars.length / length) }, (_, i) =>
          chars.slice(i * length, (i + 1) * length).join(""),
        );
      });
    }
    case "Sequence": {
      const members = sequenceField(entry.pretokenizers, `${where}.pretokenizers`, depth).map((member, i) =>
        createPreTokenizer(member, `${where}.pretokenizers[${i}]`, depth + 1),
      );
      return (stretches) => members.reduce((result, split) => split(result), stretches);
    }
    default:
      return unsupported(entry.type, `${where}.type`, known);
  }
}

/** Spaces become `replacement`, one is put in front, and words start at each. */
function createMetaspace(entry: Readonly<Record<string, unknown>>, where: string): PreTokenizer {
  const replacement = stringField(entry.replacement, `${where}.replacement`, "▁");
  const prefixed = booleanField(entry.add_prefix_space, `${where}.add_prefix_space`, true);
  const scheme = stringField(entry.prepend_scheme, `${where}.prepend_scheme`, prefixed ? "always" : "never");
  if (!["always", "first", "never"].includes(scheme))
    fail("tokenizer", `prepend_scheme ${JSON.stringify(scheme)} is none of always, first, never`, { where });
  const splits = booleanField(entry.split, `${where}.split`, true);
  const pattern = compilePattern(replacement, `${where}.replacement`);
  return eachText((text, { first, atStart }) => {
    const replaced = text.replaceAll(" ", replacement);
    const prepend = atStart && (scheme === "always" || (scheme === "first" && first));
    const whole = prepend && !replaced.startsWith(replacement) ? replacement + replaced : replaced;
    return splits ? splitText(whole, pattern, "MergedWithNext") : [whole];
  });
}

function behaviorField(value: unknown, where: string): SplitBehavior {
  const name = stringField(value, where).toLowerCase().replaceAll("_", "");
  const behavior = splitBehaviors.find((candidate) => candidate.toLowerCase() === name);
  return behavior ?? unsupported(value, where, splitBehaviors);
}

/** Applies `split` to each stretch; only its first piece still stands where the stretch stood. */
function eachText(split: (text: string, stretch: Stretch) => readonly string[]): PreTokenizer {
  return (stretches) =>
    stretches.flatMap((stretch) =>
      split(stretch.text, stretch)
        .filter((text) => text !== "")
        .map((text, i) => ({ text, first: stretch.first && i === 0, atStart: stretch.atStart || i > 0 })),
    );
}
