// The whole way from rows to encoded examples: figures, and all faults of all rows at once.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { detectFormat } from "../../src/data/formats.js";
import { prepareDataset } from "../../src/data/prepare.js";
import {
  answerOf,
  collectInto,
  renderExample,
  renderPrompt,
  type TextFormat,
} from "../../src/data/shapes.js";
import { IGNORED_LABEL, type Row } from "../../src/data/types.js";
import { PhinetuneError } from "../../src/errors.js";
import { faultsOf, rowsOf, tokenizerOf } from "./rows.js";

const tokenizer = tokenizerOf("llama");
const prepare = (rows: Row[], more: Partial<Parameters<typeof prepareDataset>[0]> = {}) =>
  prepareDataset({ rows, tokenizer, completionOnlyLoss: true, vocabSize: tokenizer.vocabSize, ...more });

async function* streamed(rows: readonly Row[]): AsyncGenerator<Row> {
  yield* rows;
}

describe("every shape of row", () => {
  it("comes out as prompt and answer", async () => {
    const prompts = async (...fields: Row["fields"][]): Promise<(readonly [string, string])[]> => {
      const { encoded, rows } = await prepare(rowsOf(...fields));
      expect(encoded.map(({ line }) => line)).toEqual(rows.map(({ line }) => line));
      return rows.map((row) => {
        const faults = collectInto([]);
        const { segments } = renderExample(row, detectFormat([row]) as TextFormat, tokenizer, faults)!;
        return [
          segments
            .filter(({ trained }) => !trained)
            .map(({ text }) => text)
            .join("|"),
          segments
            .filter(({ trained }) => trained)
            .map(({ text }) => text)
            .join("|"),
        ];
      });
    };
    const head = "Below is an instruction that describes a task";
    expect(
      await prompts({ instruction: "Add.", input: "1 1", output: "2" }, { instruction: "Go.", output: "Ok" }),
    ).toEqual([
      [
        `${head}, paired with an input that provides further context. Write a response that appropriately completes the request.\n\n### Instruction:\nAdd.\n\n### Input:\n1 1\n\n### Response:\n`,
        "2",
      ],
      [
        `${head}. Write a response that appropriately completes the request.\n\n### Instruction:\nGo.\n\n### Response:\n`,
        "Ok",
      ],
    ]);
    expect(await prompts({ prompt: "The sky is", completion: " blue" })).toEqual([["The sky is", " blue"]]);
    const chat = [{ role: "user", content: "Hi" }];
    const reply = [{ role: "assistant", content: [{ type: "text", text: "Hello" }] }];
    expect(await prompts({ prompt: chat, completion: reply })).toEqual([
      ["<s>[INST] Hi [/INST]", " Hello</s>"],
    ]);
    expect(await prompts({ messages: [...chat, ...reply] })).toEqual([
      ["<s>[INST] Hi [/INST]", " Hello</s>"],
    ]);
    expect(await prompts({ text: "All of it" })).toEqual([["", "All of it"]]);
  });

  it("gives its prompt and its answer for generation", () => {
    const [alpaca] = rowsOf({ instruction: "Go.", output: "Ok" });
    expect(renderPrompt(alpaca!, tokenizer)).toBe(renderPrompt("Go.", tokenizer));
    expect(answerOf(alpaca!)).toBe("Ok");
    const [unanswered] = rowsOf({ instruction: "Go." });
    expect(renderPrompt(unanswered!, tokenizer)).toBe(renderPrompt("Go.", tokenizer));
    const turns = ["a", "b", "c", "d"].map((content, i) => ({ role: i % 2 ? "assistant" : "user", content }));
    const [chat] = rowsOf({ messages: turns });
    expect(renderPrompt(chat!, tokenizer)).toBe("<s>[INST] a [/INST] b</s>[INST] c [/INST]");
    expect(answerOf(chat!)).toBe("d");
    expect(renderPrompt("Hi", tokenizer, { format: "messages" })).toBe("<s>[INST] Hi [/INST]");
    expect(renderPrompt("Once", tokenizer, { format: "text" })).toBe("Once");
    const [pair] = rowsOf({ prompt: "The sky is", completion: " blue" });
    expect([renderPrompt(pair!, tokenizer), answerOf(pair!)]).toEqual(["The sky is", " blue"]);
    const [ids] = rowsOf({ input_ids: [1] });
    expect(() => renderPrompt(ids!, tokenizer)).toThrow(/no prompt text/);
  });
});

