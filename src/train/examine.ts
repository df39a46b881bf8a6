// Held-out examples and the state of the training -> how well the model does now: loss, accuracy, and answers to look at.
import type { Trained } from "../adapters/plan.js";
import { sequentialBatches } from "../data/batches.js";
import { type Encoded, IGNORED_LABEL } from "../data/types.js";
import { answer } from "../evaluate/answers.js";
import { createGenerator } from "../evaluate/generate.js";
import { createLossEvaluator, meanLoss } from "../evaluate/loss.js";
import type { Tokenizer } from "../formats/tokenizer.js";
import type { BaseModel } from "../models/base_model.js";
import type { TrainOptions } from "../options.js";
import type { EvaluatedEvent, SampledEvent } from "./events.js";
import type { TrainingData } from "./training_data.js";

export interface Examination {
  readonly options: TrainOptions;
  readonly base: BaseModel;
  readonly trained: Trained;
  readonly tokenizer: Tokenizer | undefined;
  readonly data: TrainingData;
  readonly step: number;
  readonly epoch: number;
}

/** Evaluates the held-out rows, if there are any; before and after training also answers some of them. */
export async function* examineHeldOut(
  phase: EvaluatedEvent["phase"],
  examination: Examination,
): AsyncGenerator<EvaluatedEvent | SampledEvent> {
  const { options, base, trained, data, step, epoch } = examination;
  if (data.held.length === 0) return;
  const started = performance.now();
  const evaluator = await createLossEvaluator(base, trained.plan, { numThreads: options.numThreads });
  const batches = sequentialBatches(data.held, {
    batchSize: options.perDeviceEvalBatchSize,
    padTokenId: data.padTokenId,
  });
  const sums = await evaluator.evaluate(batches, trained.values);
  await evaluator.release();
  yield {
    type: "evaluated",
    step,
    epoch,
    phase,
    eval_loss: meanLoss(sums),
    eval_mean_token_accuracy: sums.correct / sums.tokens,
    eval_num_tokens: sums.tokens,
    eval_runtime: (performance.now() - started) / 1000,
  };
  if (phase !== "during") yield* answerSome(phase, examination);
}

/** Greedy answers to the first held-out rows, beside the answers that the data set gives. */
async function* answerSome(
  phase: "before" | "after",
  { options, base, trained, tokenizer, data, step }: Examination,
): AsyncGenerator<SampledEvent> {
  const rows = data.held.slice(0, options.sampleRows);
  if (rows.length === 0 || !tokenizer) return;
  const maxNewTokens = options.maxNewTokens;
  const maxPositions = Math.max(...rows.map(({ inputIds }) => inputIds.length)) + maxNewTokens;
  const generator = await createGenerator(base, trained, { numThreads: options.numThreads, maxPositions });
  const show = (ids: ArrayLike<number>) => tokenizer.decode(ids, { skipSpecialTokens: true });
  for (const row of rows) {
    const { prompt, reference } = splitExample(row);
    const [made] = await answer(generator, tokenizer, [prompt], {
      maxNewTokens,
      eosTokenIds: data.stopTokenIds,
      seed: options.seed,
    });
    yield { type: "sampled", step, phase, prompt: show(prompt), reference: show(reference), answer: made! };
  }
  await generator.release();
}

/** The tokens before the first trained one, and the first run of trained ones. */
function splitExample({ inputIds, labels }: Encoded): { prompt: number[]; reference: number[] } {
  const first = labels.findIndex((label) => label !== IGNORED_LABEL);
  // In plain text all is trained; its first quarter serves as the prompt.
  const start = first > 0 ? first : Math.max(1, Math.floor(inputIds.length / 4));
  const after = labels.findIndex((label, t) => t > start && label === IGNORED_LABEL);
  return {
    prompt: [...inputIds.subarray(0, start)],
    reference: [...inputIds.subarray(start, after < 0 ? undefined : after)],
  };
}
