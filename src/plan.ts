// Options of a run -> what it would train, on what, with how much memory and time; nothing is written.
import type { Target } from "./adapters/method.js";
import { countParameters, type TrainableParameter } from "./adapters/plan.js";
import { batchesOfEpoch, type PackingFigures } from "./data/batches.js";
import type { DatasetStatistics } from "./data/statistics.js";
import type { Batch } from "./data/types.js";
import { elementCount } from "./formats/tensor.js";
import type { DownloadControl } from "./hub/progress.js";
import type { PlanOptions } from "./options.js";
import { type PreparedRun, prepareRun } from "./prepared_run.js";
import { checkRunFolder } from "./run/folder.js";
import { machineMemory } from "./runtime/machine.js";
import { type AnsweringPace, answerBatches, answeringSeconds, timeAnswers } from "./train/answering.js";
import { type Calibration, calibrate, calibrationBatches, secondsOf } from "./train/calibrate.js";
import { findCheckpoint } from "./train/checkpoint.js";
import type { Sizes } from "./train/estimate.js";
import { evaluationSeconds, type Schedule, scheduleOf } from "./train/forecast.js";
import { adviceOn, type MemoryParts, totalOf } from "./train/memory.js";
import { createObjective } from "./train/objective.js";
import { epochSettings, type TrainingData } from "./train/training_data.js";

/** Modules that are alike. */
export interface ModuleGroup {
  readonly name: string;
  readonly count: number;
  /** [out, in], or [rows, size] of an embedding. */
  readonly shape: readonly number[];
  readonly r: number;
}

export interface RunPlan {
  readonly model: string;
  readonly dataset: string;
  readonly modules: readonly ModuleGroup[];
  readonly trainable_params: number;
  readonly all_params: number;
  /** Trained values by what they are. */
  readonly trained: { readonly adapter: number; readonly bias: number; readonly whole_modules: number };
  readonly train_rows: number;
  readonly eval_rows: number;
  readonly statistics: DatasetStatistics;
  /** Share of the tokens in the batches of the first epoch that is padding. */
  readonly padding_share: number;
  /** null where rows are not packed. */
  readonly packing: PackingFigures | null;
  readonly schedule: Schedule;
  readonly memory: {
    readonly parts: MemoryParts;
    readonly expected_peak: number;
    /** Peak of the calibration, if there was one. */
    readonly measured_peak: number | null;
    readonly machine_total: number;
    readonly machine_available: number;
  };
  /** null without calibration. */
  readonly time: {
    readonly step_seconds: number;
    readonly training_seconds: number;
    /** Of the losses of the held-out rows, at all evaluations. */
    readonly evaluation_seconds: number;
    /** Of generated answers at all evaluations, if once training has begun the model stops where the references do. */
    readonly answering_seconds: number;
    /** If it never stops before the last token that it may write. */
    readonly answering_seconds_at_most: number;
    readonly total_seconds: number;
    readonly calibration: Calibration;
  } | null;
  readonly warnings: readonly string[];
}

const CALIBRATION_SECONDS = 20;

/** Plans a run. @throws PhinetuneError where a training would refuse to begin */
export async function planRun(
  options: PlanOptions,
  tell: (doing: string) => void = () => undefined,
  control: DownloadControl = {},
): Promise<RunPlan> {
  const { outputDir, resumeFromCheckpoint, overwriteOutputDir: overwrite } = options;
  if (resumeFromCheckpoint) findCheckpoint(resumeFromCheckpoint, outputDir);
  else checkRunFolder(outputDir, { overwrite });
  const run = await prepared(options, tell, control);
  const { base, tokenizer, subject, data, warnings, questions, packing, loop, estimate } = run;
  const { trained } = subject;
  const { trainable, all } = countParameters(base, trained.plan);
  let { parts } = estimate;

  let calibration: Calibration | undefined;
  let answering: AnsweringPace | undefined;
  let measuredPeak: number | null = null;
  if (options.calibrationSteps > 0) {
    tell(
      `timing ${options.calibrationSteps} steps, expected to need ${Math.round(totalOf(parts) / 1e6)} MB …`,
    );
    const tokens = estimate.sizes.map(paddedTokens);
    const chosen = calibrationBatches(tokens, options.calibrationSteps);
    const { numThreads, gradientCheckpointing } = options;
    const { chunks } = estimate;
    const how = { numThreads, gradientCheckpointing, chunks };
    const objective = await createObjective(base, trained.plan, how);
    try {
      const batches = pickBatches(data, options, chosen);
      calibration = await calibrate(objective, trained, batches, { limit: CALIBRATION_SECONDS, loop });
    } finally {
      await objective.release();
    }
    measuredPeak = process.resourceUsage().maxRSS * 1024;
    // What was measured beyond the estimate for the batches that were run belongs to all batches alike.
    const ran = calibration.ran.map((i) => estimate.sizes[chosen[i]!]!);
    // No evaluation is among them.
    const expected = { ...estimate.after(ran), evaluation: 0 };
    const error = measuredPeak - totalOf(expected);
    parts = { ...parts, rest: Math.max(0, parts.rest + error) };
    if (tokenizer && questions.length > 0) {
      tell(`timing the first tokens of an answer of ${questions.length} …`);
      answering = await timeAnswers(base, trained, questions, options, tokenizer);
    }
  }
  const expectedPeak = totalOf(parts);
  const schedule = scheduleOf(options, loop, trainable, data.held.length);
  const padded = estimate.sizes.reduce((sum, batch) => sum + paddedTokens(batch), 0);
  const machine = machineMemory();
  return {
    model: options.model,
    dataset: options.dataset,
    modules: groupsOf(trained.plan.targets.values()),
    trainable_params: trainable,
    all_params: all,
    trained: kindsOf(trained.plan.parameters),
    train_rows: data.train.length,
    eval_rows: data.held.length,
    statistics: data.statistics,
    padding_share: 1 - data.train.reduce((sum, { inputIds }) => sum + inputIds.length, 0) / padded,
    packing: packing ?? null,
    schedule,
    memory: {
      parts,
      expected_peak: expectedPeak,
      measured_peak: measuredPeak,
      machine_total: machine.total,
      machine_available: machine.available,
    },
    time: calibration ? timeOf({ calibration, answering }, run, schedule, options) : null,
    warnings: [...warnings, ...adviceOn(parts, machine)],
  };
}

