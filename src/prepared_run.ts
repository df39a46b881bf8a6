// Options of a training -> everything it stands on, opened and checked, with nothing written: model, rows, what is trained, steps.
import { resolve } from "node:path";
import { fail } from "./errors.js";
import { hasTokenizer, loadTokenizer, type Tokenizer } from "./formats/tokenizer.js";
import { resolveModel } from "./hub/resolve.js";
import { type BaseModel, openBaseModel } from "./models/base_model.js";
import type { TrainOptions } from "./options.js";
import { machineMemory } from "./runtime/machine.js";
import { type Subject, subjectOf } from "./subject.js";
import type { LoopOptions } from "./train/loop.js";
import { estimateMemory, refuseHopeless } from "./train/memory.js";
import { loopOptionsOf } from "./train/settings.js";
import { prepareTrainingData, type TrainingData } from "./train/training_data.js";

export interface PreparedRun {
  readonly base: BaseModel;
  /** Undefined for a model without one, which takes rows of token ids only. */
  readonly tokenizer: Tokenizer | undefined;
  readonly subject: Subject;
  readonly data: TrainingData;
  readonly loop: LoopOptions;
  /** What memory the run is expected to take. */
  readonly estimate: ReturnType<typeof estimateMemory>;
}

/** @throws PhinetuneError when model, rows, options or the machine's memory do not fit. */
export async function prepareRun(options: TrainOptions): Promise<PreparedRun> {
  const base = await openBaseModel(resolveModel(options.model), { fromScratch: options.fromScratch });
  if (resolve(options.outputDir) === resolve(base.folder))
    fail("usage", "--output-dir is the folder of the model", { fix: "choose another --output-dir" });
  const tokenizer = (await hasTokenizer(base.folder)) ? await loadTokenizer(base.folder) : undefined;
  const subject = await subjectOf(options, base);
  const data = await prepareTrainingData(options, tokenizer, base.config);
  const loop = loopOptionsOf(options, Math.ceil(data.train.length / options.perDeviceTrainBatchSize));
  const before = process.memoryUsage.rss();
  const { plan } = subject.trained;
  const estimate = estimateMemory({ base, plan, rows: data.train, held: data.held, options, before });
  if (options.memoryCheck) refuseHopeless(estimate.parts, machineMemory());
  return { base, tokenizer, subject, data, loop, estimate };
}
