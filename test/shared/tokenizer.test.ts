// The real tokenizers: ids and decoded text of 2,000 strings each against what Python's `tokenizers` gave.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { loadTokenizer } from "../../src/formats/tokenizer.js";

interface Expected {
  readonly strings: readonly string[];
  readonly tokenizers: Readonly<
    Record<
      string,
      {
        readonly ids: readonly string[];
        readonly special: readonly string[];
        readonly text: readonly string[];
        readonly plain: readonly string[];
        readonly scrambled: readonly (readonly [number[], string])[];
      }
    >
  >;
}

const shared = process.env.PHINETUNE_SHARED ?? "../shared";
const { strings, tokenizers } = JSON.parse(
  gunzipSync(readFileSync(new URL("../fixtures/tokenizer_hashes.json.gz", import.meta.url))).toString("utf8"),
) as Expected;

const digest = (data: string | Uint8Array): string =>
  createHash("sha256").update(data).digest("hex").slice(0, 8);
const idsDigest = (ids: readonly number[]): string => digest(new Uint8Array(Int32Array.from(ids).buffer));

describe("the tokenizers of phi, gpt2, qwen2.5 and llama", () => {
  it("cover 2,000 strings and four tokenizers", () => {
    expect(strings).toHaveLength(2000);
    expect(Object.keys(tokenizers)).toHaveLength(4);
  });

  it.each(Object.entries(tokenizers))("%s equals Python's", async (name, expected) => {
    const tokenizer = await loadTokenizer(join(shared, name));
    const differing: unknown[] = [];
    strings.forEach((text, i) => {
      const ids = tokenizer.encode(text, { addSpecialTokens: false });
      const special = tokenizer.encode(text, { addSpecialTokens: true });
      const found = [
        idsDigest(ids),
        idsDigest(special),
        digest(tokenizer.decode(special, { skipSpecialTokens: false })),
        digest(tokenizer.decode(special, { skipSpecialTokens: true })),
      ];
      const wanted = [expected.ids[i], expected.special[i], expected.text[i], expected.plain[i]];
      if (found.join() !== wanted.join()) differing.push({ i, text: text.slice(0, 80), found, wanted });
    });
    for (const [ids, text] of expected.scrambled) {
      if (digest(tokenizer.decode(ids, { skipSpecialTokens: false })) !== text) differing.push({ ids });
    }
    expect(differing).toEqual([]);
  });
});
