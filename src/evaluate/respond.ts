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
  let done = 0;
  for (const batch of answeringOrder(questions, batchSize)) {
    if (options.signal?.aborted) break;
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
    done += batch.length;
    yield done;
  }
  return responses;
}

/** Which questions are answered together, the shortest prompts first. @returns indices */
export function answeringOrder(
  questions: readonly Pick<Question, "prompt">[],
  batchSize: number,
): readonly (readonly number[])[] {
  const order = questions.map((_, i) => i);
  order.sort((a, b) => questions[a]!.prompt.length - questions[b]!.prompt.length || a - b);
  return Array.from({ length: Math.ceil(order.length / batchSize) }, (_, i) =>
    order.slice(i * batchSize, (i + 1) * batchSize),
  );
}