describe("the figures", () => {
  it("count rows, drops, tokens and ended answers", async () => {
    const rows = rowsOf(
      { prompt: "a", completion: "b" },
      { prompt: "a", completion: "" },
      { prompt: "a".repeat(30), completion: "b" },
      { prompt: "a", completion: "b".repeat(30) },
    );
    const {
      encoded,
      rows: kept,
      dropped,
      statistics,
    } = await prepare(rows, {
      rows: streamed(rows),
      maxLength: 8,
    });
    expect(encoded.map(({ line }) => line)).toEqual([1, 4]);
    expect(kept.map(({ line }) => line)).toEqual([1, 4]);
    expect(dropped).toEqual([
      { source: "data.jsonl", line: 2, reason: "empty answer" },
      { source: "data.jsonl", line: 3, reason: "answer truncated" },
    ]);
    // <s> ▁a b </s>; and 8 tokens of <s> ▁a bbbb…
    expect(statistics).toMatchObject({
      rows: 4,
      kept: 2,
      dropped: { "empty answer": 1, "answer truncated": 1 },
      truncatedRows: 1,
      tokens: 12,
      trainedTokens: 8,
      answers: 2,
      answersEndingInEos: 0.5,
      length: { min: 4, mean: 6, median: 6, max: 8 },
      histogram: [{ upTo: 32, rows: 2 }],
    });
    expect(statistics.truncatedTokens).toBe(encoded[1]!.truncatedTokens);
  });

  it("say that every answer ends with EOS, when none is cut", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ minLength: 1, maxLength: 20 }), { minLength: 1 }),
        async (answers) => {
          const { encoded, statistics } = await prepare(
            rowsOf(...answers.map((output) => ({ instruction: "x", output }))),
          );
          expect(statistics.answersEndingInEos).toBe(1);
          expect(statistics.trainedTokens).toBe(
            encoded.reduce(
              (sum, { labels }) => sum + labels.filter((label) => label !== IGNORED_LABEL).length,
              0,
            ),
          );
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe("bad rows", () => {
  it("are all listed with file and line", async () => {
    const error = await faultsOf(() =>
      prepare(
        rowsOf(
          { instruction: "a", output: "b" },
          { instruction: 7, output: "b" },
          { instruction: "a", output: "b", input: ["x"] },
          { instruction: "a" },
          { instruction: "a", output: null },
          { instruction: "a", output: "b", input: null },
        ),
      ),
    );
    expect(error.faults.map(({ what, where }) => `${where} ${what}`)).toEqual([
      "data.jsonl:2 instruction is 7; a string is expected",
      "data.jsonl:3 input is a list; a string is expected",
      "data.jsonl:4 output is missing; a string is expected",
      "data.jsonl:5 output is null; a string is expected",
    ]);
    expect(error.exitCode).toBe(1);
  });

  it("of chats name the message", async () => {
    const error = await faultsOf(() =>
      prepare(
        rowsOf(
          { messages: [] },
          { messages: "hi" },
          { messages: [{ role: "user", content: "a" }, { role: "assistant" }] },
          { messages: [{ from: "human", value: "a" }] },
          { messages: [{ role: "user", content: 3 }, 4] },
          { messages: [{ role: "robot", content: "a" }] },
        ),
      ),
    );
    expect(error.faults.map(({ where }) => where)).toEqual(
      [1, 2, 3, 4, 5, 5, 6].map((line) => `data.jsonl:${line}`),
    );
    expect(error.message).toContain("message 2 of messages is an object with role; role and content");
    expect(error.message).toContain("rename from to role");
    expect(error.message).toContain("message 2 of messages is 4");
    expect(error.message).toContain("Only user and assistant roles are supported");
  });

  it("of token ids name the place", async () => {
    const vocabSize = tokenizer.vocabSize;
    const error = await faultsOf(() =>
      prepare(
        rowsOf(
          { input_ids: [1, 2, vocabSize] },
          { input_ids: [1, 2], labels: [1] },
          { input_ids: [1, 2], labels: [-1, 2] },
          { input_ids: [1, 2.5] },
          { input_ids: [1, 2], attention_mask: [1, 2] },
          { input_ids: [1, 2, 3], attention_mask: [1, 0, 1] },
          { input_ids: [1, 2, 3], labels: [1, 2, 3], attention_mask: [1, 1, 0] },
          { input_ids: [1, 2], attention_mask: [0, 0] },
          { input_ids: [] },
          { input_ids: "1 2" },
        ),
      ),
    );
    expect(error.faults.map(({ what }) => what)).toEqual([
      `input_ids[2] is ${vocabSize}; the model knows ids from 0 to ${vocabSize - 1}`,
      "labels has 1 entries, input_ids has 2",
      `labels[0] is -1; -100 or an id from 0 to ${vocabSize - 1} is expected`,
      "input_ids[1] is 2.5; a whole number is expected",
      "attention_mask[1] is 2; 0 or 1 is expected",
      "attention_mask is 0 between real tokens; padding stands at an end",
      "labels[2] is 3 where attention_mask is 0",
      "attention_mask is 0 everywhere",
      "input_ids is an empty list; a list of whole numbers is expected",
      "input_ids is a string; a list of whole numbers is expected",
    ]);
  });

  it("never end in anything but a PhinetuneError", async () => {
    const names = [
      "instruction",
      "input",
      "output",
      "prompt",
      "completion",
      "messages",
      "text",
      "input_ids",
      "labels",
      "attention_mask",
    ];
    const value = fc.oneof(
      fc.string(),
      fc.jsonValue({ maxDepth: 3 }),
      fc.array(fc.record({ role: fc.constantFrom("user", "assistant"), content: fc.string() })),
      fc.array(fc.integer({ min: -101, max: 600 })),
    );
    const fields = fc.dictionary(fc.constantFrom(...names), value);
    await fc.assert(
      fc.asyncProperty(fc.array(fields, { maxLength: 4 }), async (list) => {
        try {
          const { encoded } = await prepare(rowsOf(...list), { maxLength: 64 });
          for (const { inputIds, labels } of encoded) {
            expect(inputIds.every((id) => id >= 0 && id < tokenizer.vocabSize)).toBe(true);
            expect(labels.subarray(1).some((label) => label !== IGNORED_LABEL)).toBe(true);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(PhinetuneError);
        }
      }),
      { numRuns: 400 },
    );
  });

  it("padding of token rows is cut off, at either end, and bigint ids are read", async () => {
    const { encoded } = await prepare(
      rowsOf(
        { input_ids: [5n, 6n, 0n], attention_mask: [1, 1, 0], labels: [-100, 6n, -100] },
        { input_ids: Int32Array.of(0, 5, 6), attention_mask: [0, 1, 1] },
      ),
    );
    expect(encoded.map(({ inputIds, labels }) => [[...inputIds], [...labels]])).toEqual([
      [
        [5, 6],
        [-100, 6],
      ],
      [
        [5, 6],
        [5, 6],
      ],
    ]);
  });

  it("no rows, no row left, an impossible length and a foreign tokenizer are refused", async () => {
    await expect(prepare([])).rejects.toThrow(/has no rows/);
    await expect(prepare(rowsOf({ instruction: "a", output: "" }))).rejects.toThrow(
      /none of the 1 rows can be trained on: 1 with empty answer/,
    );
    await expect(prepare(rowsOf({ instruction: "a", output: "b" }), { maxLength: 5 })).rejects.toThrow(
      /raise the maximum length \(5 tokens\)/,
    );
    await expect(prepare(rowsOf({ text: "a" }), { maxLength: 1 })).rejects.toThrow(/maximum length of 1/);
    await expect(prepare(rowsOf({ text: "a" }), { vocabSize: 10 })).rejects.toThrow(/vocabulary has 10/);
  });
});
