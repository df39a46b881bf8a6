// Options -> a trained adapter or model: the whole run, read from top to bottom.
import { basename } from "node:path";
import { countParameters } from "./adapters/plan.js";
import { batchesOfEpoch } from "./data/batches.js";
import { PhinetuneError } from "./errors.js";
import { meanLoss } from "./evaluate/loss.js";
import type { TrainOptions } from "./options.js";
import { type PreparedRun, prepareRun } from "./prepared_run.js";
import { checkRunFolder, openRunFolder, type RunFolder } from "./run/folder.js";
import { createManifest, type Manifest, weightFiles } from "./run/manifest.js";
import { writeModelCard, writeReport } from "./run/report.js";
import { withTensorBoard } from "./run/tensorboard.js";
import { isOutOfMemory } from "./runtime/errors.js";
import { machineMemory } from "./runtime/machine.js";
import { isPatienceOver, noBest, noteEvaluation } from "./train/best.js";
import {
  type Fingerprint,
  findCheckpoint,
  loadCheckpoint,
  pruneCheckpoints,
  saveCheckpoint,
  type TrainerState,
} from "./train/checkpoint.js";
import type { EvaluatedEvent, FailedEvent, StepEvent, TrainEvent } from "./train/events.js";
import { createExaminer } from "./train/examine.js";
import { createTrainState, type TrainState, trainingLoop } from "./train/loop.js";
import { adviceOn, largestPart, type MemoryParts, totalOf } from "./train/memory.js";
import { createObjective } from "./train/objective.js";
import { epochSettings } from "./train/training_data.js";
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
  const prepared = yield* prepareRun(options, { signal });
  const { base, tokenizer, subject, data, estimate } = prepared;
  const files = [...weightFiles(base.tensors), ...(tokenizer ? [tokenizer.path] : []), ...data.files];
  const manifest = await createManifest(options, files, data.statistics);
  const fingerprint = fingerprintOf(manifest);

  const state = createTrainState(subject.trained.values);
  const from = resumed
    ? {
        path: resumed,
        saved: await loadCheckpoint(resumed, state, await subject.load(resumed), fingerprint),
      }
    : undefined;
  const opened = await openRunFolder(outputDir, from ? { keptBytes: from.saved.events_bytes } : overwrite);
  const run =
    options.reportTo === "tensorboard" ? withTensorBoard(opened, from ? state.step + 1 : undefined) : opened;
  if (!from) await run.writeManifest(manifest);

  try {
    yield* train({ options, prepared, run, state, fingerprint, from, signal });
  } catch (error) {
    const told = explained(error, estimate.parts);
    yield await recordFailure(run, { type: "failed", step: state.step, message: told.message });
    throw told;
  } finally {
    await run.close();
  }
}

interface Training {
  readonly options: TrainOptions;
  readonly prepared: PreparedRun;
  readonly run: RunFolder;
  readonly state: TrainState;
  readonly fingerprint: Fingerprint;
  /** The checkpoint that the run goes on from. */
  readonly from: { readonly path: string; readonly saved: TrainerState } | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Everything between the opened run folder and the finished run. */
async function* train(given: Training): AsyncGenerator<TrainEvent> {
  const { options, prepared, run, state, fingerprint, from, signal } = given;
  const { base, subject, data, loop, estimate } = prepared;
  const { trained } = subject;
  // What the log of the first part tells already is shown again, but not written twice.
  for (const event of introduction(options, prepared)) yield from ? event : run.record(event);
  // It depends on the machine, and is no part of the log.
  const warnings = adviceOn(estimate.parts, machineMemory());
  yield { type: "expected", memory_bytes: totalOf(estimate.parts), warnings };

  const best = from ? { ...from.saved.best } : noBest();
  const watch = from ? from.saved.watch : noWatch();
  const examiner = createExaminer({ ...prepared, options, trained }, from?.saved.earlier, signal);
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
  if (from) yield run.record({ type: "saved", step: state.step, path: basename(from.path) });
  else yield* examine("before");

  const { numThreads, gradientCheckpointing } = options;
  const { chunks } = estimate;
  const how = { numThreads, gradientCheckpointing, chunks };
  const objective = await createObjective(base, trained.plan, how);
  let saved = state.step;
  try {
    const batchesOf = (epoch: number) => batchesOfEpoch(data.train, epochSettings(data, options, epoch));
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
  await writeModelCard(run.folder);
}

/** What is known before the first step. */
function introduction(
  { model, dataset }: TrainOptions,
  { base, subject, data, warnings, packing, loop }: PreparedRun,
): readonly TrainEvent[] {
  const { trainable, all } = countParameters(base, subject.trained.plan);
  return [
    {
      type: "started",
      model,
      dataset,
      train_rows: data.train.length,
      eval_rows: data.held.length,
      dropped_rows: data.statistics.rows - data.statistics.kept,
      ...(packing ? { packing } : {}),
      trainable_params: trainable,
      all_params: all,
      modules: subject.trained.plan.targets.size,
      max_steps: loop.schedule.totalSteps,
      steps_per_epoch: loop.stepsPerEpoch,
      num_train_epochs: loop.schedule.totalSteps / loop.stepsPerEpoch,
    },
    ...warnings.map((message) => ({ type: "warned", message }) as const),
  ];
}

/** The error that ended the run is the one to tell, even when the disk takes no more words. */
async function recordFailure(run: RunFolder, event: FailedEvent): Promise<FailedEvent> {
  try {
    run.record(event);
    await writeReport(run.folder);
  } catch {
    // Nothing can be written any more.
  }
  return event;
}

/** An error as its reader needs it: when memory ran out, with the largest part and what shrinks it. */
function explained(error: unknown, parts: MemoryParts): Error {
  if (!isOutOfMemory(error)) return error as Error;
  const { message } = error as Error;
  const what = error instanceof PhinetuneError ? error.faults[0]!.what : message;
  return new PhinetuneError(
    { code: "memory", what: `memory ran out: ${what}`, fix: largestPart(parts) },
    error,
  );
}

/** Options that change where and how often something is written, or what is kept in memory, but no number that is computed. */
const UNCOUNTED: readonly string[] = [
  "outputDir",
  "overwriteOutputDir",
  "resumeFromCheckpoint",
  "saveSteps",
  "saveTotalLimit",
  "loggingSteps",
  "reportTo",
  "pushToHub",
  "hubPrivateRepo",
  "memoryCheck",
  "gradientCheckpointing",
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
