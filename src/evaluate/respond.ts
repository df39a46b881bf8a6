// Questions -> the model's answers, in batches of prompts of like length.
import type { Decoder } from "./answers.js";
import type { GenerateOptions, TextGenerator } from "./generate.js";
import type { AnsweredRow } from "./metrics/index.js";
import type { Question } from "./questions.js";

/** A question with an answer, as the metrics take it. */
export interface Response extends AnsweredRow, Question {}

export interface RespondOptions extends GenerateOptions {
  readonly batchSize: number;
}

/**
 * Answers all questions, in their order; an answer's text has no special tokens and no white space at its ends.
 * Yields the number of answered questions after each batch, and returns the answers.
 */
export async function* respond(
  generator: TextGenerator,
  decoder: Decoder,
  questions: readonly Question[],
  { batchSize, ...options }: RespondOptions,
): AsyncGenerator<number, readonly Response[]> {
  const responses = new Array<Response>(questions.length);
  const order = questions.map((_, i) => i);
  order.sort((a, b) => questions[a]!.prompt.length - questions[b]!.prompt.length || a - b);
  for (let start = 0; start < order.length && !options.signal?.aborted; start += batchSize) {
    const batch = order.slice(start, start + batchSize);
    const prompts = batch.map((i) => questions[i]!.prompt);
    const made = await generator.generate(prompts, options);
    for (const [at, i] of batch.entries()) {
      const ids = made[at]!;
      responses[i] = {
        ...questions[i]!,
        answer: decoder.decode(ids, { skipSpecialTokens: true }).trim(),
        stopped: ids.length > 0 && options.eosTokenIds.includes(ids.at(-1)!),
        tokens: ids.length,
      };
    }
    yield start + batch.length;
  }
  return responses;
}
