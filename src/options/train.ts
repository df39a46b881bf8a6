// The options of a training run. Names are those of TRL and transformers, defaults PEFT's and transformers', but where the help says otherwise.
import { adapter, method } from "./adapter.js";
import { flagOf } from "./names.js";
import type { OptionSchema } from "./resolve.js";
import type { OptionTable } from "./schema.js";
import { dataset, encoding, model, packing, packingRule, storage, storageRules, threads } from "./shared.js";

const data = {
  evalDataset: {
    type: "text",
    section: "Model and data",
    placeholder: "FILE",
    help: "rows to evaluate on: a file, a folder or a name on the Hub",
  },
  evalDatasetSplit: {
    type: "text",
    section: "Model and data",
    placeholder: "SPLIT",
    aliases: ["datasetTestSplit"],
    defaultText: "test, else validation, or the only one",
    help: "split of --eval-dataset or, without it, of --dataset to evaluate on",
  },
  evalDatasetConfig: {
    type: "text",
    section: "Model and data",
    placeholder: "NAME",
    defaultText: "the default one",
    advanced: true,
    help: "configuration of --eval-dataset",
  },
  evalSize: {
    type: "number",
    default: 0,
    section: "Model and data",
    accepts: (size) => size >= 0 && (size < 1 || Number.isInteger(size)),
    expected: "a whole number of rows or a share below 1",
    help: "rows of the data set to hold out for evaluation: a whole number, or a share below 1",
  },
  ...encoding,
  ...packing,
  groupByLength: {
    type: "flag",
    default: true,
    section: "Model and data",
    advanced: true,
    help: "batches of rows (with --packing: sequences) of like length, which saves padding (transformers: off)",
  },
} as const satisfies OptionTable;

const training = {
  numTrainEpochs: {
    type: "number",
    default: 3,
    above: 0,
    section: "Training",
    aliases: ["epochs"],
    help: "passes over the rows",
  },
  maxSteps: {
    type: "integer",
    default: -1,
    accepts: (steps) => steps === -1 || steps >= 1,
    expected: "-1 or a whole number of at least 1",
    section: "Training",
    help: "updates to make; -1 leaves it to --num-train-epochs",
  },
  perDeviceTrainBatchSize: {
    type: "integer",
    default: 8,
    min: 1,
    section: "Training",
    aliases: ["batchSize"],
    help: "rows in a batch; with --packing, sequences",
  },
  gradientAccumulationSteps: {
    type: "integer",
    default: 1,
    min: 1,
    section: "Training",
    help: "batches in an update, which is then that of the one big batch",
  },
  gradientCheckpointing: {
    type: "flag",
    default: false,
    section: "Training",
    help: "compute the inside of each layer again in the backward pass instead of keeping it: the same numbers in far less memory, at the price of a second forward pass (TRL: on)",
  },
  learningRate: {
    type: "number",
    default: 2e-4,
    min: 0,
    section: "Training",
    aliases: ["lr"],
    help: "peak learning rate; 2e-4 suits adapters (TRL's 2e-5 is meant for whole models)",
  },
  lrSchedulerType: {
    type: "choice",
    choices: ["linear", "cosine", "constant", "constant_with_warmup"],
    default: "linear",
    section: "Training",
    help: "how the learning rate falls",
  },
  warmupSteps: {
    type: "integer",
    default: 0,
    min: 0,
    section: "Training",
    help: "updates over which the learning rate rises",
  },
  warmupRatio: {
    type: "number",
    default: 0,
    min: 0,
    max: 1,
    section: "Training",
    advanced: true,
    help: "the same as a share of all updates; --warmup-steps goes first",
  },
  weightDecay: {
    type: "number",
    default: 0,
    min: 0,
    section: "Training",
    advanced: true,
    help: "AdamW's decay; biases and norms are left out",
  },
  decayAll: {
    type: "flag",
    default: false,
    section: "Training",
    advanced: true,
    help: "decay biases and norms too",
  },
  maxGradNorm: {
    type: "number",
    default: 1,
    min: 0,
    section: "Training",
    advanced: true,
    help: "the gradient is scaled down to this norm; 0 for any norm",
  },
  adamBeta1: {
    type: "number",
    default: 0.9,
    min: 0,
    below: 1,
    section: "Training",
    advanced: true,
    help: "AdamW's decay of the mean of gradients",
  },
  adamBeta2: {
    type: "number",
    default: 0.999,
    min: 0,
    below: 1,
    section: "Training",
    advanced: true,
    help: "AdamW's decay of the mean of squares",
  },
  adamEpsilon: {
    type: "number",
    default: 1e-8,
    min: 0,
    section: "Training",
    advanced: true,
    help: "AdamW's epsilon",
  },
  seed: {
    type: "integer",
    default: 42,
    min: 0,
    section: "Training",
    help: "seed of everything that is drawn: first values, order, dropout, held-out rows",
  },
} as const satisfies OptionTable;

