// Texts and a vocabulary size -> a byte-level BPE tokenizer in the form of Hugging Face's tokenizer.json.
import { createPreTokenizer } from "../../src/formats/tokenizer/pre_tokenizers.js";

export const END_OF_TEXT = "<|endoftext|>";

/** GPT-2's, as phi-1.5 has it: what reads phi's tokenizer reads this one. */
const byteLevel = {
  type: "ByteLevel",
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: true,
} as const;

/** The same, numbers cut off in pairs of figures before it, so that no merge is learned across their borders. */
const numbersApart = {
  type: "Sequence",
  pretokenizers: [
    { type: "Split", pattern: { Regex: "[0-9]{1,2}" }, behavior: "Isolated", invert: false },
    byteLevel,
  ],
} as const;

type Merge = readonly [left: string, right: string];

interface Word {
  symbols: string[];
  readonly count: number;
}

const joined = (left: string, right: string): string => `${left}\u0000${right}`;

/** How often each word occurs where numbers stand apart. */
function countWords(texts: Iterable<string>): Map<string, number> {
  const split = createPreTokenizer(numbersApart);
  const counts = new Map<string, number>();
  for (const text of texts)
    for (const word of split([{ text, first: true, atStart: true }]))
      counts.set(word.text, (counts.get(word.text) ?? 0) + 1);
  return counts;
}

/** The characters of GPT-2's byte table, in the order of code points. */
function byteAlphabet(): string[] {
  const split = createPreTokenizer({ type: "ByteLevel", add_prefix_space: false, use_regex: false });
  const alphabet = new Set<string>();
  // Code points up to U+07FF have all bytes but 0xC0, 0xC1 and 0xE0 and above, which have their own places in the table.
  for (let point = 0; point < 0x800; point++)
    for (const { text } of split([{ text: String.fromCodePoint(point), first: true, atStart: true }]))
      for (const char of text) alphabet.add(char);
  for (const byte of [0xc0, 0xc1]) alphabet.add(String.fromCodePoint(byte));
  for (let byte = 0xe0; byte <= 0xff; byte++) alphabet.add(String.fromCodePoint(byte));
  return [...alphabet].sort((a, b) => a.codePointAt(0)! - b.codePointAt(0)!);
}

/** The most frequent pair first, the smaller one of equals; pairs are counted once and kept up to date. */
function learnMerges(words: readonly Word[], count: number, known: Set<string>): Merge[] {
  const counts = new Map<string, number>();
  const places = new Map<string, Set<number>>();
  const change = (pair: string, by: number, word: number): void => {
    counts.set(pair, (counts.get(pair) ?? 0) + by);
    if (by < 0) return;
    const set = places.get(pair) ?? new Set();
    set.add(word);
    places.set(pair, set);
  };
  words.forEach(({ symbols, count: times }, w) => {
    for (let i = 1; i < symbols.length; i++) change(joined(symbols[i - 1]!, symbols[i]!), times, w);
  });
  const merges: Merge[] = [];
  let missing = count;
  while (missing > 0) {
    let best = "";
    let bestCount = 1;
    for (const [pair, times] of counts)
      if (times > bestCount || (times === bestCount && best !== "" && pair < best))
        [best, bestCount] = [pair, times];
    if (best === "") break;
    const [left, right] = best.split("\u0000") as [string, string];
    for (const w of places.get(best)!) {
      const word = words[w]!;
      const merged = mergePair(word.symbols, left, right);
      if (merged.length === word.symbols.length) continue;
      for (let i = 1; i < word.symbols.length; i++)
        change(joined(word.symbols[i - 1]!, word.symbols[i]!), -word.count, w);
      word.symbols = merged;
      for (let i = 1; i < merged.length; i++) change(joined(merged[i - 1]!, merged[i]!), word.count, w);
    }
    counts.delete(best);
    places.delete(best);
    // Another way to a token that is there already is a merge, but no new entry.
    if (!known.has(left + right)) missing--;
    known.add(left + right);
    merges.push([left, right]);
  }
  return merges;
}

function mergePair(symbols: readonly string[], left: string, right: string): string[] {
  const merged: string[] = [];
  for (let i = 0; i < symbols.length; i++) {
    if (symbols[i] === left && symbols[i + 1] === right) {
      merged.push(left + right);
      i++;
    } else merged.push(symbols[i]!);
  }
  return merged;
}

/** The content of tokenizer.json: id 0 is the end of a text, then the bytes, then what the merges make. */
export function trainTokenizer(
  texts: Iterable<string>,
  vocabularySize: number,
): Readonly<Record<string, unknown>> {
  const alphabet = byteAlphabet();
  const vocabulary = new Map<string, number>();
  const add = (token: string): void => {
    if (!vocabulary.has(token)) vocabulary.set(token, vocabulary.size);
  };
  add(END_OF_TEXT);
  for (const char of alphabet) add(char);
  // Figures merge in pairs, and with nothing else: each number below 100 is one token, the same one wherever it stands.
  const figures = "0123456789".split("");
  const merges: Merge[] = figures.flatMap((left) => figures.map((right) => [left, right] as const));
  for (const [left, right] of merges) add(left + right);
  const words = [...countWords(texts)]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .filter(([word]) => !/^[0-9]+$/.test(word))
    .map(([word, count]): Word => ({ symbols: [...word], count }));
  const learned = learnMerges(words, vocabularySize - vocabulary.size, new Set(vocabulary.keys()));
  for (const merge of learned) {
    merges.push(merge);
    add(merge[0] + merge[1]);
  }
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: [
      {
        id: 0,
        content: END_OF_TEXT,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
      },
    ],
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: null,
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(vocabulary),
      merges,
    },
  };
}

/**
 * The tokenizer with which the corpus is read. Few programs have its pre-tokenizer (llama.cpp does not), so it is not the
 * one that is published; ids differ only where a number stands after an empty line or two spaces, or has three figures.
 */
export function withNumbersApart(
  tokenizer: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  return { ...tokenizer, pre_tokenizer: numbersApart };
}

/** The content of tokenizer_config.json, with phi's special tokens. */
export function tokenizerConfig(contextLength: number): Readonly<Record<string, unknown>> {
  return {
    add_prefix_space: false,
    bos_token: END_OF_TEXT,
    eos_token: END_OF_TEXT,
    unk_token: END_OF_TEXT,
    pad_token: END_OF_TEXT,
    model_max_length: contextLength,
    tokenizer_class: "PreTrainedTokenizerFast",
    clean_up_tokenization_spaces: false,
  };
}
