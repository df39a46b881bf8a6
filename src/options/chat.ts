// The options of `phinetune chat`.
import { generateSchema } from "./generate.js";
import type { OptionSchema } from "./resolve.js";
import { model, storage, storageRules, threads } from "./shared.js";

const { adapter, promptFormat, maxNewTokens, temperature, topK, topP, repetitionPenalty, seed } =
  generateSchema.table;

const chatTable = {
  ...model,
  adapter: {
    ...adapter,
    help: "PEFT adapter to talk to, a folder or a name on the Hub; /base and /both bring the base in",
  },
  ...storage,
  promptFormat: {
    ...promptFormat,
    help: "the model's chat template, or Alpaca's prompt, in which each question stands alone; auto takes the template if there is one",
  },
  maxNewTokens,
  temperature,
  topK,
  topP,
  repetitionPenalty,
  seed,
  ...threads,
} as const;

export const chatSchema: OptionSchema<typeof chatTable> = {
  table: chatTable,
  rules: [
    ...storageRules,
    ({ temperature, topK, topP }) =>
      temperature === 0 && (topK > 0 || topP < 1)
        ? [
            "--top-k and --top-p have no effect at temperature 0",
            "give --temperature 0.7, say, or leave them out",
          ]
        : undefined,
  ],
};
