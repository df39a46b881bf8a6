// A pattern of tokenizer.json (a literal or an Oniguruma regex) -> a JavaScript regex, and text split by it.
import * as library from "@huggingface/tokenizers";
import { fail } from "../../errors.js";
import { type Json, objectField, stringField } from "./fields.js";

/** The library's regex translator; its type files do not resolve under Node's module rules. */
const { SplitPreTokenizer } = library as unknown as {
  readonly SplitPreTokenizer: new (
    config: Readonly<Record<string, unknown>>,
  ) => { readonly pattern: RegExp | null };
};

/** What becomes of the matches of a pattern. Source: tokenizers/src/tokenizer/normalizer.rs, SplitDelimiterBehavior. */
export const splitBehaviors = [
  "Removed",
  "Isolated",
  "MergedWithPrevious",
  "MergedWithNext",
  "Contiguous",
] as const;
export type SplitBehavior = (typeof splitBehaviors)[number];

/** Compiles `{"String": …}` or `{"Regex": …}`. */
export function compilePattern(value: unknown, where: string): RegExp {
  if (typeof value === "string") return literalPattern(value, where);
  const pattern: Json = objectField(value, where);
  if (pattern.String !== undefined)
    return literalPattern(stringField(pattern.String, `${where}.String`), where);
  return translateRegex(stringField(pattern.Regex, `${where}.Regex`), `${where}.Regex`);
}

/** Oniguruma syntax -> JavaScript syntax, flags `gu`. */
export function translateRegex(regex: string, where: string): RegExp {
  try {
    const { pattern } = new SplitPreTokenizer({
      type: "Split",
      pattern: { Regex: foldLongS(regex) },
      behavior: "Isolated",
      invert: false,
    });
    if (pattern) return pattern;
  } catch (error) {
    fail("tokenizer", `the regex ${JSON.stringify(regex)} cannot be used: ${(error as Error).message}`, {
      where,
      cause: error,
    });
  }
  return fail("tokenizer", `the regex ${JSON.stringify(regex)} is empty`, { where });
}

/**
 * Oniguruma's `(?i:'s)` also matches 'ſ (U+017F), which lower-cases to s; the library folds ASCII only.
 * The contraction group of qwen2 and llama3 is the one place where tokenizers use `(?i:`.
 */
function foldLongS(regex: string): string {
  return regex.replace(/\(\?i:'s\|/g, "(?i:'s|'ſ|").replace(/'\(\?i:\[sdmt\]/g, "'(?i:[sſdmt]");
}

function literalPattern(literal: string, where: string): RegExp {
  if (literal === "") fail("tokenizer", "the pattern is an empty string", { where });
  return new RegExp(literal.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), "gu");
}

interface Piece {
  readonly start: number;
  readonly end: number;
  readonly matched: boolean;
}

/** Splits `text` at the matches of `pattern`; with `invert`, at what lies between them. Empty pieces are left out. */
export function splitText(text: string, pattern: RegExp, behavior: SplitBehavior, invert = false): string[] {
  const pieces: Piece[] = [];
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    if (match.index > end) pieces.push({ start: end, end: match.index, matched: invert });
    pieces.push({ start: match.index, end: match.index + match[0].length, matched: !invert });
    end = match.index + match[0].length;
  }
  if (end < text.length) pieces.push({ start: end, end: text.length, matched: invert });
  return mergePieces(pieces, behavior)
    .filter((piece) => piece.end > piece.start)
    .map((piece) => text.slice(piece.start, piece.end));
}

/** A port of NormalizedString::split in tokenizers/src/tokenizer/normalizer.rs. */
function mergePieces(pieces: readonly Piece[], behavior: SplitBehavior): readonly Piece[] {
  switch (behavior) {
    case "Isolated":
      return pieces;
    case "Removed":
      return pieces.filter((piece) => !piece.matched);
    case "Contiguous":
      return fold(pieces, (last, piece) => last.matched === piece.matched);
    case "MergedWithPrevious":
      return fold(pieces, (last, piece) => piece.matched && !last.matched);
    case "MergedWithNext": {
      const backwards = pieces.map(mirrored).reverse();
      return fold(backwards, (last, piece) => piece.matched && !last.matched)
        .map(mirrored)
        .reverse();
    }
  }
}

const mirrored = ({ start, end, matched }: Piece): Piece => ({ start: -end, end: -start, matched });

/** Joins a piece to the one before it where `joins(the piece just before, piece)`. */
function fold(pieces: readonly Piece[], joins: (last: Piece, piece: Piece) => boolean): Piece[] {
  const merged: Piece[] = [];
  let last: Piece | undefined;
  for (const piece of pieces) {
    const open = merged.at(-1);
    if (last && open && joins(last, piece)) merged[merged.length - 1] = { ...open, end: piece.end };
    else merged.push(piece);
    last = piece;
  }
  return merged;
}
