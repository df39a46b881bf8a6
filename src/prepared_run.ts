// Options of a training -> everything it stands on, opened and checked, with nothing written: model, rows, what is trained, steps.
import { resolve } from "node:path";
import { batchesPerEpoch, type PackingFigures, packingFigures } from "./data/batches.js";
import { fail } from "./errors.js";
import { hasTokenizer, loadTokenizer, type Tokenizer } from "./formats/tokenizer.js";
import { type Dataset, openDataset, testSplits, trainSplits } from "./hub/dataset.js";
import type { Transfer, TransferControl } from "./hub/progress.js";
import { resolveAdapter, resolveModel } from "./hub/resolve.js";
import { type BaseModel, openBaseModel } from "./models/base_model.js";
import type { TrainOptions } from "./options.js";
import { inStorage } from "./quantize/storage.js";
import { machineMemory } from "./runtime/machine.js";
import { type Subject, subjectOf } from "./subject.js";
import { type AskedQuestion, answerBatches, askedQuestions } from "./train/answering.js";
import type { DownloadingEvent, RoundingEvent } from "./train/events.js";
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
  /** What of the adapter and the rows may not be meant so. */
  readonly warnings: readonly string[];
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
export async function* prepareRun(
  options: TrainOptions,
  control: TransferControl = {},
): AsyncGenerator<DownloadingEvent | RoundingEvent, PreparedRun> {
  const { fromScratch } = options;
  const part = fromScratch ? "config" : "model";
  const opened = await openBaseModel(yield* told(resolveModel(options.model, { ...control, part })), {
    fromScratch,
  });
  if (resolve(options.outputDir) === resolve(opened.folder))
    fail("usage", "--output-dir is the folder of the model", { fix: "choose another --output-dir" });
  const tokenizer = (await hasTokenizer(opened.folder)) ? await loadTokenizer(opened.folder) : undefined;
  const adapter =
    options.adapter === undefined ? undefined : yield* told(resolveAdapter(options.adapter, control));
  const subject = await subjectOf({ ...options, adapter }, opened);
  const sources = yield* told(openDatasets(options, control));
  const data = await prepareTrainingData(options, sources, tokenizer, opened.config);
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
  const warnings = [...subject.warnings, ...data.warnings];
  return { base, tokenizer, subject, data, warnings, questions, packing, loop, estimate };
}

/** The progress of a transfer as events of a run. */
async function* told<Result>(transfer: Transfer<Result>): AsyncGenerator<DownloadingEvent, Result> {
  for (;;) {
    const { done, value } = await transfer.next();
    if (done) return value;
    yield { type: "downloading", ...value };
  }
}

/** The data sets to train and, where they come from elsewhere, to evaluate on. */
async function* openDatasets(
  options: TrainOptions,
  control: TransferControl,
): Transfer<{ readonly train: Dataset; readonly eval: Dataset | undefined }> {
  const { datasetSplit, datasetConfig, evalDataset, evalDatasetSplit, evalDatasetConfig } = options;
  const train = yield* openDataset(
    options.dataset,
    { split: datasetSplit, config: datasetConfig, preferred: trainSplits },
    control,
  );
  if (evalDataset === undefined && evalDatasetSplit === undefined) return { train, eval: undefined };
  const config = evalDatasetConfig ?? (evalDataset === undefined ? datasetConfig : undefined);
  const choice = { split: evalDatasetSplit, config, preferred: testSplits };
  return { train, eval: yield* openDataset(evalDataset ?? options.dataset, choice, control) };
}

async function* rounded(base: BaseModel, options: TrainOptions): AsyncGenerator<RoundingEvent, BaseModel> {
  const rounding = inStorage(base, options);
  for (;;) {
    const { done, value } = await rounding.next();
    if (done) return value;
    yield { type: "rounding", ...value };
  }
}