const evaluation = {
  evalStrategy: {
    type: "choice",
    choices: ["no", "steps", "epoch"],
    default: "no",
    section: "Evaluation",
    aliases: ["evaluationStrategy"],
    help: "when to evaluate during the training; before and after it, held-out rows always are",
  },
  evalSteps: {
    type: "integer",
    min: 1,
    section: "Evaluation",
    advanced: true,
    defaultText: "--logging-steps",
    help: "updates between evaluations, with --eval-strategy steps",
  },
  perDeviceEvalBatchSize: {
    type: "integer",
    default: 8,
    min: 1,
    section: "Evaluation",
    advanced: true,
    help: "rows in a batch of evaluation",
  },
  loadBestModelAtEnd: {
    type: "flag",
    default: false,
    section: "Evaluation",
    advanced: true,
    help: "save the values of the best evaluation instead of the last ones",
  },
  metricForBestModel: {
    type: "text",
    default: "loss",
    section: "Evaluation",
    advanced: true,
    help: "what makes an evaluation the best: loss, mean_token_accuracy, or a metric of the answers",
  },
  greaterIsBetter: {
    type: "choice",
    choices: ["auto", "true", "false"],
    default: "auto",
    section: "Evaluation",
    advanced: true,
    help: "which way the metric gets better",
  },
  earlyStoppingPatience: {
    type: "integer",
    default: 0,
    min: 0,
    section: "Evaluation",
    advanced: true,
    help: "evaluations without improvement after which the training ends; 0 for any number",
  },
  earlyStoppingThreshold: {
    type: "number",
    default: 0,
    min: 0,
    section: "Evaluation",
    advanced: true,
    help: "an improvement must be larger than this to count",
  },
  predictRows: {
    type: "integer",
    default: 0,
    min: 0,
    section: "Evaluation",
    advanced: true,
    help: "answer the first held-out rows only, with --predict-with-generate; 0 for all",
  },
  predictWithGenerate: {
    type: "flag",
    default: false,
    section: "Evaluation",
    help: "at each evaluation also answer the held-out rows, and score the answers",
  },
  sampleRows: {
    type: "integer",
    default: 3,
    min: 0,
    section: "Evaluation",
    advanced: true,
    help: "held-out rows whose answers are shown, before and after",
  },
  maxNewTokens: {
    type: "integer",
    default: 128,
    min: 1,
    section: "Evaluation",
    advanced: true,
    help: "longest answer in an evaluation, in tokens",
  },
} as const satisfies OptionTable;

const output = {
  outputDir: {
    type: "text",
    section: "Output",
    placeholder: "DIR",
    defaultFrom: ({ model: name, resumeFromCheckpoint: from }) =>
      typeof from === "string" && from !== "last"
        ? parentOf(from)
        : `runs/${lastName(String(name))}-${timestamp(new Date())}`,
    defaultText: "runs/<model>-<time>",
    help: "the run folder: adapter or model, events.jsonl, run.json, report.html",
  },
  overwriteOutputDir: {
    type: "flag",
    default: false,
    section: "Output",
    help: "replace what another run left in the folder",
  },
  saveSteps: {
    type: "integer",
    default: 500,
    min: 0,
    section: "Output",
    help: "updates between checkpoints, from which a run can go on; 0 for none but after Ctrl-C",
  },
  saveTotalLimit: {
    type: "integer",
    default: 0,
    min: 0,
    section: "Output",
    advanced: true,
    help: "checkpoints to keep, the oldest go first and the best stays; 0 for all",
  },
  resumeFromCheckpoint: {
    type: "text",
    implied: "last",
    section: "Output",
    placeholder: "[DIR]",
    help: "go on exactly where this checkpoint is; without DIR, the last one of --output-dir",
  },
  saveDtype: {
    type: "choice",
    choices: ["float32", "float16", "bfloat16"],
    default: "float32",
    section: "Output",
    advanced: true,
    help: "type of the saved weights, with --method full; adapters are always float32",
  },
  loggingSteps: {
    type: "integer",
    default: 10,
    min: 1,
    section: "Output",
    advanced: true,
    help: "updates between printed lines where there is no progress bar",
  },
  pushToHub: {
    type: "text",
    section: "Output",
    placeholder: "ORG/NAME",
    aliases: ["hubModelId"],
    help: "upload what was trained to this repository of the Hugging Face Hub, which is made where it does not exist",
  },
  hubPrivateRepo: {
    type: "flag",
    default: false,
    section: "Output",
    advanced: true,
    help: "make that repository one that only you see",
  },
  reportTo: {
    type: "choice",
    choices: ["none", "tensorboard"],
    default: "none",
    section: "Output",
    advanced: true,
    help: "tensorboard writes its event file into the run folder as well; nothing is ever sent anywhere",
  },
} as const satisfies OptionTable;

const machine = {
  ...threads,
  memoryCheck: {
    type: "flag",
    default: true,
    section: "Machine",
    advanced: true,
    help: "refuse a run that is expected to need far more memory than the machine has",
  },
} as const satisfies OptionTable;

const trainTable = {
  ...model,
  ...dataset,
  ...data,
  ...method,
  ...storage,
  ...adapter,
  ...training,
  ...evaluation,
  ...output,
  ...machine,
} as const;

/** Options of the adapter that an adapter from a folder brings with it. */
export const adapterOptions = Object.keys(adapter).filter((name) => name !== "adapter");

