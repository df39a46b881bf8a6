// Small tokenizers of four kinds against Python's `tokenizers`; damaged and hostile files; special tokens.
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PhinetuneError } from "../../src/errors.js";
import { createTokenizer, loadTokenizer, type Tokenizer } from "../../src/formats/tokenizer.js";

interface Expected {
  readonly strings: readonly string[];
  readonly tokenizers: Readonly<
    Record<
      string,
      {
        readonly vocabSize: number;
        readonly ids: readonly (readonly number[])[];
        readonly special: readonly string[];
        readonly text: readonly string[];
        readonly scrambled: readonly (readonly [number[], string])[];
      }
    >
  >;
}

const fixtures = fileURLToPath(new URL("../fixtures/tokenizers/", import.meta.url));
const expected = JSON.parse(
  gunzipSync(readFileSync(join(fixtures, "expected.json.gz"))).toString("utf8"),
) as Expected;
const kinds = ["codegen", "qwen2", "llama", "llama3"] as const;

const digest = (data: string | Uint8Array): string =>
  createHash("sha256").update(data).digest("hex").slice(0, 8);
const plain = { addSpecialTokens: false };
const load = (kind: string): Promise<Tokenizer> => loadTokenizer(join(fixtures, kind));
const jsonOf = (kind: string): Record<string, unknown> =>
  JSON.parse(readFileSync(join(fixtures, kind, "tokenizer.json"), "utf8")) as Record<string, unknown>;
const build = (json: unknown): Tokenizer => createTokenizer(json, { path: "tokenizer.json", hash: "" });

