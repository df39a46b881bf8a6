// The options of `phinetune eval`.
import type { OptionSchema } from "./resolve.js";
import { dataset, encoding, model, storage, storageRules, threads } from "./shared.js";

const evalTable = {
  ...model,
  adapter: {
    type: "words",
    section: "Model and data",
    placeholder: "DIRS",
    help: "PEFT adapters to hold against the base, one or several: folders or names on the Hub",
  },
  ...storage,
  ...dataset,
  datasetSplit: { ...dataset.datasetSplit, defaultText: "test, else validation, or the only one" },
  ...encoding,
  maxRows: {
    type: "integer",
    default: 0,
    min: 0,
    section: "Model and data",
    help: "evaluate the first rows only; 0 for all",
  },
  maxNewTokens: {
    type: "integer",
    default: 128,
    min: 0,
    section: "Generation",
    help: "longest answer in tokens; 0 leaves generating out",
  },
  perDeviceEvalBatchSize: {
    type: "integer",
    default: 8,
    min: 1,
    section: "Generation",
    aliases: ["batchSize"],
    help: "rows in a batch",
  },
  labels: {
    type: "words",
    section: "Evaluation",
    defaultText: "those that the rows' label column has",
    help: "the answers that a row with a label can have",
  },
  answerExtractor: {
    type: "choice",
    choices: ["whole", "first_word", "first_line", "last_number"],
    default: "whole",
    section: "Evaluation",
    help: "what of an answer is compared with the labels",
  },
  answerPattern: {
    type: "text",
    section: "Evaluation",
    advanced: true,
    placeholder: "REGEX",
    help: "the same as a regular expression, whose first group is taken",
  },
  likelihood: {
    type: "flag",
    default: false,
    section: "Evaluation",
    help: "also score rows with a label by the label that the model finds most probable",
  },
  resamples: {
    type: "integer",
    default: 2000,
    min: 1,
    section: "Evaluation",
    advanced: true,
    help: "draws of the paired bootstrap, which gives the intervals",
  },
  seed: {
    type: "integer",
    default: 42,
    min: 0,
    section: "Evaluation",
    advanced: true,
    help: "seed of these draws",
  },
  shownRows: {
    type: "integer",
    default: 3,
    min: 0,
    section: "Output",
    help: "rows to show of those where the answers got better or worse the most",
  },
  output: {
    type: "text",
    section: "Output",
    placeholder: "FILE",
    help: "JSON file for all figures and every answer",
  },
  report: {
    type: "text",
    section: "Output",
    placeholder: "FILE",
    help: "HTML page with all tables and the rows that changed most",
  },
  ...threads,
} as const;

export const evalSchema: OptionSchema<typeof evalTable> = {
  table: evalTable,
  rules: [
    ...storageRules,
    (_, isGiven) =>
      isGiven("answerExtractor") && isGiven("answerPattern")
        ? ["--answer-extractor and --answer-pattern were both given", "give one of them"]
        : undefined,
  ],
};
