// What was said so far -> the prompt for the next answer, in the model's chat template or as an Alpaca instruction.
import { alpacaPrompt } from "../data/alpaca.js";
import { type Message, renderChat } from "../data/chat.js";
import { encodePrompt } from "../data/encode.js";
import { fail } from "../errors.js";
import type { Tokenizer } from "../formats/tokenizer.js";

export interface Conversation {
  readonly messages: readonly Message[];
  /**
   * Token ids that the next answer follows, at most `room` of them. Where the conversation is longer, its oldest
   * questions and answers are left out, for this answer only.
   * @throws when the last question alone is longer
   */
  prompt(room: number): { readonly ids: readonly number[]; readonly leftOut: number };
  ask(question: string): void;
  answer(text: string): void;
  /** Takes back a question that got no answer. */
  takeBack(): void;
  reset(): void;
}

/** `alpaca` knows no conversation: each question stands alone. */
export type ConversationFormat = "messages" | "alpaca";

export function createConversation(tokenizer: Tokenizer, format: ConversationFormat): Conversation {
  let messages: readonly Message[] = [];
  const render = (said: readonly Message[]): readonly number[] =>
    encodePrompt(
      format === "messages"
        ? renderChat(said, tokenizer, { addGenerationPrompt: true })
        : alpacaPrompt(said.at(-1)!.content),
      tokenizer,
    );
  return {
    get messages() {
      return messages;
    },
    prompt(room) {
      for (let first = format === "messages" ? 0 : messages.length - 1; ; first += 2) {
        const ids = render(messages.slice(first));
        if (ids.length <= room) return { ids, leftOut: format === "messages" ? first : 0 };
        if (first + 2 >= messages.length)
          fail("data", `the question has ${ids.length} tokens; there is room for ${room}`, {
            fix: "ask a shorter one, or lower --max-new-tokens",
          });
      }
    },
    ask(question) {
      messages = [...messages, { role: "user", content: question }];
    },
    answer(text) {
      messages = [...messages, { role: "assistant", content: text }];
    },
    takeBack() {
      if (messages.at(-1)?.role === "user") messages = messages.slice(0, -1);
    },
    reset() {
      messages = [];
    },
  };
}
