// Which shape rows have, and what is said when they have none.
import { describe, expect, it } from "vitest";
import { detectFormat } from "../../src/data/formats.js";
import { answerOf, renderPrompt } from "../../src/data/shapes.js";
import { rowsOf, tokenizerOf } from "./rows.js";

describe("the shape of rows", () => {
  it.each([
    [{ instruction: "a", output: "b" }, "alpaca"],
    [{ instruction: "a", input: "", output: "b", text: "whole" }, "alpaca"],
    [{ prompt: "a", completion: "b" }, "prompt_completion"],
    [{ messages: [], id: 3 }, "messages"],
    [{ text: "a" }, "text"],
    [{ input_ids: [1, 2], text: "a" }, "tokenized"],
  ])("of %j is %s", (fields, format) => {
    expect(detectFormat(rowsOf(fields))).toBe(format);
  });

  it("is that of most rows, so that one odd row is a fault of that row", () => {
    const alpaca = { instruction: "a", output: "b" };
    expect(detectFormat(rowsOf({ messages: [] }, alpaca, alpaca))).toBe("alpaca");
  });

  it("can be given, and columns can be mapped", () => {
    expect(detectFormat(rowsOf({ text: "a" }), { format: "messages" })).toBe("messages");
    const columns = { instruction: "question", output: "answer" };
    const [row] = rowsOf({ question: "Why?", answer: "So." });
    expect(detectFormat([row!], { columns })).toBe("alpaca");
    expect(answerOf(row!, { columns })).toBe("So.");
    expect(renderPrompt(row!, tokenizerOf("codegen"), { columns })).toContain("### Instruction:\nWhy?\n");
  });

  it("that fits nothing is an error with the columns found and the nearest names", () => {
    const message = (fields: Record<string, unknown>): string => {
      try {
        detectFormat(rowsOf(fields));
      } catch (error) {
        return (error as Error).message;
      }
      return "nothing was thrown";
    };
    expect(message({ instruction: "a", response: "b" })).toBe(
      "the columns found are instruction, response; expected input_ids, or messages, or prompt + completion, or " +
        'instruction + output, or text · data.jsonl:1 · rename "response" to "output", or map the columns',
    );
    expect(message({ prompt: "a", response: "b" })).toContain('rename "response" to "completion"');
    expect(message({ question: "a", answer: "b" })).toContain(
      '"question" to "prompt" and "answer" to "completion"',
    );
    expect(message({ instruction: "a", ouput: "b" })).toContain('"ouput" to "output"');
    expect(message({ mesages: [] })).toContain('"mesages" to "messages"');
    expect(message({ conversations: [] })).toContain('"conversations" to "messages"');
    expect(message({ x: 1 })).toContain("the columns found are x; expected");
    expect(message({ x: 1 })).toContain("rename the columns");
    expect(message({})).toContain("the columns found are none");
    // Inherited names are no columns.
    expect(message({ constructor: 1 })).toContain("found are constructor");
  });
});