export const trainSchema: OptionSchema<typeof trainTable> = {
  table: trainTable,
  rules: [
    packingRule,
    ...storageRules,
    ({ method: trained }, isGiven) => {
      const unused = (Object.keys(adapter) as (keyof typeof adapter)[]).filter(
        (name) => trained === "full" && isGiven(name),
      );
      return unused.length > 0
        ? [
            `--method full makes no adapter, so ${unused.map(flagOf).join(", ")} can have no effect`,
            "leave it out",
          ]
        : undefined;
    },
    ({ method: trained, loadIn8bit, loadIn4bit }) =>
      trained === "full" && (loadIn8bit || loadIn4bit)
        ? [
            `${loadIn8bit ? "--load-in-8bit" : "--load-in-4bit"} rounds weights that stay as they are; --method full trains all of them`,
            "leave one out",
          ]
        : undefined,
    ({ method: trained, fromScratch }) =>
      fromScratch && trained !== "full"
        ? [
            "--from-scratch starts from random weights, which an adapter would leave as they are",
            "give --method full",
          ]
        : undefined,
    ({ method: trained }, isGiven) =>
      trained !== "full" && isGiven("saveDtype")
        ? ["--save-dtype has no effect on an adapter, which is saved in float32", "leave it out"]
        : undefined,
    ({ evalDataset, evalDatasetSplit, evalSize }) =>
      (evalDataset !== undefined || evalDatasetSplit !== undefined) && evalSize > 0
        ? [
            `${evalDataset === undefined ? "--eval-dataset-split" : "--eval-dataset"} and --eval-size were both given`,
            "give one of them",
          ]
        : undefined,
    ({ evalDataset, evalDatasetConfig }) =>
      evalDataset === undefined && evalDatasetConfig !== undefined
        ? [
            "--eval-dataset-config was given without --eval-dataset",
            "give --dataset-config, or --eval-dataset too",
          ]
        : undefined,
    ({ evalDataset, evalDatasetSplit, evalSize, evalStrategy }) =>
      evalStrategy !== "no" && evalDataset === undefined && evalDatasetSplit === undefined && evalSize === 0
        ? [
            `--eval-strategy is ${evalStrategy}, but no rows are held out`,
            "give --eval-size 0.05, say, or --eval-dataset",
          ]
        : undefined,
    ({ evalStrategy }, isGiven) =>
      isGiven("evalSteps") && evalStrategy !== "steps"
        ? [`--eval-steps has no effect with --eval-strategy ${evalStrategy}`, "give --eval-strategy steps"]
        : undefined,
    ({ resumeFromCheckpoint: from }, isGiven) =>
      from === "last" && !isGiven("outputDir")
        ? ["--resume-from-checkpoint without a folder needs --output-dir", "give the --output-dir of the run"]
        : undefined,
    ({ resumeFromCheckpoint: from, overwriteOutputDir }, isGiven) =>
      from !== undefined && overwriteOutputDir && isGiven("overwriteOutputDir")
        ? [
            "--resume-from-checkpoint goes on with a run that --overwrite-output-dir would remove",
            "leave one out",
          ]
        : undefined,
    ({ evalStrategy, loadBestModelAtEnd, earlyStoppingPatience }) =>
      evalStrategy === "no" && (loadBestModelAtEnd || earlyStoppingPatience > 0)
        ? [
            `${loadBestModelAtEnd ? "--load-best-model-at-end" : "--early-stopping-patience"} needs evaluations during the training`,
            "give --eval-strategy epoch, or steps with --eval-steps",
          ]
        : undefined,
    ({ pushToHub, hubPrivateRepo }) =>
      hubPrivateRepo && pushToHub === undefined
        ? ["--hub-private-repo has no effect without --push-to-hub", "give --push-to-hub org/name too"]
        : undefined,
    ({ adapter: from, outputDir }) =>
      from !== undefined && plainPath(from) === plainPath(outputDir)
        ? ["--output-dir is the folder of --adapter", "choose another --output-dir"]
        : undefined,
  ],
};

/** `org/name@revision`, `a/b/name/` -> `name` */
function lastName(name: string): string {
  const last = plainPath(name).split(/[\\/]/).at(-1)!.split("@")[0]!;
  return last.replace(/[^\w.-]/g, "_").replace(/^\.+$/, "") || "model";
}

/** The folder in which a checkpoint lies. */
function parentOf(path: string): string {
  const plain = plainPath(path);
  const at = Math.max(plain.lastIndexOf("/"), plain.lastIndexOf("\\"));
  return at <= 0 ? "." : plain.slice(0, at);
}

function plainPath(path: string): string {
  return path.replace(/^(\.\/)+/, "").replace(/[\\/]+$/, "");
}

/** Local time as `20261124-143622`. */
function timestamp(time: Date): string {
  const two = (n: number) => String(n).padStart(2, "0");
  const day = `${time.getFullYear()}${two(time.getMonth() + 1)}${two(time.getDate())}`;
  return `${day}-${two(time.getHours())}${two(time.getMinutes())}${two(time.getSeconds())}`;
}
