// The public API: what a program that uses phinetune as a library calls.

export type { Adapter } from "./adapters/plan.js";
export { type CompareProgress, compareModels } from "./compare.js";
export { type Fault, type FaultCode, PhinetuneError } from "./errors.js";
export { answer, streamAnswer } from "./evaluate/answers.js";
export type { ComparedRow, CompareResult, SystemResult } from "./evaluate/comparison.js";
export {
  createGenerator,
  type GeneratedStep,
  type GenerateOptions,
  type TextGenerator,
} from "./evaluate/generate.js";
export { createLossEvaluator, type LossEvaluator, meanLoss } from "./evaluate/loss.js";
export * from "./evaluate/metrics/index.js";
export { loadPeftAdapter, savePeftAdapter } from "./export/peft.js";
export { type FineTuneControl, fineTune } from "./fine-tune.js";
export { loadTokenizer, type Tokenizer } from "./formats/tokenizer.js";
export { type Dataset, openDataset } from "./hub/dataset.js";
export { finished, type Transfer, type TransferControl, type TransferProgress } from "./hub/progress.js";
export { resolveAdapter, resolveModel } from "./hub/resolve.js";
export { type Inspection, type InspectOptions, inspect } from "./inspect.js";
export { type BaseModel, openBaseModel } from "./models/base_model.js";
export {
  type EvalInput,
  type EvalOptions,
  type PlanInput,
  type PlanOptions,
  resolveEvalOptions,
  resolvePlanOptions,
  resolveTrainOptions,
  type TrainInput,
  type TrainOptions,
} from "./options.js";
export { planRun, type RunPlan } from "./plan.js";
export { checkPush, type PushPlan, type PushTarget, planPush, push } from "./push.js";
export type * from "./train/events.js";
