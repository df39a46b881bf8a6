// Options -> a trained adapter or model: the whole run, read from top to bottom.
import { basename } from "node:path";
import { countParameters } from "./adapters/plan.js";
import { batchesOfEpoch } from "./data/batches.js";
import { meanLoss } from "./evaluate/loss.js";
import type { TrainOptions } from "./options.js";
import { prepareRun } from "./prepared_run.js";
import { checkRunFolder, openRunFolder } from "./run/folder.js";
import { createManifest, type Manifest, weightFiles } from "./run/manifest.js";
import { writeReport } from "./run/report.js";
import { withTensorBoard } from "./run/tensorboard.js";
import { machineMemory } from "./runtime/machine.js";
import { isPatienceOver, noBest, noteEvaluation } from "./train/best.js";
import {
  type Fingerprint,
  findCheckpoint,
  loadCheckpoint,
  pruneCheckpoints,
  saveCheckpoint,
} from "./train/checkpoint.js";
import type { EvaluatedEvent, StartedEvent, StepEvent, TrainEvent } from "./train/events.js";
import { createExaminer } from "./train/examine.js";
import { createTrainState, trainingLoop } from "./train/loop.js";
import { adviceOn, totalOf } from "./train/memory.js";
import { createObjective } from "./train/objective.js";
import { noWatch, watchStep } from "./train/watch.js";

/** What a caller can do while a run goes on. */
export interface FineTuneControl {
  /** Aborting ends the run after the current step; a checkpoint and what was trained are saved. */
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
  const { outputDir, resumeFromCheckpoint } = options;
  const resumed = resumeFromCheckpoint && findCheckpoint(resumeFromCheckpoint, outputDir);
  const overwrite = { overwrite: options.overwriteOutputDir };
  if (!resumed) checkRunFolder(outputDir, overwrite);
  const { base, tokenizer, subject, data, loop, estimate } = await prepareRun(options);
  const { trained } = subject;
  const { parts } = estimate;
  const files = [...weightFiles(base.tensors), ...(tokenizer ? [tokenizer.path] : []), ...data.files];
  const manifest = await createManifest(options, files, data.statistics);
  const fingerprint = fingerprintOf(manifest);

  const state = createTrainState(trained.values);
  const from = resumed && (await loadCheckpoint(resumed, state, await subject.load(resumed), fingerprint));
  const best = from ? { ...from.best } : noBest();
  const watch = from ? from.watch : noWatch();
  const opened = await openRunFolder(outputDir, from ? { keptBytes: from.events_bytes } : overwrite);
  const run =
    options.reportTo === "tensorboard" ? withTensorBoard(opened, from ? state.step + 1 : undefined) : opened;
  if (!from) await run.writeManifest(manifest);
  await pruneCheckpoints(run.folder, 0, 0);

  const { trainable, all } = countParameters(base, trained.plan);
  const started: StartedEvent = {
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
  };
  // What the log of the first part tells already is shown again, but not written twice.
  yield from ? started : run.record(started);
  for (const message of data.warnings)
    yield from ? { type: "warned", message } : run.record({ type: "warned", message });

  // It depends on the machine, and is no part of the log.
  yield { type: "expected", memory_bytes: totalOf(parts), warnings: adviceOn(parts, machineMemory()) };

  const examiner = createExaminer(
    { options, base, trained, tokenizer, data },
    from ? from.earlier : undefined,
    signal,
  );
  const examine = async function* (phase: EvaluatedEvent["phase"]): AsyncGenerator<TrainEvent> {
    for await (const event of examiner.examine(phase, state.step, state.step / loop.stepsPerEpoch))
      yield event.type === "answering" ? event : run.record(event);
  };
  const checkpoint = async (): Promise<TrainEvent> => {
    const more = { events_bytes: run.size(), best, watch, earlier: examiner.memory(), fingerprint };
    const path = await saveCheckpoint(run.folder, state, more, subject.saveExactly);
    await pruneCheckpoints(run.folder, options.saveTotalLimit, options.loadBestModelAtEnd ? best.step : 0);
    return run.record({ type: "saved", step: state.step, path: basename(path) });
  };
  if (from) yield run.record({ type: "saved", step: state.step, path: basename(resumed) });
  else yield* examine("before");

