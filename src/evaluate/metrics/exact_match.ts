// An answer and its reference -> whether they are the same, letter by letter or after SQuAD's normalisation.
import { splitWords, strip } from "./words.js";

/**
 * 1 when both are the same string but for whitespace at the ends, else 0. Of many rows the mean is the share in 0..1.
 * Source: `exact_match` of https://github.com/huggingface/evaluate, which does not trim.
 */
export function exactMatch(answer: string, reference: string): 0 | 1 {
  return strip(answer) === strip(reference) ? 1 : 0;
}

/** 1 when both are the same after `normalizeAnswer`, else 0: SQuAD's `compute_exact`. */
export function normalizedExactMatch(answer: string, reference: string): 0 | 1 {
  return normalizeAnswer(answer) === normalizeAnswer(reference) ? 1 : 0;
}

/** Python's `string.punctuation`; punctuation outside ASCII stays. */
const PUNCTUATION = /[!-/:-@[-`{-~]/g;

/** Python's `\b(a|an|the)\b`: its `\w` is letters, numbers and the underscore of all scripts, JavaScript's `\b` knows ASCII only. */
const ARTICLES = /(?<![\p{L}\p{N}_])(?:a|an|the)(?![\p{L}\p{N}_])/gu;

/**
 * Lowercase, without punctuation, without the articles a, an and the, single spaces: in this order.
 * Source: `normalize_answer` of SQuAD's official evaluation script, https://rajpurkar.github.io/SQuAD-explorer/
 * (Rajpurkar et al. 2018, https://arxiv.org/abs/1806.03822).
 */
export function normalizeAnswer(text: string): string {
  return answerWords(text).join(" ");
}

/** The words of a normalised answer. */
export function answerWords(text: string): string[] {
  return splitWords(text.toLowerCase().replace(PUNCTUATION, "").replace(ARTICLES, " "));
}
