// Held-out rows -> which of them are answered at evaluations, in what batches, and how long that is expected to take.
import type { Trained } from "../adapters/plan.js";
import { createGenerator } from "../evaluate/generate.js";
import { type Question, questionOf } from "../evaluate/questions.js";
import { answeringOrder } from "../evaluate/respond.js";
import type { Tokenizer } from "../formats/tokenizer.js";
import type { BaseModel } from "../models/base_model.js";
import type { TrainOptions } from "../options.js";
import type { TrainingData } from "./training_data.js";

/** A held-out question, and how many tokens its reference answer has, the end token included. */
export interface AskedQuestion extends Question {
  readonly referenceTokens: number;
}

/** Questions that are answered together. */
export interface AnswerBatch {
  readonly rows: number;
  /** Tokens of the longest prompt. */
  readonly length: number;
  /** New tokens when the longest answer ends as its reference does. */
  readonly newTokens: number;
}

/** Seconds of a batch: for a token of its prompts, padding included, and for one further token of each row. */
export interface AnsweringPace {
  readonly promptToken: number;
  readonly step: number;
}

/** The rows that are answered at evaluations: all or some with `--predict-with-generate`, else a few samples. */
export function askedQuestions(
  {
    predictWithGenerate,
    predictRows,
    sampleRows,
  }: Pick<TrainOptions, "predictWithGenerate" | "predictRows" | "sampleRows">,
  { held, heldRows }: Pick<TrainingData, "held" | "heldRows">,
  tokenizer: Tokenizer | undefined,
): readonly AskedQuestion[] {
  if (!tokenizer) return [];
  const wanted = predictWithGenerate ? predictRows || held.length : sampleRows;
  return held.slice(0, wanted).map((encoded, i) => {
    const question = questionOf(heldRows[i]!, encoded, tokenizer);
    return {
      ...question,
      referenceTokens: tokenizer.encode(question.reference, { addSpecialTokens: false }).length + 1,
    };
  });
}

type Answering = Pick<TrainOptions, "perDeviceEvalBatchSize" | "maxNewTokens">;

/** The batches of one evaluation, in their order. */
export function answerBatches(
  questions: readonly AskedQuestion[],
  { perDeviceEvalBatchSize, maxNewTokens }: Answering,
): readonly AnswerBatch[] {
  return answeringOrder(questions, perDeviceEvalBatchSize).map((batch) => {
    const most = (of: (question: AskedQuestion) => number) =>
      Math.max(...batch.map((i) => of(questions[i]!)));
    return {
      rows: batch.length,
      length: most(({ prompt }) => prompt.length),
      newTokens: Math.min(
        maxNewTokens,
        most(({ referenceTokens }) => referenceTokens),
      ),
    };
  });
}

/** New tokens that are timed. */
const TIMED_TOKENS = 8;

/**
 * Answers a batch of middle length, for a few tokens only. It begins in the middle of its answers, for a token takes the
 * longer the more there are before it.
 */
export async function timeAnswers(
  base: BaseModel,
  trained: Trained,
  questions: readonly AskedQuestion[],
  options: Answering & Pick<TrainOptions, "numThreads">,
  tokenizer: Tokenizer,
): Promise<AnsweringPace> {
  const order = answeringOrder(questions, options.perDeviceEvalBatchSize);
  const prompts = order[Math.floor((order.length - 1) / 2)]!.map((i) => {
    const { prompt, reference } = questions[i]!;
    const ids = tokenizer.encode(reference, { addSpecialTokens: false }).slice(0, options.maxNewTokens);
    return [...prompt, ...ids.slice(0, Math.floor(ids.length / 2))];
  });
  const longest = Math.max(...prompts.map(({ length }) => length));
  const maxPositions = longest + TIMED_TOKENS;
  const generator = await createGenerator(base, trained, { numThreads: options.numThreads, maxPositions });
  try {
    const times: number[] = [];
    // The first answers touch memory.
    for (let round = 0; round < 2; round++) {
      times.length = 0;
      let last = performance.now();
      for await (const _ of generator.steps(prompts, { maxNewTokens: TIMED_TOKENS, eosTokenIds: [] })) {
        times.push((performance.now() - last) / 1000);
        last = performance.now();
      }
    }
    const [first, ...further] = times;
    return {
      promptToken: first! / (prompts.length * longest),
      step: further.sort((x, y) => x - y)[further.length >> 1]!,
    };
  } finally {
    await generator.release();
  }
}

/**
 * Seconds of the answers of one evaluation.
 * @param stops whether the model has learned to stop as the references do; else it is expected to go on to `maxNewTokens`
 */
export function answeringSeconds(
  { promptToken, step }: AnsweringPace,
  batches: readonly AnswerBatch[],
  { maxNewTokens }: Pick<TrainOptions, "maxNewTokens">,
  { stops }: { readonly stops: boolean },
): number {
  return batches.reduce(
    (sum, { rows, length, newTokens }) =>
      sum + promptToken * rows * length + step * ((stops ? newTokens : maxNewTokens) - 1),
    0,
  );
}
