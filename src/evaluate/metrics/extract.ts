// The text of an answer -> the part of it that counts, and the label of a set that it means.
import { fail } from "../../errors.js";
import { splitWords, strip } from "./words.js";

/** Takes the part of an answer that counts; "" where there is none. */
export type Extractor = (answer: string) => string;

export const extractors = {
  /** All of it, without whitespace at the ends. */
  whole: strip,
  /** The first word that has more than punctuation, without punctuation at its ends. */
  first_word: (answer) => splitWords(answer).map(trimPunctuation).find(Boolean) ?? "",
  /** The first line that is not blank. */
  first_line: (answer) =>
    answer
      .split(/\r\n|[\n\r]/)
      .map(strip)
      .find(Boolean) ?? "",
  /** The last number, in its shortest form: "1,080.50" is "1080.5". Of "1/2" it is "2". */
  last_number: (answer) => {
    const last = [...answer.matchAll(NUMBER)].at(-1);
    return last === undefined ? "" : numberText(last);
  },
} as const satisfies Record<string, Extractor>;

export type ExtractorName = keyof typeof extractors;

/** Takes the first capture group of the first match, or the whole match when the pattern has no group. */
export function regexExtractor(pattern: string | RegExp): Extractor {
  const regex = compile(pattern);
  return (answer) => {
    const match = regex.exec(answer);
    return match === null ? "" : strip((match.length > 1 ? match[1] : match[0]) ?? "");
  };
}

/** Flags g and y would make a match depend on the one before. */
function compile(pattern: string | RegExp): RegExp {
  if (pattern instanceof RegExp) return new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ""));
  try {
    return new RegExp(pattern, "u");
  } catch (cause) {
    return fail("usage", `${JSON.stringify(pattern)} is no regular expression`, {
      fix: "see https://developer.mozilla.org/docs/Web/JavaScript/Guide/Regular_expressions",
      cause,
    });
  }
}

/** Sign, currency sign, digits with groups of thousands, decimals, exponent. A dash after a word or number is no sign. */
const NUMBER =
  /(?<sign>(?<![\p{L}\p{N})\]%])[-+\u2212])?\p{Sc}?(?:(?<whole>\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?<decimals>\.\d+)?|(?<![\p{L}\d])(?<bare>\.\d+))(?<exponent>[eE][-+]?\d{1,3}(?![\p{L}\d]))?/gu;

function numberText({ groups = {} }: RegExpMatchArray): string {
  const { sign, whole, decimals, bare, exponent } = groups;
  const digits = (whole ?? "").replaceAll(",", "").replace(/^0+(?=\d)/, "") || "0";
  const rest = (decimals ?? bare ?? "").replace(/\.?0+$/, "");
  const minus = sign !== undefined && sign !== "+" && /[1-9]/.test(digits + rest) ? "-" : "";
  const text = `${minus}${digits}${rest}`;
  return exponent === undefined ? text : String(Number(text + exponent));
}

/** Finds which label of a set an answer means; undefined when none. */
export type LabelMatcher = (answer: string) => string | undefined;

/**
 * An answer means a label when both are equal but for case, whitespace and punctuation at the ends; or when both are the
 * same number. Less is trimmed before more, so that "C++" and "C" can be told apart.
 */
export function labelMatcher(labels: readonly string[]): LabelMatcher {
  const exact = new Map<string, string>();
  const trimmed = new Map<string, string | undefined>();
  for (const label of labels) {
    const known = exact.get(labelKey(label));
    if (known !== undefined)
      fail("data", `the labels ${JSON.stringify(known)} and ${JSON.stringify(label)} cannot be told apart`, {
        fix: "give each label once; case and whitespace at the ends make no difference",
      });
    exact.set(labelKey(label), label);
    const key = labelKey(trimPunctuation(label));
    // What two labels share means neither.
    trimmed.set(key, trimmed.has(key) ? undefined : label);
  }
  return (answer) => {
    const bare = labelKey(trimPunctuation(answer));
    const candidates = [labelKey(answer), labelKey(trimPunctuationEnd(answer)), bare];
    const found = candidates.find((candidate) => exact.has(candidate));
    return found === undefined ? trimmed.get(bare) : exact.get(found);
  };
}

/** `labelMatcher` for one answer. */
export function matchLabel(answer: string, labels: readonly string[]): string | undefined {
  return labelMatcher(labels)(answer);
}

/** What is equal for labels that mean the same: a number's shortest form, else the text in lower case. */
export function labelKey(text: string): string {
  const plain = strip(text);
  const numbers = [...plain.matchAll(NUMBER)];
  return numbers.length === 1 && numbers[0]![0] === plain ? numberText(numbers[0]!) : plain.toLowerCase();
}

const MARK = /[\p{P}\p{S}\s]/u;
/** Punctuation before the text, but for a sign or decimal point of a number. */
const MARKS_AT_START = /^[\p{P}\p{S}\s]*?(?=[-+\u2212]?\.?\d|[^\p{P}\p{S}\s]|$)/u;

function trimPunctuation(text: string): string {
  return trimPunctuationEnd(text).replace(MARKS_AT_START, "");
}

function trimPunctuationEnd(text: string): string {
  const characters = Array.from(text);
  return characters.slice(0, characters.findLastIndex((character) => !MARK.test(character)) + 1).join("");
}
