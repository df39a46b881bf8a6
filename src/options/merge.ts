// The options of `phinetune merge`.
import type { OptionSchema } from "./resolve.js";
import { model } from "./shared.js";

const mergeTable = {
  ...model,
  adapter: {
    type: "words",
    required: true,
    section: "Model and data",
    placeholder: "DIRS",
    help: "PEFT adapters, folders or names on the Hub, to work into the base, one or several",
  },
  adapterWeights: {
    type: "words",
    section: "Adapter",
    placeholder: "NUMBERS",
    defaultText: "1 for each",
    help: "by what factor the change of each adapter is taken",
  },
  dtype: {
    type: "choice",
    choices: ["stored", "float32", "float16", "bfloat16"],
    default: "stored",
    section: "Output",
    help: "type of the merged weights; stored keeps that of the base",
  },
  outputDir: {
    type: "text",
    required: true,
    section: "Output",
    placeholder: "DIR",
    help: "folder of the merged model, as transformers loads it",
  },
  push: {
    type: "text",
    section: "Output",
    placeholder: "ORG/NAME",
    help: "upload the merged model to this repository of the Hugging Face Hub, which is made where it does not exist",
  },
  overwriteOutputDir: {
    type: "flag",
    default: false,
    section: "Output",
    help: "use a folder that is not empty; files of an older run in it are removed",
  },
} as const;

export const mergeSchema: OptionSchema<typeof mergeTable> = { table: mergeTable };
