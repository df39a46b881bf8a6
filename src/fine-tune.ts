// Options -> a trained adapter or model: the whole run, read from top to bottom.
import { resolve } from "node:path";
import { planAdapter } from "./adapters/attach.js";
import { initialValues } from "./adapters/initial.js";
import { countParameters, type Trained } from "./adapters/plan.js";
import { planWhole } from "./adapters/whole.js";
import { batchesOfEpoch } from "./data/batches.js";
import { fail } from "./errors.js";
import { meanLoss } from "./evaluate/loss.js";
import { saveModel } from "./export/model.js";
import { loadPeftAdapter, savePeftAdapter } from "./export/peft.js";
import { hasTokenizer, loadTokenizer } from "./formats/tokenizer.js";
import { resolveModel } from "./hub/resolve.js";
import { type BaseModel, openBaseModel } from "./models/base_model.js";
import type { TrainOptions } from "./options.js";
import { checkRunFolder, openRunFolder } from "./run/folder.js";
import { createManifest, weightFiles } from "./run/manifest.js";
import type { EvaluatedEvent, StepEvent, TrainEvent } from "./train/events.js";
import { createExaminer } from "./train/examine.js";
import { createTrainState, trainingLoop } from "./train/loop.js";
import { createObjective } from "./train/objective.js";
import { loopOptionsOf, loraConfigOf } from "./train/settings.js";
import { prepareTrainingData } from "./train/training_data.js";

/** What a caller can do while a run goes on. */
export interface FineTuneControl {
  /** Aborting ends the run after the current step; the adapter is saved. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Trains a LoRA adapter, or a whole model, and writes the run folder, telling what happens as it happens.
 * @throws PhinetuneError; nothing is written before model, data and options have been found to fit.
 */
export async function* fineTune(
  options: TrainOptions,
  { signal }: FineTuneControl = {},
): AsyncGenerator<TrainEvent> {
  const overwrite = { overwrite: options.overwriteOutputDir };
  checkRunFolder(options.outputDir, overwrite);
  const base = await openBaseModel(resolveModel(options.model), { fromScratch: options.fromScratch });
  if (resolve(options.outputDir) === resolve(base.folder))
    fail("usage", "--output-dir is the folder of the model", { fix: "choose another --output-dir" });
  const tokenizer = (await hasTokenizer(base.folder)) ? await loadTokenizer(base.folder) : undefined;
  const { trained, save } = await startingPoint(options, base);
  const data = await prepareTrainingData(options, tokenizer, base.config.vocabSize);
  const loop = loopOptionsOf(options, Math.ceil(data.train.length / options.perDeviceTrainBatchSize));
  const files = [...weightFiles(base.tensors), ...(tokenizer ? [tokenizer.path] : []), ...data.files];
  const manifest = await createManifest(options, files, data.statistics);
  const run = await openRunFolder(options.outputDir, overwrite);
  await run.writeManifest(manifest);

  const { trainable, all } = countParameters(base, trained.plan);
  yield run.record({
    type: "started",
    model: options.model,
    dataset: options.dataset,
    train_rows: data.train.length,
    eval_rows: data.held.length,
    dropped_rows: data.statistics.rows - data.statistics.kept,
    trainable_params: trainable,
    all_params: all,
    modules: trained.plan.targets.size,
    max_steps: loop.schedule.totalSteps,
    steps_per_epoch: loop.stepsPerEpoch,
    num_train_epochs: loop.schedule.totalSteps / loop.stepsPerEpoch,
  });
  for (const message of data.warnings) yield run.record({ type: "warned", message });

  const state = createTrainState(trained.values);
  const examiner = createExaminer({ options, base, trained, tokenizer, data });
  const examine = async function* (phase: EvaluatedEvent["phase"]): AsyncGenerator<TrainEvent> {
    for await (const event of examiner.examine(phase, state.step, state.step / loop.stepsPerEpoch))
      yield event.type === "answering" ? event : run.record(event);
  };
  yield* examine("before");

  const objective = await createObjective(base, trained.plan, { numThreads: options.numThreads });
  let seconds = 0;
  try {
    const batchesOf = (epoch: number) =>
      batchesOfEpoch(data.train, {
        batchSize: options.perDeviceTrainBatchSize,
        seed: options.seed,
        epoch,
        groupByLength: options.groupByLength,
        padTokenId: data.padTokenId,
      });
    for await (const event of trainingLoop(trained.plan, objective, batchesOf, state, loop)) {
      seconds += event.step_seconds;
      yield run.record(event);
      if (signal?.aborted) break;
      if (isEvaluationDue(event, options, loop.stepsPerEpoch)) yield* examine("during");
    }
  } catch (error) {
    yield run.record({ type: "failed", step: state.step, message: (error as Error).message });
    throw error;
  } finally {
    await objective.release();
  }
  await save(run.folder);
  yield run.record({ type: "saved", step: state.step, path: run.folder });
  const interrupted = signal?.aborted ?? false;
  if (!interrupted) yield* examine("after");
  yield run.record({
    type: "finished",
    step: state.step,
    train_loss: meanLoss(state),
    train_runtime: seconds,
    tokens_per_second: state.numTokens / seconds,
    peak_memory_bytes: process.resourceUsage().maxRSS * 1024,
    output_dir: run.folder,
    interrupted,
  });
  await run.close();
}

/** What a run trains, with its first values, and how it is saved. */
interface StartingPoint {
  readonly trained: Trained;
  readonly save: (folder: string) => Promise<void>;
}

/** The whole model, an adapter that exists, or a new one. */
async function startingPoint(options: TrainOptions, base: BaseModel): Promise<StartingPoint> {
  if (options.method === "full") {
    const plan = planWhole(base);
    const values = await initialValues(base, plan, options.seed);
    return {
      trained: { plan, values },
      save: (folder) => saveModel(folder, base, values, options.saveDtype),
    };
  }
  const { raw, ...adapter } =
    options.adapter === undefined
      ? await newAdapter(options, base)
      : await loadPeftAdapter(options.adapter, base);
  return { trained: adapter, save: (folder) => savePeftAdapter(folder, adapter, options.model, raw) };
}

async function newAdapter(options: TrainOptions, base: BaseModel) {
  const plan = planAdapter(base, loraConfigOf(options));
  return { plan, values: await initialValues(base, plan, options.seed), raw: {} };
}

function isEvaluationDue(
  { step }: StepEvent,
  { evalStrategy, evalSteps, loggingSteps }: TrainOptions,
  stepsPerEpoch: number,
): boolean {
  if (evalStrategy === "epoch") return step % stepsPerEpoch === 0;
  return evalStrategy === "steps" && step % (evalSteps ?? loggingSteps) === 0;
}
