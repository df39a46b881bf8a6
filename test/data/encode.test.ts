// Examples as token ids and labels: exact boundary, one BOS, a trained EOS, masks by position.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  checkVocabulary,
  encodeExample,
  encodePrompt,
  paddingId,
  truncateEncoded,
} from "../../src/data/encode.js";
import { renderExample, renderPrompt } from "../../src/data/shapes.js";
import { type Encoded, type Example, IGNORED_LABEL } from "../../src/data/types.js";
import type { Tokenizer } from "../../src/formats/tokenizer.js";
import { kinds, rowsOf, tokenizerOf } from "./rows.js";

const answerOnly = { completionOnlyLoss: true };
const text = fc.string({ unit: "grapheme", maxLength: 40 });
const answerText = fc.string({ unit: "grapheme", minLength: 1, maxLength: 40 });

function example(prompt: string, answer: string): Example {
  return {
    source: "data.jsonl",
    line: 1,
    segments: [
      { text: prompt, trained: false },
      { text: answer, trained: true },
    ],
  };
}

function encode(
  subject: Example,
  tokenizer: Tokenizer,
  settings: Parameters<typeof encodeExample>[2] = answerOnly,
): Encoded {
  const result = encodeExample(subject, tokenizer, settings);
  if ("dropped" in result) throw new Error(`dropped: ${result.dropped}`);
  return result;
}

describe.each(kinds)("with a %s tokenizer", (kind) => {
  const tokenizer = tokenizerOf(kind);

  it("the answer alone is trained, and its last token is EOS", () => {
    fc.assert(
      fc.property(text, answerText, (prompt, answer) => {
        const { inputIds, labels } = encode(example(prompt, answer), tokenizer);
        expect(labels).toHaveLength(inputIds.length);
        expect(tokenizer.stopTokenIds).toContain(labels.at(-1));
        // The boundary: prompt and answer are what each of them is when tokenised apart.
        const head = prompt === "" ? [] : encodePrompt(prompt, tokenizer);
        const tail =
          head.length === 0
            ? encodePrompt(answer, tokenizer)
            : tokenizer.encode(answer, { addSpecialTokens: false, continuation: true });
        const ended = tokenizer.stopTokenIds.includes(tail.at(-1)!) ? tail : [...tail, tokenizer.eosTokenId!];
        expect([...inputIds]).toEqual([...head, ...ended]);
        expect([...labels]).toEqual([...head.map(() => IGNORED_LABEL), ...ended]);
      }),
    );
  });

  it("leaves the end token untrained only when told to, and nothing else", () => {
    fc.assert(
      fc.property(text, answerText, (prompt, answer) => {
        const usual = encode(example(prompt, answer), tokenizer);
        const without = encode(example(prompt, answer), tokenizer, { ...answerOnly, trainOnEos: false });
        expect(without.inputIds).toEqual(usual.inputIds);
        const expected = usual.labels.map((id) => (tokenizer.stopTokenIds.includes(id) ? IGNORED_LABEL : id));
        expect(without.labels).toEqual(expected);
        expect(without.labels.at(-1)).toBe(IGNORED_LABEL);
      }),
    );
  });

  it("BOS stands once at the start where the tokenizer adds it, written in the text or not", () => {
    const bos = tokenizer.bosTokenId;
    const written = bos === undefined ? "" : tokenizer.idToToken(bos)!;
    fc.assert(
      fc.property(fc.boolean(), text, answerText, (write, prompt, answer) => {
        const { inputIds } = encode(example(`${write ? written : ""}x${prompt}`, answer), tokenizer);
        expect(inputIds[0] === bos).toBe(tokenizer.addBos || (write && bos !== undefined));
        expect(inputIds[1] === bos && bos !== undefined).toBe(false);
      }),
    );
  });

  it("EOS is not doubled when the answer ends with it", () => {
    const eos = tokenizer.idToToken(tokenizer.eosTokenId!)!;
    expect(encode(example("a", `b${eos}`), tokenizer)).toEqual(encode(example("a", "b"), tokenizer));
  });

  it("a prompt is the beginning of the row that training sees", () => {
    fc.assert(
      fc.property(text, text, answerText, (instruction, input, output) => {
        const [row] = rowsOf({ instruction, input, output });
        const rendered = renderExample(row!, "alpaca", tokenizer, { add: () => expect.fail() })!;
        const prompt = encodePrompt(renderPrompt(row!, tokenizer), tokenizer);
        const { inputIds, labels } = encode(rendered, tokenizer);
        expect([...inputIds.subarray(0, prompt.length)]).toEqual(prompt);
        expect(labels.findIndex((label) => label !== IGNORED_LABEL)).toBe(prompt.length);
      }),
    );
  });

  it("cut rows keep their start, or are dropped when nothing of the answer is left", () => {
    fc.assert(
      fc.property(text, answerText, fc.integer({ min: 2, max: 40 }), (prompt, answer, maxLength) => {
        const whole = encode(example(prompt, answer), tokenizer);
        const start = Math.max(
          1,
          whole.labels.findIndex((label) => label !== IGNORED_LABEL),
        );
        const result = encodeExample(example(prompt, answer), tokenizer, { ...answerOnly, maxLength });
        if (start >= maxLength) {
          expect(result).toEqual({ dropped: "answer truncated" });
          return;
        }
        const length = Math.min(maxLength, whole.inputIds.length);
        expect(result).toEqual({
          ...whole,
          inputIds: whole.inputIds.slice(0, length),
          labels: whole.labels.slice(0, length),
          truncatedTokens: whole.inputIds.length - length,
        });
      }),
    );
  });
});

