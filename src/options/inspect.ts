// The options of `phinetune inspect`.
import type { OptionSchema } from "./resolve.js";
import { model, storage, storageRules, threads } from "./shared.js";

const inspectTable = {
  ...model,
  adapter: { type: "text", section: "Model and data", placeholder: "DIR", help: "PEFT adapter" },
  ...storage,
  method: {
    type: "choice",
    choices: ["lora", "full"],
    default: "lora",
    section: "Model and data",
    help: "whose gradients are written: the adapter's, or those of the whole model",
  },
  inputs: {
    type: "text",
    required: true,
    section: "Model and data",
    placeholder: "FILE",
    help: "JSON file with input_ids, and if wanted attention_mask and labels: lists of rows of equal length; where several rows share a sequence, attention_mask numbers them from 1",
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

export const inspectSchema: OptionSchema<typeof inspectTable> = {
  table: inspectTable,
  rules: [
    ...storageRules,
    ({ method, loadIn8bit, loadIn4bit }) =>
      method === "full" && (loadIn8bit || loadIn4bit)
        ? [
            `${loadIn8bit ? "--load-in-8bit" : "--load-in-4bit"} rounds weights of which --method full asks the gradients`,
            "leave one out",
          ]
        : undefined,
    ({ method, adapter }) =>
      method === "full" && adapter !== undefined
        ? ["--method full and --adapter were both given", "leave one out"]
        : undefined,
  ],
};