describe.each(kinds)("a small %s tokenizer", (kind) => {
  const wanted = expected.tokenizers[kind]!;

  it("gives the ids and texts that Python gives", async () => {
    const tokenizer = await load(kind);
    expect(tokenizer.vocabSize).toBe(wanted.vocabSize);
    expect(expected.strings).toHaveLength(300);
    expected.strings.forEach((text, i) => {
      const where = JSON.stringify(text.slice(0, 80));
      expect(tokenizer.encode(text, plain), where).toEqual(wanted.ids[i]);
      const special = tokenizer.encode(text, { addSpecialTokens: true });
      expect(digest(new Uint8Array(Int32Array.from(special).buffer)), where).toBe(wanted.special[i]);
      expect(digest(tokenizer.decode(special, { skipSpecialTokens: true })), where).toBe(wanted.text[i]);
    });
    for (const [ids, text] of wanted.scrambled)
      expect(tokenizer.decode(ids, { skipSpecialTokens: false }), ids.join()).toBe(text);
  });

  it("decodes what it encoded, and knows its own tokens", async () => {
    const tokenizer = await load(kind);
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 60 }), (text) => {
        const ids = tokenizer.encode(text, plain);
        for (const id of ids) expect(tokenizer.tokenToId(tokenizer.idToToken(id)!)).toBe(id);
        // Llama takes a real leading space for the one that it puts there, and reads ▁ as a space.
        const normal =
          kind === "qwen2" ? text.normalize("NFC") : text.replaceAll("▁", kind === "llama" ? " " : "▁");
        expect(tokenizer.decode(ids, { skipSpecialTokens: false })).toBe(normal);
      }),
    );
    expect(tokenizer.decode([], { skipSpecialTokens: false })).toBe("");
    expect(tokenizer.encode("", plain)).toEqual([]);
  });

  it("reads lone surrogates as U+FFFD", async () => {
    const tokenizer = await load(kind);
    expect(tokenizer.encode("a\ud800b\udc00", plain)).toEqual(tokenizer.encode("a\ufffdb\ufffd", plain));
  });

  it("gives ids or a PhinetuneError, whatever is changed in tokenizer.json", () => {
    const original = jsonOf(kind);
    const paths = leafPaths(original);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(paths.length - 1), fc.jsonValue({ maxDepth: 2 })), {
          minLength: 1,
          maxLength: 3,
        }),
        (changes) => {
          const json = structuredClone(original);
          for (const [index, value] of changes) assign(json, paths[index]!, value);
          try {
            const ids = build(json).encode("Hello  world\n<s> ünïcode 🙂", { addSpecialTokens: true });
            expect(ids.every((id) => Number.isInteger(id) && id >= 0)).toBe(true);
          } catch (error) {
            expect(error).toBeInstanceOf(PhinetuneError);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

/** Paths of the members outside the vocabulary and the merges, and of some inside. */
function leafPaths(json: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (typeof json !== "object" || json === null) return [path];
  const keys = Object.keys(json).slice(0, 12);
  return [
    path,
    ...keys.flatMap((key) => leafPaths((json as Record<string, unknown>)[key], [...path, key])),
  ].filter((found) => found.length > 0);
}

function assign(json: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let node: unknown = json;
  for (const key of path.slice(0, -1))
    node = typeof node === "object" && node !== null ? (node as Record<string, unknown>)[key] : undefined;
  if (typeof node === "object" && node !== null) (node as Record<string, unknown>)[path.at(-1)!] = value;
}

describe("text that continues earlier text", () => {
  it("gets no leading space from a llama tokenizer, so that segments join", async () => {
    const tokenizer = await load("llama");
    const head = tokenizer.encode("The sun\n", plain);
    const tail = tokenizer.encode("rises in the east", { addSpecialTokens: true, continuation: true });
    expect([...head, ...tail]).toEqual(tokenizer.encode("The sun\nrises in the east", plain));
    expect(tokenizer.decode([...head, ...tail], { skipSpecialTokens: false })).toBe(
      "The sun\nrises in the east",
    );
  });

  it.each(["always", "first"])("nor from Metaspace with prepend_scheme %s", (scheme) => {
    const json = jsonOf("llama");
    json.normalizer = null;
    json.pre_tokenizer = { type: "Metaspace", replacement: "▁", prepend_scheme: scheme, split: false };
    const tokenizer = build(json);
    const whole = tokenizer.encode("The sun\nrises", plain);
    expect(whole).toEqual([
      ...tokenizer.encode("The sun\n", plain),
      ...tokenizer.encode("rises", { addSpecialTokens: false, continuation: true }),
    ]);
    const afterToken = tokenizer.encode("<s>sun", plain);
    const spaced = tokenizer.encode("<s> sun", plain);
    expect(afterToken.length === spaced.length && afterToken.every((id, i) => id === spaced[i])).toBe(
      scheme === "always",
    );
  });
});

describe("special tokens", () => {
  it("come from tokenizer_config.json, and say whether BOS goes first", async () => {
    const [codegen, qwen2, llama, llama3] = await Promise.all(kinds.map(load));
    expect(codegen).toMatchObject({ addBos: false, stopTokenIds: [codegen!.tokenToId("<|endoftext|>")] });
    expect(qwen2!.bosTokenId).toBeUndefined();
    expect(qwen2).toMatchObject({
      eosTokenId: qwen2!.tokenToId("<|im_end|>"),
      padTokenId: qwen2!.tokenToId("<|endoftext|>"),
    });
    expect(qwen2!.chatTemplate).toContain("<|im_start|>");
    expect(llama).toMatchObject({ addBos: true, bosTokenId: 1, eosTokenId: 2 });
    expect(llama3).toMatchObject({ addBos: true, eosTokenId: llama3!.tokenToId("<|end_of_text|>") });
    expect(llama!.hash).toBe(createHash("sha256").update(readFileSync(llama!.path)).digest("hex"));
  });

  it("fall back to generation_config.json and config.json, and list every stop token", () => {
    const tokenizer = createTokenizer(jsonOf("llama3"), {
      path: "tokenizer.json",
      hash: "",
      generationConfig: { eos_token_id: [482, 481], bos_token_id: 480 },
      modelConfig: { pad_token_id: 7, eos_token_id: 9 },
    });
    expect(tokenizer).toMatchObject({
      bosTokenId: 480,
      eosTokenId: 482,
      padTokenId: 7,
      stopTokenIds: [482, 481],
    });
  });

  it("are an error when tokenizer.json lacks them", () => {
    expect(() =>
      createTokenizer(jsonOf("llama"), {
        path: "tokenizer.json",
        hash: "",
        tokenizerConfig: { eos_token: "<end>" },
      }),
    ).toThrow(/eos_token "<end>" is not a token of tokenizer\.json/);
  });

  it("obey single_word, lstrip and rstrip", () => {
    const json = jsonOf("codegen");
    const size = expected.tokenizers.codegen!.vocabSize;
    json.added_tokens = [
      { id: size, content: "cat", single_word: true },
      { id: size + 1, content: "<mask>", lstrip: true, rstrip: true, special: true },
    ];
    const tokenizer = build(json);
    expect(tokenizer.encode("cat,cat", plain).filter((id) => id === size)).toHaveLength(2);
    expect(tokenizer.encode("concat cats écat", plain)).not.toContain(size);
    const space = tokenizer.tokenToId("Ġ");
    expect(tokenizer.encode("a \u0085 <mask>\n b", plain)).toEqual([
      ...tokenizer.encode("a", plain),
      size + 1,
      ...tokenizer.encode("b", plain),
    ]);
    expect(tokenizer.encode(" <mask> ", plain)).toEqual([size + 1]);
    expect(tokenizer.encode(" ", plain)).toEqual([space]);
    expect(tokenizer.decode([size + 1, space!], { skipSpecialTokens: true })).toBe(" ");
  });
});

describe("damaged files", () => {
  const folder = mkdtempSync(join(tmpdir(), "phinetune-tokenizer-"));

  it("name the file, the field and what was found", async () => {
    await expect(loadTokenizer(join(folder, "nowhere"))).rejects.toThrow(PhinetuneError);
    writeFileSync(join(folder, "tokenizer.json"), '{"model": {"type": "BPE", "vocab": {"a":');
    await expect(loadTokenizer(folder)).rejects.toThrow(PhinetuneError);
    expect(() => build({ model: { type: "Unigram", vocab: [] } })).toThrow(/type "Unigram" is not supported/);
    expect(() =>
      build({ model: { type: "BPE", vocab: { a: 0 }, merges: [["a", "b"], ["a"], "a a"] } }),
    ).toThrow(
      /"b" is not in the vocabulary · tokenizer\.json: model\.merges\[0\]\n.*not a pair.*merges\[1\]\nthe token "aa" is not/,
    );
    expect(() => build({ model: { type: "BPE", vocab: { a: 3, b: 3, c: -1 }, merges: [] } })).toThrow(
      /"a" and "b" have the same id 3[\s\S]*"c" has the id -1/,
    );
    expect(() => build({ ...jsonOf("llama"), normalizer: { type: "Precompiled" } })).toThrow(/Precompiled/);
    expect(() =>
      build({
        ...jsonOf("llama"),
        pre_tokenizer: { type: "Split", pattern: { Regex: "(" }, behavior: "Isolated" },
      }),
    ).toThrow(/the regex "\(" cannot be used/);
    let nested: unknown = { type: "NFC" };
    for (let i = 0; i < 2000; i++) nested = { type: "Sequence", normalizers: [nested] };
    expect(() => build({ ...jsonOf("llama"), normalizer: nested })).toThrow(/nested more than 32 deep/);
  });

  it.each(["tokenizer.json", "tokenizer_config.json"])("%s: values nested too deeply", async (name) => {
    for (const file of ["tokenizer.json", "tokenizer_config.json"])
      writeFileSync(join(folder, file), readFileSync(join(fixtures, "llama3", file)));
    const deep = `"deep":${"[".repeat(5000)}${"]".repeat(5000)},"decoder":`;
    const text = readFileSync(join(folder, name), "utf8");
    writeFileSync(join(folder, name), `{${deep}0,${text.trimStart().slice(1)}`);
    await expect(loadTokenizer(folder)).rejects.toThrow(/nested deeper than 1000 · .*json$/);
    writeFileSync(join(folder, "tokenizer_config.json"), "{}");
  });

  it("are refused when they are cut anywhere", async () => {
    const bytes = readFileSync(join(fixtures, "llama", "tokenizer.json"));
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 2), async (length) => {
        writeFileSync(join(folder, "tokenizer.json"), bytes.subarray(0, length));
        await expect(loadTokenizer(folder)).rejects.toThrow(PhinetuneError);
      }),
      { numRuns: 40 },
    );
  });
});

it("takes time in proportion to the length of a text without spaces", async () => {
  const tokenizer = await load("llama");
  const time = (length: number): number => {
    const text = "abcdefghij".repeat(length / 10);
    const start = performance.now();
    tokenizer.encode(text, plain);
    return performance.now() - start;
  };
  time(10_000);
  // Ten times the text: about 12 times the time at n log n, 100 times at n².
  const short = Math.min(time(20_000), time(20_000), time(20_000));
  expect(Math.min(time(200_000), time(200_000))).toBeLessThan(40 * Math.max(short, 2));
});
