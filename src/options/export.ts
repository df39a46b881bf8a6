// The options of `phinetune export`.
import type { OptionSchema, Rule } from "./resolve.js";
import { model } from "./shared.js";

const FORMATS = ["gguf", "onnx", "mlx", "peft"] as const;
type Format = (typeof FORMATS)[number];

/** What transformers.js calls the types of weights. */
const DTYPES: readonly string[] = ["fp32", "fp16", "q8", "q4", "q4f16"];

const exportTable = {
  format: {
    type: "choice",
    choices: FORMATS,
    default: "gguf",
    section: "Output",
    help: "gguf is what llama.cpp and the programs around it read; onnx the folder that transformers.js loads, in Node and in web pages; mlx an adapter as mlx-lm loads it; peft makes PEFT's folder of one of mlx-lm's",
  },
  ...model,
  adapter: {
    type: "text",
    section: "Model and data",
    placeholder: "DIR",
    help: "PEFT adapter, a folder or a name on the Hub, or mlx-lm's for --format peft; without one, the base itself is exported",
  },
  what: {
    type: "choice",
    choices: ["merged", "adapter"],
    default: "merged",
    section: "Output",
    help: "of gguf, merged: a model, with the adapter worked into it in float32; adapter: the adapter alone, which llama.cpp loads onto the exported base (--lora)",
  },
  outtype: {
    type: "choice",
    choices: ["f32", "f16", "bf16", "q8_0"],
    default: "f16",
    section: "Output",
    help: "type of matrices in gguf; vectors stay in float32, and rows that are no multiple of 32 go to f16 in place of q8_0",
  },
  dtype: {
    type: "words",
    section: "Output",
    placeholder: "TYPES",
    defaultText: "q8",
    help: "types of weights in onnx, a model file each: fp32, fp16, q8, q4, q4f16; the first is loaded where transformers.js is asked for none",
  },
  fourBitLayers: {
    type: "choice",
    choices: ["mlp", "all"],
    default: "mlp",
    section: "Output",
    advanced: true,
    help: "linear layers that have 4 bits in q4 and q4f16: those of the MLPs, where rounding costs least, the others having 8; or all, for the smallest file",
  },
  loraInputs: {
    type: "choice",
    choices: ["none", "required", "optional"],
    default: "none",
    section: "Output",
    advanced: true,
    help: "in onnx, leave the adapter outside: its A and B are inputs of the base's graph, and their values lie beside it, so that one graph serves many adapters. optional: a run without them is the base's, for onnxruntime's adapter interface; required: for programs that know only inputs",
  },
  numLogitsToKeep: {
    type: "flag",
    default: true,
    section: "Output",
    advanced: true,
    help: "in onnx, an input num_logits_to_keep, by which transformers.js asks for the last token's logits only; without it, the inputs are those of optimum's own exports",
  },
  maxFileSize: {
    type: "integer",
    default: 1900,
    min: 1,
    section: "Output",
    advanced: true,
    placeholder: "MB",
    help: "in onnx, bytes of weights in one file; a larger model has them in files beside it (external data). Neither ONNX's format nor a browser takes more than 2 GB at once",
  },
  tokenizer: {
    type: "flag",
    default: true,
    section: "Output",
    advanced: true,
    help: "put the tokenizer and its chat template into a model; without it, the model takes and gives token ids",
  },
  output: {
    type: "text",
    required: true,
    section: "Output",
    placeholder: "PATH",
    aliases: ["outfile", "outputDir"],
    help: "file to write, with a name that ends in .gguf, or a new folder for the other formats",
  },
} as const;

type ExportRule = Rule<typeof exportTable>;

/** Options that only some formats know. */
const ONLY: Readonly<Partial<Record<keyof typeof exportTable, readonly Format[]>>> = {
  what: ["gguf"],
  outtype: ["gguf"],
  dtype: ["onnx"],
  fourBitLayers: ["onnx"],
  loraInputs: ["onnx"],
  numLogitsToKeep: ["onnx"],
  maxFileSize: ["onnx"],
  tokenizer: ["gguf", "onnx"],
};

const onlyRules = Object.entries(ONLY).map(([name, formats]): ExportRule => {
  const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  return ({ format }, isGiven) =>
    isGiven(name as keyof typeof exportTable) && !formats.includes(format)
      ? [
          `${flag} means nothing for --format ${format}`,
          `leave it out, or give --format ${formats.join(" or ")}`,
        ]
      : undefined;
});

export const exportSchema: OptionSchema<typeof exportTable> = {
  table: exportTable,
  rules: [
    ...onlyRules,
    ({ what, adapter }) =>
      what === "adapter" && adapter === undefined
        ? ["--what adapter was given without --adapter", "give the folder of a PEFT adapter"]
        : undefined,
    ({ format, adapter }) =>
      (format === "mlx" || format === "peft") && adapter === undefined
        ? [
            `--format ${format} was given without --adapter`,
            "give the folder of an adapter; mlx-lm loads a model without one as it is",
          ]
        : undefined,
    ({ loraInputs, adapter }) =>
      loraInputs !== "none" && adapter === undefined
        ? [
            "--lora-inputs was given without --adapter",
            "give an adapter: its layers are those that have A and B as inputs",
          ]
        : undefined,
    ({ dtype }) => {
      const unknown = dtype?.find((name) => !DTYPES.includes(name));
      return unknown === undefined
        ? undefined
        : [`--dtype ${unknown} is not known`, `give one or several of ${DTYPES.join(", ")}`];
    },
    ({ format, output }) =>
      format !== "gguf" || output.endsWith(".gguf")
        ? undefined
        : ["the name that --output gives does not end in .gguf", "give it that ending"],
  ],
};
