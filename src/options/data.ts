// The options of `phinetune data`, which shows rows as a model sees them.
import type { OptionSchema } from "./resolve.js";
import { dataset, encoding, model, packing, packingRule } from "./shared.js";

const dataTable = {
  ...model,
  ...dataset,
  ...encoding,
  ...packing,
  rows: { type: "integer", default: 3, min: 0, section: "Output", help: "rows to show" },
  start: {
    type: "integer",
    default: 1,
    min: 1,
    section: "Output",
    help: "the first row to show, counted from 1 among those that are trained on",
  },
} as const;

export const dataSchema: OptionSchema<typeof dataTable> = { table: dataTable, rules: [packingRule] };