  const objective = await createObjective(base, trained.plan, { numThreads: options.numThreads });
  let saved = state.step;
  try {
    const batchesOf = (epoch: number) =>
      batchesOfEpoch(data.train, {
        batchSize: options.perDeviceTrainBatchSize,
        seed: options.seed,
        epoch,
        groupByLength: options.groupByLength,
        padTokenId: data.padTokenId,
      });
    if (!signal?.aborted) {
      for await (const event of trainingLoop(trained.plan, objective, batchesOf, state, loop)) {
        yield run.record(event);
        const message = watchStep(watch, event);
        if (message !== undefined) yield run.record({ type: "warned", message });
        if (signal?.aborted) break;
        let isBest = false;
        if (isEvaluationDue(event, options, loop.stepsPerEpoch)) {
          for await (const result of examine("during")) {
            yield result;
            if (result.type === "evaluated") isBest = noteEvaluation(best, result, options);
          }
        }
        if (isSaveDue(event, options, loop) || (isBest && options.loadBestModelAtEnd)) {
          yield await checkpoint();
          saved = state.step;
        }
        if (signal?.aborted || isPatienceOver(best, options)) break;
      }
    }
    if (signal?.aborted && saved !== state.step) yield await checkpoint();
  } catch (error) {
    yield run.record({ type: "failed", step: state.step, message: (error as Error).message });
    // The error that ended the run is the one to tell.
    await writeReport(run.folder).catch(() => undefined);
    throw error;
  } finally {
    await objective.release();
  }
  const interrupted = signal?.aborted ?? false;
  if (!interrupted && options.loadBestModelAtEnd && best.step > 0 && best.step !== state.step) {
    const values = await subject.load(findCheckpoint(`${run.folder}/checkpoint-${best.step}`, run.folder));
    for (const [name, value] of trained.values) value.set(values.get(name)!);
  }
  await subject.save(run.folder);
  yield run.record({ type: "saved", step: state.step, path: "." });
  if (!interrupted) yield* examine("after");
  yield run.record({
    type: "finished",
    step: state.step,
    ...(options.loadBestModelAtEnd && best.step > 0
      ? { best_step: best.step, best_metric: best.value! }
      : {}),
    train_loss: state.tokens > 0 ? meanLoss(state) : 0,
    train_runtime: state.seconds,
    tokens_per_second: state.seconds > 0 ? state.numTokens / state.seconds : 0,
    peak_memory_bytes: process.resourceUsage().maxRSS * 1024,
    output_dir: run.folder,
    interrupted,
  });
  await writeReport(run.folder);
  await run.close();
}

/** Options that change where and how often something is written, but nothing that is computed. */
const UNCOUNTED: readonly string[] = [
  "outputDir",
  "overwriteOutputDir",
  "resumeFromCheckpoint",
  "saveSteps",
  "saveTotalLimit",
  "loggingSteps",
  "reportTo",
  "memoryCheck",
];

/** What a checkpoint is held against when a run goes on; files by their names, for folders may move. */
function fingerprintOf({ options, hashes, versions }: Manifest): Fingerprint {
  const counted = Object.entries(options).filter(
    ([name, value]) => !UNCOUNTED.includes(name) && value !== undefined,
  );
  return {
    options: Object.fromEntries(counted),
    hashes: Object.fromEntries(Object.entries(hashes).map(([path, hash]) => [basename(path), hash])),
    phinetune: versions.phinetune,
  };
}

function isEvaluationDue(
  { step }: StepEvent,
  { evalStrategy, evalSteps, loggingSteps }: TrainOptions,
  stepsPerEpoch: number,
): boolean {
  if (evalStrategy === "epoch") return step % stepsPerEpoch === 0;
  return evalStrategy === "steps" && step % (evalSteps ?? loggingSteps) === 0;
}

/** The last step needs no checkpoint: its values are the product. */
function isSaveDue(
  { step }: StepEvent,
  { saveSteps }: TrainOptions,
  { schedule }: { readonly schedule: { readonly totalSteps: number } },
): boolean {
  return saveSteps > 0 && step % saveSteps === 0 && step < schedule.totalSteps;
}