async function prepared(
  options: PlanOptions,
  tell: (doing: string) => void,
  { onDownload, ...control }: DownloadControl,
): Promise<PreparedRun> {
  const preparing = prepareRun(options, control);
  for (;;) {
    const { done, value } = await preparing.next();
    if (done) return value;
    if (value.type === "downloading") {
      onDownload?.(value);
      continue;
    }
    if (value.repaired !== undefined) tell(`made again, for it was damaged: ${value.repaired}`);
    if (value.done === 0) tell(`rounding the weights of ${value.modules} layers to ${value.bits} bits …`);
  }
}

const paddedTokens = ({ B, T }: Sizes) => B! * T!;

/** Batches of the first epoch, in the order of their numbers as given. */
function pickBatches(data: TrainingData, options: PlanOptions, numbers: readonly number[]): readonly Batch[] {
  const picked = new Map<number, Batch>();
  let number = 0;
  for (const batch of batchesOfEpoch(data.train, epochSettings(data, options, 0))) {
    if (numbers.includes(number)) picked.set(number, batch);
    number++;
  }
  return numbers.map((wanted) => picked.get(wanted)!);
}

function timeOf(
  { calibration, answering }: { calibration: Calibration; answering: AnsweringPace | undefined },
  { data: { held }, questions, estimate: { sizes } }: PreparedRun,
  schedule: Schedule,
  options: PlanOptions,
): NonNullable<RunPlan["time"]> {
  const { pace, warmUp } = calibration;
  const seconds = (batches: readonly Sizes[]) =>
    batches.reduce((sum, { B, T }) => sum + secondsOf(pace, { rows: B!, length: T! }), 0);
  const epochs = Math.floor(schedule.max_steps / schedule.steps_per_epoch);
  const left = (schedule.max_steps % schedule.steps_per_epoch) * options.gradientAccumulationSteps;
  const steps = epochs * seconds(sizes) + seconds(sizes.slice(0, left));
  const training = steps + warmUp;
  const evaluation = schedule.evaluations * evaluationSeconds(calibration.pace, held, options);
  const batches = answerBatches(questions, options);
  const answeredLater = options.predictWithGenerate ? schedule.evaluations - 1 : 1;
  const once = (stops: boolean) => (answering ? answeringSeconds(answering, batches, options, { stops }) : 0);
  const answers = once(false) + answeredLater * once(true);
  return {
    step_seconds: steps / schedule.max_steps,
    training_seconds: training,
    evaluation_seconds: evaluation,
    answering_seconds: answers,
    answering_seconds_at_most: (1 + answeredLater) * once(false),
    total_seconds: training + evaluation + answers,
    calibration,
  };
}

function groupsOf(targets: Iterable<Target>): ModuleGroup[] {
  const groups = new Map<string, ModuleGroup>();
  for (const { module, r } of targets) {
    const shape = module.kind === "linear" ? [module.out, module.in] : [module.rows, module.size];
    const name = module.path.split(".").at(-1)!;
    const key = `${name} ${shape.join()} ${r}`;
    groups.set(key, { name, shape, r, count: (groups.get(key)?.count ?? 0) + 1 });
  }
  return [...groups.values()];
}

function kindsOf(parameters: readonly TrainableParameter[]): RunPlan["trained"] {
  const sum = (chosen: (parameter: TrainableParameter) => boolean) =>
    parameters.filter(chosen).reduce((total, { shape }) => total + elementCount(shape), 0);
  const isBias = ({ kind, name }: TrainableParameter) => kind === "base" && name.endsWith(".bias");
  return {
    adapter: sum(({ kind }) => kind === "adapter"),
    bias: sum(isBias),
    whole_modules: sum((parameter) => parameter.kind !== "adapter" && !isBias(parameter)),
  };
}
