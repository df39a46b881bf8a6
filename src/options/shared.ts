// Options that several commands have.
import type { OptionTable } from "./schema.js";

export const model = {
  model: {
    type: "text",
    required: true,
    section: "Model and data",
    placeholder: "DIR",
    aliases: ["modelNameOrPath"],
    help: "folder of the base model, or org/name that is in the Hugging Face cache",
  },
} as const satisfies OptionTable;

export const dataset = {
  dataset: {
    type: "text",
    required: true,
    section: "Model and data",
    placeholder: "FILE",
    aliases: ["datasetName"],
    help: "json, jsonl, csv, tsv or parquet file of rows, or org/name that is in the Hugging Face cache",
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
