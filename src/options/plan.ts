// The options of `phinetune plan`: those of a training run, and how long to try it out.
import type { OptionSchema } from "./resolve.js";
import { trainSchema } from "./train.js";

const planTable = {
  ...trainSchema.table,
  calibrationSteps: {
    type: "integer",
    default: 5,
    min: 0,
    max: 20,
    section: "Training",
    help: "real steps to time, of batches short and long, in about 20 s at most; 0 for none, and no estimate of time",
  },
} as const;

export const planSchema: OptionSchema<typeof planTable> = {
  table: planTable,
  rules: trainSchema.rules ?? [],
};
