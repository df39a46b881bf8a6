// The options of `phinetune export`.
import type { OptionSchema } from "./resolve.js";
import { model } from "./shared.js";

const exportTable = {
  format: {
    type: "choice",
    choices: ["gguf"],
    default: "gguf",
    section: "Output",
    help: "gguf is what llama.cpp and the programs around it read",
  },
  ...model,
  adapter: {
    type: "text",
    section: "Model and data",
    placeholder: "DIR",
    help: "PEFT adapter, a folder or a name on the Hub; without one, the base itself is exported",
  },
  what: {
    type: "choice",
    choices: ["merged", "adapter"],
    default: "merged",
    section: "Output",
    help: "merged: a model, with the adapter worked into it in float32; adapter: the adapter alone, which llama.cpp loads onto the exported base (--lora)",
  },
  outtype: {
    type: "choice",
    choices: ["f32", "f16", "bf16", "q8_0"],
    default: "f16",
    section: "Output",
    help: "type of matrices; vectors stay in float32, and rows that are no multiple of 32 go to f16 in place of q8_0",
  },
  tokenizer: {
    type: "flag",
    default: true,
    section: "Output",
    advanced: true,
    help: "put the tokenizer and its chat template into a model; without it, llama.cpp takes and gives token ids",
  },
  output: {
    type: "text",
    required: true,
    section: "Output",
    placeholder: "FILE",
    aliases: ["outfile"],
    help: "file to write, with a name that ends in .gguf",
  },
} as const;

export const exportSchema: OptionSchema<typeof exportTable> = {
  table: exportTable,
  rules: [
    ({ what, adapter }) =>
      what === "adapter" && adapter === undefined
        ? ["--what adapter was given without --adapter", "give the folder of a PEFT adapter"]
        : undefined,
    ({ output }) =>
      output.endsWith(".gguf")
        ? undefined
        : ["the name that --output gives does not end in .gguf", "give it that ending"],
  ],
};
