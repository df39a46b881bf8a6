// Options that several commands have.
import type { Rule } from "./resolve.js";
import type { OptionTable } from "./schema.js";

export const model = {
  model: {
    type: "text",
    required: true,
    section: "Model and data",
    placeholder: "DIR",
    aliases: ["modelNameOrPath"],
    help: "folder of the base model, or its name on the Hugging Face Hub: org/name, or org/name@revision",
  },
} as const satisfies OptionTable;

export const dataset = {
  dataset: {
    type: "text",
    required: true,
    section: "Model and data",
    placeholder: "FILE",
    aliases: ["datasetName"],
    help: "json, jsonl, csv, tsv or parquet file of rows, a folder of such, or a name on the Hugging Face Hub: org/name, or org/name@revision",
  },
  datasetSplit: {
    type: "text",
    section: "Model and data",
    placeholder: "SPLIT",
    aliases: ["datasetTrainSplit"],
    defaultText: "train, or the only one",
    help: "rows of the data set, as Python's datasets names them: train, train[:10%], train[100:200], train+test, all",
  },
  datasetConfig: {
    type: "text",
    section: "Model and data",
    placeholder: "NAME",
    aliases: ["datasetConfigName"],
    defaultText: "the default one",
    advanced: true,
    help: "configuration of a data set that has several",
  },
} as const satisfies OptionTable;

export const encoding = {
  maxLength: {
    type: "integer",
    default: 1024,
    min: 2,
    section: "Model and data",
    aliases: ["maxSeqLength"],
    help: "longest row in tokens; the end of a longer one is cut off",
  },
  completionOnlyLoss: {
    type: "flag",
    default: true,
    section: "Model and data",
    advanced: true,
    aliases: ["assistantOnlyLoss"],
    help: "train on the answers only; --no-completion-only-loss trains on the prompts too",
  },
  trainOnEos: {
    type: "flag",
    default: true,
    section: "Model and data",
    advanced: true,
    help: "train on the end token of answers; without it, as where padding is masked by its id, a model never stops",
  },
} as const satisfies OptionTable;

export const packing = {
  packing: {
    type: "flag",
    default: false,
    section: "Model and data",
    help: "rows share sequences of at most --max-length tokens, without seeing each other: loss and gradients are those of the rows alone. Batches then count sequences. Evaluation is not packed",
  },
  packingStrategy: {
    type: "choice",
    choices: ["bfd"],
    default: "bfd",
    refused: {
      bfd_split: "bfd cuts rows that are too long to --max-length; raise it to lose none",
      wrapped: "bfd leaves rows whole; wrapped would cut them wherever a sequence ends",
    },
    section: "Model and data",
    advanced: true,
    help: "bfd: best fit decreasing, which splits no row",
  },
} as const satisfies OptionTable;

export const packingRule: Rule<typeof packing> = (options, isGiven) =>
  isGiven("packingStrategy") && !options.packing
    ? ["--packing-strategy has no effect without --packing", "give --packing too, or leave it out"]
    : undefined;

export const storage = {
  loadIn8bit: {
    type: "flag",
    default: false,
    section: "Model and data",
    help: "compute the frozen linear layers and the output head on 8-bit numbers, which are kept in a cache ($PHINETUNE_CACHE): faster, in less memory, and less exact. Wherever it is not given, the weights are used as they are, also under an adapter that was trained with it",
  },
  loadIn4bit: {
    type: "flag",
    default: false,
    section: "Model and data",
    help: "keep the frozen linear layers, but not the output head, in 4 bits (NF4, as QLoRA), in a cache ($PHINETUNE_CACHE), and compute in fp32: the least memory, not faster, and less exact than 8 bits. Wherever it is not given, the weights are used as they are",
  },
  bnb4bitUseDoubleQuant: {
    type: "flag",
    default: true,
    section: "Model and data",
    advanced: true,
    help: "with --load-in-4bit, keep the factor of each 64 weights in 8 bits too, as QLoRA: 4.13 bits a weight instead of 4.5 (transformers: off)",
  },
} as const satisfies OptionTable;

export const storageRules: readonly Rule<typeof storage>[] = [
  ({ loadIn8bit, loadIn4bit }) =>
    loadIn8bit && loadIn4bit
      ? ["--load-in-8bit and --load-in-4bit were both given", "give one of them"]
      : undefined,
  ({ loadIn4bit }, isGiven) =>
    isGiven("bnb4bitUseDoubleQuant") && !loadIn4bit
      ? [
          "--bnb-4bit-use-double-quant has no effect without --load-in-4bit",
          "give --load-in-4bit too, or leave it out",
        ]
      : undefined,
];

export const threads = {
  numThreads: {
    type: "integer",
    default: 0,
    min: 0,
    max: 1024,
    section: "Machine",
    advanced: true,
    help: "threads of onnxruntime; 0 for one a core",
  },
} as const satisfies OptionTable;
