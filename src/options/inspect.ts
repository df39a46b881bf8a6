// The options of `phinetune inspect`.
import type { OptionSchema } from "./resolve.js";
import { model, threads } from "./shared.js";

const inspectTable = {
  ...model,
  adapter: { type: "text", section: "Model and data", placeholder: "DIR", help: "PEFT adapter" },
  inputs: {
    type: "text",
    required: true,
    section: "Model and data",
    placeholder: "FILE",
    help: "JSON file with input_ids, and if wanted attention_mask and labels: lists of rows of equal length",
  },
  output: {
    type: "text",
    required: true,
    section: "Output",
    placeholder: "FILE",
    help: "safetensors file to write: logits, logits_base, loss, grad/<name>",
  },
  ...threads,
} as const;

export const inspectSchema: OptionSchema<typeof inspectTable> = { table: inspectTable };
