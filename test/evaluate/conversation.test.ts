// What was said -> the prompt of the next answer, the oldest turns left out where room is short.
import { expect, it } from "vitest";
import { createConversation } from "../../src/evaluate/conversation.js";
import type { Tokenizer } from "../../src/formats/tokenizer.js";

/** A token a word; the template puts the role before each message. */
const tokenizer = {
  chatTemplate:
    "{% for m in messages %}{{ m.role + ' ' + m.content + ' ' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant' }}{% endif %}",
  path: "tokenizer.json",
  specialTokenIds: new Set(),
  encode: (text: string) => text.split(" ").map((word) => word.length),
} as unknown as Tokenizer;

it("in a chat template holds everything that fits, from a question on", () => {
  const conversation = createConversation(tokenizer, "messages");
  for (const [question, answer] of [
    ["one two", "three"],
    ["four", "five"],
  ]) {
    conversation.ask(question!);
    conversation.answer(answer!);
  }
  conversation.ask("six");
  // user one two assistant three user four assistant five user six assistant
  expect(conversation.prompt(12)).toMatchObject({ leftOut: 0, ids: { length: 12 } });
  expect(conversation.prompt(11)).toMatchObject({ leftOut: 2, ids: { length: 7 } });
  expect(conversation.prompt(3)).toMatchObject({ leftOut: 4, ids: { length: 3 } });
  expect(() => conversation.prompt(2)).toThrow(/has 3 tokens; there is room for 2/);
  conversation.takeBack();
  conversation.takeBack();
  expect(conversation.messages).toHaveLength(4);
  conversation.reset();
  expect(conversation.messages).toEqual([]);
});

it("as an Alpaca instruction is the last question alone", () => {
  const conversation = createConversation(tokenizer, "alpaca");
  conversation.ask("one");
  const first = conversation.prompt(1000).ids;
  conversation.answer("two");
  conversation.ask("one");
  expect(conversation.prompt(1000)).toEqual({ ids: first, leftOut: 0 });
  expect(() => conversation.prompt(5)).toThrow(/there is room for 5/);
});
