// Options of a training -> everything it stands on, opened and checked, with nothing written: model, rows, what is trained, steps.
import { resolve } from "node:path";
import { batchesPerEpoch, type PackingFigures, packingFigures } from "./data/batches.js";
import { fail } from "./errors.js";
import { hasTokenizer, loadTokenizer, type Tokenizer } from "./formats/tokenizer.js";
import { resolveModel } from "./hub/resolve.js";
import { type BaseModel, openBaseModel } from "./models/base_model.js";
import type { TrainOptions } from "./options.js";
import { inStorage } from "./quantize/storage.js";
import { machineMemory } from "./runtime/machine.js";
import { type Subject, subjectOf } from "./subject.js";
import { type AskedQuestion, answerBatches, askedQuestions } from "./train/answering.js";
import type { RoundingEvent } from "./train/events.js";
import type { LoopOptions } from "./train/loop.js";
import { estimateMemory, refuseHopeless } from "./train/memory.js";
import { loopOptionsOf } from "./train/settings.js";
import { epochSettings, prepareTrainingData, type TrainingData } from "./train/training_data.js";

export interface PreparedRun {
  readonly base: BaseModel;
  /** Undefined for a model without one, which takes rows of token ids only. */
  readonly tokenizer: Tokenizer | undefined;
  readonly subject: Subject;
  readonly data: TrainingData;
  /** Held-out rows that are answered at evaluations. */
  readonly questions: readonly AskedQuestion[];
  /** Undefined where rows are not packed. */
  readonly packing: PackingFigures | undefined;
  readonly loop: LoopOptions;
  /** What memory the run is expected to take. */
  readonly estimate: ReturnType<typeof estimateMemory>;
}

/**
 * Tells how far the rounding to 8 or 4 bits is, where it is asked for, and returns what the run stands on.
 * @throws PhinetuneError when model, rows, options or the machine's memory do not fit.
 */
export async function* prepareRun(options: TrainOptions): AsyncGenerator<RoundingEvent, PreparedRun> {
  const opened = await openBaseModel(resolveModel(options.model), { fromScratch: options.fromScratch });
  if (resolve(options.outputDir) === resolve(opened.folder))
    fail("usage", "--output-dir is the folder of the model", { fix: "choose another --output-dir" });
  const tokenizer = (await hasTokenizer(opened.folder)) ? await loadTokenizer(opened.folder) : undefined;
  const subject = await subjectOf(options, opened);
  const data = await prepareTrainingData(options, tokenizer, opened.config);
  const packing = packingFigures(data.train, epochSettings(data, options, 0));
  const sequences = packing?.sequences ?? data.train.length;
  const loop = loopOptionsOf(options, batchesPerEpoch(sequences, options.perDeviceTrainBatchSize));
  const base = yield* rounded(opened, options);
  const before = process.memoryUsage.rss();
  const { plan } = subject.trained;
  const { train: rows, held, packedLength } = data;
  const questions = askedQuestions(options, data, tokenizer);
  const answers = answerBatches(questions, options);
  const estimate = estimateMemory({ base, plan, rows, held, packedLength, answers, options, before });
  if (options.memoryCheck) refuseHopeless(estimate.parts, machineMemory());
  return { base, tokenizer, subject, data, questions, packing, loop, estimate };
}

async function* rounded(base: BaseModel, options: TrainOptions): AsyncGenerator<RoundingEvent, BaseModel> {
  const rounding = inStorage(base, options);
  for (;;) {
    const { done, value } = await rounding.next();
    if (done) return value;
    yield { type: "rounding", ...value };
  }
}
