// Templates, words and their slots -> English sentences.
import type { Random } from "../../../src/random.js";
import { pick } from "./choice.js";

export type Slots = Readonly<Record<string, string>>;

/** Words that start with a vowel but not with its sound. */
const CONSONANT_SOUND = /^(?:use|used|useful|uniform|unicorn|university|ukulele|one\b)/;
/** Words that start with a silent h. */
const SILENT_H = /^(?:hour|honest)/;

/** "an owl", "a used cup", "an honest man". */
export function withArticle(phrase: string): string {
  const an = (/^[aeiou]/i.test(phrase) && !CONSONANT_SOUND.test(phrase)) || SILENT_H.test(phrase);
  return `${an ? "an" : "a"} ${phrase}`;
}

export function capitalize(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** "apple, pear and plum". */
export function joinWords(words: readonly string[], last = "and"): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} ${last} ${words.at(-1)}`;
}

/** The regular plural; irregular ones are in the list of plurals. */
export function regularPlural(noun: string): string {
  if (/(?:s|x|z|ch|sh)$/.test(noun)) return `${noun}es`;
  if (/[^aeiou]y$/.test(noun)) return `${noun.slice(0, -1)}ies`;
  return `${noun}s`;
}

/** "walks", "washes", "carries", "goes", "has". */
export function thirdPerson(verb: string): string {
  if (verb === "have") return "has";
  if (/(?:s|x|z|ch|sh|o)$/.test(verb)) return `${verb}es`;
  if (/[^aeiou]y$/.test(verb)) return `${verb.slice(0, -1)}ies`;
  return `${verb}s`;
}

/** Capital letters at the start of the text and after each full stop, question or exclamation mark. */
export function capitalizeSentences(text: string): string {
  return text.replace(
    /(^|[.!?]\s+)([a-z])/g,
    (_, before: string, letter: string) => before + letter.toUpperCase(),
  );
}

/** One of the alternatives in each `[a|b|c]`, inner brackets first. */
function choose(template: string, random: Random): string {
  let text = template;
  while (text.includes("["))
    text = text.replace(/\[([^[\]]*)\]/g, (_, options: string) => pick(random, options.split("|")));
  return text;
}

/**
 * Fills a template: `[a|b]` is one of its alternatives, `{slot}` a slot, `{a slot}` the slot with a or an,
 * `{^slot}` the slot with a capital letter.
 */
export function fill(template: string, slots: Slots, random: Random): string {
  const text = choose(template, random).replace(
    /\{(a |\^)?(\w+)\}/g,
    (whole, mark: string | undefined, name: string) => {
      const value = slots[name];
      if (value === undefined) throw new Error(`no slot for ${whole} in: ${template}`);
      return mark === "a " ? withArticle(value) : mark === "^" ? capitalize(value) : value;
    },
  );
  return capitalizeSentences(text);
}

/** Lines of `a | b | c` -> their cells. */
export function readTable(text: string): string[][] {
  return text
    .trim()
    .split("\n")
    .map((line) => line.split("|").map((cell) => cell.trim()));
}
