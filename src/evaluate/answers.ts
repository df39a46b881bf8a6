// Prompts as text -> answers as text, whole or as they come.
import type { DecodeOptions } from "../formats/tokenizer.js";
import type { GenerateOptions, TextGenerator } from "./generate.js";

/** What text generation needs of a tokenizer. */
export interface Decoder {
  decode(ids: ArrayLike<number>, options: DecodeOptions): string;
}

/** Answers of a generator; special tokens are left out. */
export async function answer(
  generator: TextGenerator,
  decoder: Decoder,
  prompts: readonly (readonly number[])[],
  options: GenerateOptions,
): Promise<string[]> {
  const made = await generator.generate(prompts, options);
  return made.map((ids) => decoder.decode(ids, { skipSpecialTokens: true }));
}

/** The answer to one prompt in pieces, each as soon as its characters are complete. */
export async function* streamAnswer(
  generator: TextGenerator,
  decoder: Decoder,
  prompt: readonly number[],
  options: GenerateOptions,
): AsyncGenerator<string> {
  const ids: number[] = [];
  let shown = "";
  for await (const { tokens } of generator.steps([prompt], options)) {
    if (tokens[0] === undefined) return;
    ids.push(tokens[0]);
    const text = decoder.decode(ids, { skipSpecialTokens: true });
    // A character that spans tokens shows as U+FFFD until its last byte is there.
    if (text.endsWith("\ufffd") || !text.startsWith(shown)) continue;
    yield text.slice(shown.length);
    shown = text;
  }
  const rest = decoder.decode(ids, { skipSpecialTokens: true });
  if (rest.startsWith(shown) && rest.length > shown.length) yield rest.slice(shown.length);
}