describe("labels", () => {
  it("go by position where padding, EOS and BOS are the same token", () => {
    const tokenizer = tokenizerOf("codegen");
    const eos = tokenizer.eosTokenId!;
    expect(paddingId(tokenizer)).toBe(eos);
    const { inputIds, labels } = encode(example("a<|endoftext|>b", "c<|endoftext|>d"), tokenizer);
    const id = (token: string): number => tokenizer.tokenToId(token)!;
    expect([...inputIds]).toEqual([id("a"), eos, id("b"), id("c"), eos, id("d"), eos]);
    expect([...labels]).toEqual([-100, -100, -100, id("c"), eos, id("d"), eos]);
  });

  it("cover everything when the loss is on the whole text", () => {
    const { inputIds, labels } = encode(example("a b", "c"), tokenizerOf("llama"), {
      completionOnlyLoss: false,
    });
    expect(labels).toEqual(inputIds);
  });

  it("an answer inside a conversation may end with its template's token, the last one ends with EOS", () => {
    // EOS is <|endoftext|> here, as in Qwen's base models; the template ends turns with <|im_end|>.
    const qwen = tokenizerOf("qwen2");
    const eosTokenId = qwen.tokenToId("<|endoftext|>")!;
    const base: Tokenizer = { ...qwen, eosTokenId, stopTokenIds: [eosTokenId] };
    const turns = ["a", "b", "c", "d"].map((content, i) => ({ role: i % 2 ? "assistant" : "user", content }));
    const [row] = rowsOf({ messages: turns });
    const rendered = renderExample(row!, "messages", base, { add: () => expect.fail() })!;
    const { inputIds, labels } = encode(rendered, base);
    const end = qwen.tokenToId("<|im_end|>")!;
    expect([...labels].filter((label) => label !== IGNORED_LABEL)).toEqual([
      qwen.tokenToId("b"),
      end,
      qwen.tokenToId("d"),
      end,
      eosTokenId,
    ]);
    expect(inputIds.at(-1)).toBe(eosTokenId);
    expect([...inputIds].filter((id) => id === eosTokenId)).toHaveLength(1);
  });
});

describe("rows that cannot be trained on", () => {
  const tokenizer = tokenizerOf("llama");
  it("are dropped with the reason", () => {
    expect(encodeExample(example("a", ""), tokenizer, answerOnly)).toEqual({ dropped: "empty answer" });
    const unanswered = { source: "", line: 1, segments: [{ text: "a", trained: false }] };
    expect(encodeExample(unanswered, tokenizer, answerOnly)).toEqual({ dropped: "no trained token" });
    expect(encodeExample(example("a long prompt", "b"), tokenizer, { ...answerOnly, maxLength: 4 })).toEqual({
      dropped: "answer truncated",
    });
    const given = { source: "", line: 1, truncatedTokens: 0, inputIds: Int32Array.of(1, 2, 3) };
    const labelled = (...labels: number[]): Encoded => ({ ...given, labels: Int32Array.from(labels) });
    expect(truncateEncoded(labelled(1, -100, -100), {})).toEqual({ dropped: "no trained token" });
    expect(truncateEncoded(labelled(-100, -100, 3), { maxLength: 2 })).toEqual({
      dropped: "answer truncated",
    });
    expect(truncateEncoded(labelled(-100, 2, 3), { maxLength: 2 })).toMatchObject({ truncatedTokens: 1 });
  });

  it("a tokenizer without EOS is refused", () => {
    const { eosTokenId: _, ...rest } = tokenizer;
    expect(() => encodeExample(example("a", "b"), { ...rest, stopTokenIds: [] }, answerOnly)).toThrow(
      /names no end-of-sequence token/,
    );
  });

  it("a tokenizer that knows more ids than the model is refused with both sizes", () => {
    expect(() => checkVocabulary(tokenizer, tokenizer.vocabSize)).not.toThrow();
    expect(() => checkVocabulary(tokenizer, tokenizer.vocabSize - 1)).toThrow(
      new RegExp(`ids up to ${tokenizer.vocabSize - 1} .*vocabulary has ${tokenizer.vocabSize - 1}`),
    );
  });
});
