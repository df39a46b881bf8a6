// The options of `phinetune generate`.
import type { OptionSchema } from "./resolve.js";
import { model, storage, storageRules, threads } from "./shared.js";

const generateTable = {
  ...model,
  adapter: {
    type: "text",
    section: "Model and data",
    placeholder: "DIR",
    help: "PEFT adapter, a folder or a name on the Hub, to answer with; without it, the base answers",
  },
  ...storage,
  prompt: {
    type: "text",
    section: "Generation",
    defaultText: "standard input",
    help: "text to continue, as it stands",
  },
  instruction: {
    type: "text",
    section: "Generation",
    help: "a task to answer: it is put into the prompt that training uses",
  },
  input: { type: "text", section: "Generation", help: "what the task is about, with --instruction" },
  promptFormat: {
    type: "choice",
    choices: ["auto", "alpaca", "messages"],
    default: "auto",
    section: "Generation",
    advanced: true,
    help: "the prompt around --instruction: Alpaca's or the model's chat template; auto takes the template if there is one",
  },
  maxNewTokens: {
    type: "integer",
    default: 256,
    min: 1,
    section: "Generation",
    help: "longest answer in tokens",
  },
  temperature: {
    type: "number",
    default: 0,
    min: 0,
    max: 100,
    section: "Generation",
    help: "0 takes the most probable token; more gives chance more room",
  },
  topK: {
    type: "integer",
    default: 0,
    min: 0,
    section: "Generation",
    help: "draw from the k most probable tokens; 0 for all",
  },
  topP: {
    type: "number",
    default: 1,
    above: 0,
    max: 1,
    section: "Generation",
    help: "draw from the most probable tokens that together reach this share",
  },
  repetitionPenalty: {
    type: "number",
    default: 1,
    above: 0,
    max: 100,
    section: "Generation",
    help: "above 1, tokens seen before become less probable",
  },
  seed: { type: "integer", default: 42, min: 0, section: "Generation", help: "seed of the draws" },
  ...threads,
} as const;

export const generateSchema: OptionSchema<typeof generateTable> = {
  table: generateTable,
  rules: [
    ...storageRules,
    ({ prompt, instruction }) =>
      prompt !== undefined && instruction !== undefined
        ? ["--prompt and --instruction were both given", "give one of them"]
        : undefined,
    ({ input, instruction }) =>
      input !== undefined && instruction === undefined
        ? ["--input was given without --instruction", "give the task as --instruction"]
        : undefined,
    ({ input, promptFormat }) =>
      input !== undefined && promptFormat === "messages"
        ? ["a chat template has no place for --input", "put the text into --instruction"]
        : undefined,
    ({ temperature, topK, topP }) =>
      temperature === 0 && (topK > 0 || topP < 1)
        ? [
            "--top-k and --top-p have no effect at temperature 0",
            "give --temperature 0.7, say, or leave them out",
          ]
        : undefined,
  ],
};
