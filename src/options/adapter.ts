// The options that say what is trained: an adapter with its settings, or the whole model.
import type { OptionTable } from "./schema.js";

export const method = {
  method: {
    type: "choice",
    choices: ["lora", "full"],
    default: "lora",
    section: "Model and data",
    help: "what is trained: an adapter beside the frozen model, or the whole model",
  },
  fromScratch: {
    type: "flag",
    default: false,
    section: "Model and data",
    advanced: true,
    help: "start from random weights instead of the model's: only its config.json is needed; with --method full",
  },
} as const satisfies OptionTable;

export const adapter = {
  loraR: {
    type: "integer",
    default: 8,
    min: 1,
    section: "Adapter",
    aliases: ["r", "loraRank"],
    help: "rank of the adapter",
  },
  loraAlpha: {
    type: "number",
    default: 8,
    above: 0,
    section: "Adapter",
    help: "the adapter's product is scaled by alpha/r",
  },
  loraDropout: {
    type: "number",
    default: 0,
    min: 0,
    below: 1,
    section: "Adapter",
    help: "share of the adapter's inputs that a step leaves out",
  },
  loraBias: {
    type: "choice",
    choices: ["none", "all", "lora_only"],
    default: "none",
    section: "Adapter",
    aliases: ["bias"],
    help: "biases that are trained as well: all of the model, or those of the adapted modules",
  },
  loraTargetModules: {
    type: "modules",
    section: "Adapter",
    aliases: ["targetModules"],
    defaultText: "PEFT's for the family",
    help: "modules that get an adapter: names, one regular expression, or all-linear",
  },
  excludeModules: {
    type: "modules",
    section: "Adapter",
    advanced: true,
    help: "modules that get none: names, or one regular expression",
  },
  layersToTransform: {
    type: "integers",
    section: "Adapter",
    advanced: true,
    defaultText: "all",
    help: "layers that get adapters, counted from 0",
  },
  layersPattern: {
    type: "words",
    section: "Adapter",
    advanced: true,
    help: "the name before a layer's number, where it is not clear",
  },
  rankPattern: {
    type: "numbers",
    section: "Adapter",
    advanced: true,
    help: "other ranks for some modules: NAME is a regular expression for the end of their path",
  },
  alphaPattern: {
    type: "numbers",
    section: "Adapter",
    advanced: true,
    help: "other alphas for some modules, in the same way",
  },
  loraModulesToSave: {
    type: "words",
    section: "Adapter",
    advanced: true,
    aliases: ["modulesToSave"],
    help: "modules that are trained whole and saved with the adapter",
  },
  useRslora: {
    type: "flag",
    default: false,
    section: "Adapter",
    advanced: true,
    help: "scale by alpha/sqrt(r) (rank-stabilised LoRA)",
  },
  initLoraWeights: {
    type: "choice",
    choices: ["default", "gaussian"],
    default: "default",
    section: "Adapter",
    advanced: true,
    help: "first values of A: Kaiming-uniform, or normal with deviation 1/r; B starts at 0",
  },
  adapter: {
    type: "text",
    section: "Adapter",
    placeholder: "DIR",
    help: "go on from this PEFT adapter, a folder or a name on the Hub, with its own settings instead of the options above",
  },
} as const satisfies OptionTable;
