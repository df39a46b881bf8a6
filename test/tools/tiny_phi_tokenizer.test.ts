// Texts -> a trained tokenizer.json that our tokenizer reads: nothing is lost, and numbers below 100 are single tokens.
import { createHash } from "node:crypto";
import fc from "fast-check";
import { expect, test } from "vitest";
import { createTokenizer } from "../../src/formats/tokenizer.js";
import { writeCorpus } from "../../tools/tiny-phi/corpus.js";
import {
  END_OF_TEXT,
  tokenizerConfig,
  trainTokenizer,
  withNumbersApart,
} from "../../tools/tiny-phi/train_bpe.js";

const json = trainTokenizer(writeCorpus(1, 400), 700);
const read = (content: Readonly<Record<string, unknown>>) =>
  createTokenizer(content, { path: "tokenizer.json", hash: "", tokenizerConfig: tokenizerConfig(512) });
const tokenizer = read(json);
const encode = (text: string): number[] => tokenizer.encode(text, { addSpecialTokens: false });
const decode = (ids: readonly number[]): string => tokenizer.decode(ids, { skipSpecialTokens: false });

test("the same texts give the same file", () => {
  expect(createHash("sha256").update(JSON.stringify(json)).digest("hex")).toMatchInlineSnapshot(
    `"b27b3da4424f6fa66cdf52fdf548d4feb30214d9257d014f85fc0aff27f51d99"`,
  );
});

test("the vocabulary has its size, all bytes and the end of a text at 0", () => {
  expect(tokenizer.vocabSize).toBe(700);
  expect(tokenizer.tokenToId(END_OF_TEXT)).toBe(0);
  expect([tokenizer.bosTokenId, tokenizer.eosTokenId, tokenizer.padTokenId]).toEqual([0, 0, 0]);
  const { vocab } = json.model as { readonly vocab: Readonly<Record<string, number>> };
  expect(Object.keys(vocab).filter((token) => [...token].length === 1)).toHaveLength(256);
});

test("any text comes back", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 40 }), (text) => {
      expect(decode(encode(text))).toBe(text);
    }),
    { seed: 1, numRuns: 300 },
  );
  for (const text of ["", "007 and 1998", "naïve 日本語 😀", "  a\n\n b\t", `${END_OF_TEXT}x`])
    expect(decode(encode(text))).toBe(text);
});

test("a number below 100 is one token, the same one wherever it stands", () => {
  for (let n = 0; n < 100; n++) {
    const [id, ...rest] = encode(String(n));
    expect(rest).toEqual([]);
    expect(encode(`x ${n}.`)).toContain(id);
    expect(encode(`(${n})`)).toContain(id);
  }
});

test("the corpus is read with the same ids where a number has one or two figures", () => {
  const ofCorpus = read(withNumbersApart(json));
  const idsOf = (text: string) => ofCorpus.encode(text, { addSpecialTokens: false });
  for (const text of writeCorpus(2, 100))
    for (const line of text.split("\n\n")) expect(idsOf(line), line).toEqual(encode(line));
  expect(idsOf("321").map((id) => decode([id]))).toEqual(["32", "1"]);
  expect(encode("321").map((id) => decode([id]))).toEqual(["3", "21"]);
});

test("frequent words are one token", () => {
  for (const word of [" the", " and", " is"]) expect(encode(word)).toHaveLength(1);
});

test("merges are applied in the order they were learned: longest words come whole", () => {
  const { merges } = json.model as { readonly merges: readonly (readonly [string, string])[] };
  expect(merges.slice(0, 2)).toEqual([
    ["0", "0"],
    ["0", "1"],
  ]);
  expect(new Set(merges.map(String)).size).toBe(merges.length);
});
