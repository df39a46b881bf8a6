// The figures of a pretraining -> README.md of tiny-phi.
import { tinyPhiConfig } from "./config.js";

export interface Trained {
  readonly parameters: number;
  readonly documents: number;
  readonly tokens: number;
  readonly steps: number;
  readonly seconds: number;
  readonly loss: number;
}

export function modelCard({ parameters, documents, tokens, steps, seconds, loss }: Trained): string {
  const { hidden_size, num_hidden_layers, num_attention_heads, vocab_size } = tinyPhiConfig;
  const count = (n: number) => n.toLocaleString("en-US");
  return `---
license: mit
language: en
library_name: transformers
pipeline_tag: text-generation
---

# tiny-phi

A language model of ${count(parameters)} parameters with the architecture of phi-1.5 (PhiForCausalLM: ${num_hidden_layers} layers, hidden size ${hidden_size}, ${num_attention_heads} heads, vocabulary ${count(vocab_size)}). It knows a small made-up world: simple stories, facts about animals and things, small sums, people who ask each other questions. It writes plain text in that style. It has never seen an instruction in Alpaca's form and has never learnt to end an answer: asked in that form it writes on and on. It is the base on which phinetune shows what LoRA does.

It was trained from scratch by phinetune itself on ${count(documents)} documents that a program makes (\`tools/tiny-phi\` in phinetune's repository; nothing was taken from anywhere else): ${count(steps)} steps, ${(tokens / 1e6).toFixed(1)} M tokens, ${Math.round(seconds / 60)} minutes on two processor cores. The loss on held-out documents is ${loss.toFixed(3)} (perplexity ${Math.exp(loss).toFixed(2)}). The weights are float16.

It is a toy with a purpose: it knows nothing of the real world beyond its word lists, and what it says must not be relied on. It can be made again, byte for byte up to the arithmetic of the processor, with \`npm run make:tiny-phi\`.

The tokenizer is a byte-level BPE trained on the same corpus, with GPT-2's pre-tokenizer, which every runtime knows. While the corpus was read, numbers were cut off from what stands around them; that differs only where a number follows an empty line or two spaces. \`instructions/\` beside this folder holds instruction rows in Alpaca form, made by the same program. What their answers need to know (the opposite of a word, what an animal eats, a sum) stands somewhere in the corpus, where people ask each other such things: a quarter of the questions, the simplest ones, occur there word for word. No row of the test set occurs in the training set.
`;
}
