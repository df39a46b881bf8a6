// The options of all commands, from one table each: names, types, defaults, ranges and help.
import { chatSchema } from "./options/chat.js";
import { dataSchema } from "./options/data.js";
import { doctorSchema } from "./options/doctor.js";
import { evalSchema } from "./options/eval.js";
import { exportSchema } from "./options/export.js";
import { generateSchema } from "./options/generate.js";
import { inspectSchema } from "./options/inspect.js";
import { mergeSchema } from "./options/merge.js";
import { planSchema } from "./options/plan.js";
import { pushSchema } from "./options/push.js";
import { resolveOptions } from "./options/resolve.js";
import type { Given, Resolved } from "./options/schema.js";
import { serveSchema } from "./options/serve.js";
import { trainSchema } from "./options/train.js";

/** The options that each command has. */
export const schemas = {
  train: trainSchema,
  plan: planSchema,
  data: dataSchema,
  eval: evalSchema,
  generate: generateSchema,
  chat: chatSchema,
  serve: serveSchema,
  merge: mergeSchema,
  export: exportSchema,
  push: pushSchema,
  inspect: inspectSchema,
  doctor: doctorSchema,
} as const;

export type CommandName = keyof typeof schemas;
export type OptionsOf<Command extends CommandName> = Resolved<(typeof schemas)[Command]["table"]>;

/** Options of a training run with all defaults filled in. */
export type TrainOptions = OptionsOf<"train">;
/** Options of a plan of a training run with all defaults filled in. */
export type PlanOptions = OptionsOf<"plan">;
/** Options of an evaluation with all defaults filled in. */
export type EvalOptions = OptionsOf<"eval">;
/** Options of an evaluation as a caller gives them. */
export type EvalInput = Given<(typeof evalSchema)["table"]>;
/** Options of a plan as a caller gives them. */
export type PlanInput = Given<(typeof planSchema)["table"]>;
/** Options of a training run as a caller gives them. */
export type TrainInput = Given<(typeof trainSchema)["table"]>;

/** Fills in defaults and checks every value. @throws PhinetuneError of code `usage` with all faults */
export function resolveTrainOptions(given: TrainInput): TrainOptions {
  return resolveOptions(trainSchema, entriesOf(given));
}

/** Fills in defaults and checks every value. @throws PhinetuneError of code `usage` with all faults */
export function resolveEvalOptions(given: EvalInput): EvalOptions {
  return resolveOptions(evalSchema, entriesOf(given));
}

/** Fills in defaults and checks every value. @throws PhinetuneError of code `usage` with all faults */
export function resolvePlanOptions(given: PlanInput): PlanOptions {
  return resolveOptions(planSchema, entriesOf(given));
}

function entriesOf(given: object) {
  return Object.entries(given).map(([written, value]) => ({ written, value: value as unknown }));
}
