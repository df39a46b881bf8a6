// Conversations as segments: which stretch of what the template renders is trained.
import { describe, expect, it } from "vitest";
import { chatSegments, type Message, renderChat } from "../../src/data/chat.js";
import type { Segment } from "../../src/data/types.js";
import type { Tokenizer } from "../../src/formats/tokenizer.js";
import { tokenizerOf } from "./rows.js";

const say = (...turns: readonly (readonly [string, string])[]): Message[] =>
  turns.map(([role, content]) => ({ role, content }));
const textOf = (segments: readonly Segment[]): string => segments.map(({ text }) => text).join("");
const trainedOf = (segments: readonly Segment[]): string[] =>
  segments.filter(({ trained }) => trained).map(({ text }) => text);
const withTemplate = (chatTemplate: string, kind: "qwen2" | "llama" = "qwen2"): Tokenizer => ({
  ...tokenizerOf(kind),
  chatTemplate,
});

const talk = say(["user", "Hi"], ["assistant", "Hello."], ["user", "Bye"], ["assistant", "See you."]);

describe("ChatML", () => {
  const tokenizer = tokenizerOf("qwen2");

  it("trains each answer with its end of turn, and nothing else", () => {
    const segments = chatSegments(talk, tokenizer);
    expect(trainedOf(segments)).toEqual(["Hello.<|im_end|>", "See you.<|im_end|>"]);
    expect(textOf(segments)).toBe(renderChat(talk, tokenizer, { addGenerationPrompt: false }).trimEnd());
    expect(segments[0]!.text).toBe(
      "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    );
    expect(segments[2]).toEqual({
      text: "\n<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n",
      trained: false,
    });
  });

  it("starts the answer where generation would start", () => {
    const prompt = renderChat(talk.slice(0, 3), tokenizer, { addGenerationPrompt: true });
    const segments = chatSegments(talk, tokenizer);
    expect(textOf(segments.slice(0, -1))).toBe(prompt);
  });

  it("trains only what follows the prompt, when asked", () => {
    expect(trainedOf(chatSegments(talk, tokenizer, 2))).toEqual(["See you.<|im_end|>"]);
  });

  it("is not misled by answers that repeat the prompt, are empty, or hold the template's words", () => {
    const odd = say(
      ["user", "Hello."],
      ["assistant", "Hello."],
      ["user", ""],
      ["assistant", ""],
      ["user", "user"],
      ["assistant", "user\nassistant"],
    );
    expect(trainedOf(chatSegments(odd, tokenizer))).toEqual([
      "Hello.<|im_end|>",
      "<|im_end|>",
      "user\nassistant<|im_end|>",
    ]);
  });

  it("keeps a last question that has no answer", () => {
    expect(chatSegments(talk.slice(0, 3), tokenizer).at(-1)!.text).toContain("Bye");
    expect(trainedOf(chatSegments(talk.slice(0, 1), tokenizer))).toEqual([]);
  });
});

describe("other templates", () => {
  it("that know no generation prompt: the answer starts after the heading", () => {
    const heading =
      "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}";
    expect(trainedOf(chatSegments(talk, withTemplate(heading)))).toEqual([
      "Hello.<|im_end|>",
      "See you.<|im_end|>",
    ]);
  });

  it("that put a space before the answer and EOS behind (llama 2)", () => {
    const segments = chatSegments(talk, tokenizerOf("llama"));
    expect(trainedOf(segments)).toEqual([" Hello.</s>", " See you.</s>"]);
    expect(textOf(segments)).toBe("<s>[INST] Hi [/INST] Hello.</s>[INST] Bye [/INST] See you.</s>");
  });

  it("that trim the content", () => {
    const trimming = "{% for m in messages %}{{ m.role + ': ' + m.content | trim + '\\n' }}{% endfor %}";
    const segments = chatSegments(
      say(["user", " Hi "], ["assistant", "  Hello. \n"]),
      withTemplate(trimming),
    );
    expect(trainedOf(segments)).toEqual(["Hello."]);
  });

  it("that write a thought before the answer: the model has to write it too", () => {
    const thinking =
      "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}{% if m.role == 'assistant' %}{{ '<think></think>' }}" +
      "{% endif %}{{ m.content + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
    expect(trainedOf(chatSegments(talk, withTemplate(thinking)))[0]).toBe("<think></think>Hello.<|im_end|>");
  });

  it("that drop earlier thoughts, so that a prefix renders otherwise", () => {
    const forgetful =
      "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}{% if loop.last and m.role == 'assistant' %}{{ '<think>hm</think>' }}" +
      "{% endif %}{{ m.content + '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";
    expect(trainedOf(chatSegments(talk, withTemplate(forgetful)))).toEqual([
      "Hello.<|im_end|>",
      "<think>hm</think>See you.<|im_end|>",
    ]);
  });

  it("with {% generation %} say themselves what is trained", () => {
    const marked =
      "{% for m in messages %}{{ m.role + '>' }}{% if m.role == 'assistant' %}{% generation %}{{ m.content + eos_token }}{%- endgeneration -%}" +
      "{% else %}{{ m.content }}{% endif %}{{ ';' }}{% endfor %}";
    const segments = chatSegments(talk, withTemplate(marked, "llama"));
    expect(trainedOf(segments)).toEqual(["Hello.</s>", "See you.</s>"]);
    expect(textOf(segments)).toBe("user>Hi;assistant>Hello.</s>;user>Bye;assistant>See you.</s>;");
    expect(trainedOf(chatSegments(talk, withTemplate(marked, "llama"), 2))).toEqual(["See you.</s>"]);
  });

  it("are an error when they change the answer, refuse the roles, or cannot be read", () => {
    const shouting = "{% for m in messages %}{{ m.content | upper }}{% endfor %}";
    expect(() => chatSegments(talk, withTemplate(shouting))).toThrow(/does not show the answer of message 2/);
    expect(() => chatSegments(say(["system", "x"], ["assistant", "y"]), tokenizerOf("llama"))).toThrow(
      /refuses the messages: .*Only user and assistant/,
    );
    expect(() => chatSegments(talk, withTemplate("{% for m in %}"))).toThrow(/cannot be read/);
    expect(() => chatSegments(say(["assistant", "a\ufdd0"]), tokenizerOf("llama"))).toThrow(/U\+FDD0/);
  });
});

it("a model without a template gets Alpaca's headings and EOS", () => {
  const tokenizer = tokenizerOf("codegen");
  expect(tokenizer.chatTemplate).toBeUndefined();
  const segments = chatSegments([...say(["system", "Be brief."]), ...talk], tokenizer);
  expect(textOf(segments)).toBe(
    "Be brief.\n\n### Instruction:\nHi\n\n### Response:\nHello.<|endoftext|>\n\n" +
      "### Instruction:\nBye\n\n### Response:\nSee you.<|endoftext|>",
  );
  expect(trainedOf(segments)).toEqual(["Hello.<|endoftext|>", "See you.<|endoftext|>"]);
  expect(() => chatSegments(say(["tool", "x"]), tokenizer)).toThrow(/system, user and assistant/);
});
