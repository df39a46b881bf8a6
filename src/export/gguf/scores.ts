// Merges of byte-pair encoding -> scores of tokens with which SentencePiece's algorithm, as llama.cpp has it, merges alike.
import { fail } from "../../errors.js";

/**
 * SentencePiece joins the two neighbours whose joined token has the highest score, whatever the two are. That is the
 * same as merging by rank if every pair that makes a token is a merge, and the merges of one token stand together.
 * @throws PhinetuneError where the two would differ
 */
export function scoresOf(
  vocabulary: ReadonlyMap<string, number>,
  merges: readonly string[],
  tokens: readonly string[],
  isNormal: (id: number) => boolean,
): readonly number[] {
  const known = new Set(merges);
  const rankOf = new Map<string, number>();
  let last: string | undefined;
  for (const merge of merges) {
    const space = merge.indexOf(" ", 1);
    const merged = merge.slice(0, space) + merge.slice(space + 1);
    if (merged !== last && rankOf.has(merged))
      fail("tokenizer", `the merges of ${JSON.stringify(merged)} do not stand together`);
    if (merged !== last) rankOf.set(merged, rankOf.size);
    last = merged;
  }
  for (const [token, id] of vocabulary) {
    if (!isNormal(id)) continue;
    const characters = Array.from(token);
    for (let i = 1; i < characters.length; i++) {
      const left = characters.slice(0, i).join("");
      const right = characters.slice(i).join("");
      const isPair = [left, right].every((part) => isNormal(vocabulary.get(part) ?? -1));
      if (isPair && !known.has(`${left} ${right}`))
        fail("tokenizer", `llama.cpp would merge ${JSON.stringify(left)} and ${JSON.stringify(right)}`);
    }
  }
  const lowest = -(rankOf.size + 1);
  return tokens.map((token, id) => (isNormal(id) ? -(rankOf.get(token) ?? -lowest) : 0));
}
