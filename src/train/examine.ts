// Held-out rows and the state of the training -> how well the model does now: loss, accuracy, and scored answers.
import type { Trained } from "../adapters/plan.js";
import { sequentialBatches } from "../data/batches.js";
import { createGenerator } from "../evaluate/generate.js";
import { createLossEvaluator, meanLoss } from "../evaluate/loss.js";
import { compareAnswers, summarizeAnswers } from "../evaluate/metrics/index.js";
import type { Question } from "../evaluate/questions.js";
import { type Response, respond } from "../evaluate/respond.js";
import type { Tokenizer } from "../formats/tokenizer.js";
import type { BaseModel } from "../models/base_model.js";
import type { TrainOptions } from "../options.js";
import type { AnsweringEvent, AnswerScores, EvaluatedEvent, SampledEvent } from "./events.js";
import type { TrainingData } from "./training_data.js";

export interface ExaminerOptions {
  readonly options: TrainOptions;
  readonly base: BaseModel;
  readonly trained: Trained;
  readonly tokenizer: Tokenizer | undefined;
  readonly data: TrainingData;
  /** Held-out rows that are answered, the first ones. */
  readonly questions: readonly Question[];
}

type Phase = EvaluatedEvent["phase"];
type Examined = EvaluatedEvent | SampledEvent | AnsweringEvent;

/** An answer as a checkpoint keeps it; its question comes from the data again. */
type KeptAnswer = Pick<Response, "answer" | "stopped" | "tokens">;

export interface Examiner {
  /** Evaluates the held-out rows, if there are any; before and after the training also answers of them. */
  examine(phase: Phase, step: number, epoch: number): AsyncGenerator<Examined>;
  /** What a checkpoint keeps, to be given to the examiner of the run that goes on. */
  memory(): unknown;
}

/** Remembers the answers given before the training, with which those after it are compared. */
export function createExaminer(given: ExaminerOptions, memory?: unknown, signal?: AbortSignal): Examiner {
  const { options, data, questions, tokenizer } = given;
  let earlier = (memory ?? []) as readonly KeptAnswer[];
  return {
    async *examine(phase, step, epoch) {
      if (data.held.length === 0) return;
      const started = performance.now();
      const sums = await evaluateLoss(given);
      let responses: readonly Response[] = [];
      if ((phase !== "during" || options.predictWithGenerate) && tokenizer && questions.length > 0) {
        responses = yield* answerAll(phase, tokenizer, given, signal);
        if (signal?.aborted) return;
      }
      yield {
        type: "evaluated",
        step,
        epoch,
        phase,
        eval_loss: meanLoss(sums),
        eval_mean_token_accuracy: sums.correct / sums.tokens,
        eval_num_tokens: sums.tokens,
        eval_runtime: (performance.now() - started) / 1000,
        ...(options.predictWithGenerate && responses.length > 0 ? scores(earlier, responses) : {}),
      };
      for (const { text: prompt, reference, answer } of responses.slice(0, options.sampleRows))
        yield { type: "sampled", step, phase, prompt, reference, answer };
      if (phase === "before")
        earlier = responses.map(({ answer, stopped, tokens }) => ({ answer, stopped, tokens }));
    },
    memory: () => earlier,
  };
}

async function evaluateLoss({ options, base, trained, data }: ExaminerOptions) {
  const evaluator = await createLossEvaluator(base, trained.plan, { numThreads: options.numThreads });
  const batches = sequentialBatches(data.held, {
    batchSize: options.perDeviceEvalBatchSize,
    padTokenId: data.padTokenId,
  });
  const sums = await evaluator.evaluate(batches, trained.values);
  await evaluator.release();
  return sums;
}

/** Greedy answers of the model as it is now. */
async function* answerAll(
  phase: Phase,
  tokenizer: Tokenizer,
  { options, base, trained, data, questions }: ExaminerOptions,
  signal: AbortSignal | undefined,
): AsyncGenerator<AnsweringEvent, readonly Response[]> {
  const { maxNewTokens } = options;
  const longest = Math.max(...questions.map(({ prompt }) => prompt.length));
  const generator = await createGenerator(base, trained, {
    numThreads: options.numThreads,
    maxPositions: longest + maxNewTokens,
  });
  try {
    const answering = respond(generator, tokenizer, questions, {
      maxNewTokens,
      eosTokenIds: data.stopTokenIds,
      seed: options.seed,
      signal,
      batchSize: options.perDeviceEvalBatchSize,
    });
    for (;;) {
      const { done, value } = await answering.next();
      if (done) return value;
      yield { type: "answering", phase, done: value, rows: questions.length };
    }
  } finally {
    await generator.release();
  }
}

/** `eval_` metrics of the answers, and their distance from those before. */
function scores(before: readonly KeptAnswer[], now: readonly Response[]): AnswerScores {
  const { metrics, labels } = summarizeAnswers(now);
  const named: AnswerScores = {
    ...Object.fromEntries(Object.entries(metrics).map(([name, value]) => [`eval_${name}`, value])),
    ...(labels ? { eval_labels: labels } : {}),
  };
  if (before.length !== now.length) return named;
  const then = now.map((response, i) => ({ ...response, ...before[i]! }));
  const change = Object.entries(compareAnswers(then, now)).map(([name, { difference }]) => [
    name,
    difference,
  ]);
  return { ...named, eval_change: Object.fromEntries(change) };
}
