// A base model and adapters -> one model without adapters, and how far its logits are from those of base and adapters.
import { resolve } from "node:path";
import type { Trained } from "./adapters/plan.js";
import { type Fault, fail, failIfAny } from "./errors.js";
import { createGenerator } from "./evaluate/generate.js";
import { type MergeProgress, saveMerged } from "./export/merged.js";
import { loadPeftAdapter } from "./export/peft.js";
import type { TransferControl, TransferProgress } from "./hub/progress.js";
import { resolveAdapter, resolveModel } from "./hub/resolve.js";
import { type BaseModel, openBaseModel } from "./models/base_model.js";
import type { OptionsOf } from "./options.js";
import { createRandom } from "./random.js";
import { checkRunFolder } from "./run/folder.js";

export interface MergeResult {
  readonly folder: string;
  readonly tensors: number;
  /** Largest difference of a logit from those of base and adapter in float32, and the largest logit; undefined for several adapters. */
  readonly largestChange: number | undefined;
  readonly largestLogit: number | undefined;
}

/** Merges, yielding progress. @throws PhinetuneError before anything is written when options, model and adapters do not fit */
export async function* merge(
  options: OptionsOf<"merge">,
  control: TransferControl = {},
): AsyncGenerator<MergeProgress | TransferProgress, MergeResult> {
  const { adapter: names, outputDir, dtype } = options;
  const weights = weightsOf(names, options.adapterWeights);
  checkRunFolder(outputDir, { overwrite: options.overwriteOutputDir });
  const base = await openBaseModel(yield* resolveModel(options.model, control));
  const folders: string[] = [];
  for (const name of names) folders.push(yield* resolveAdapter(name, control));
  for (const taken of [base.folder, ...folders].map((folder) => resolve(folder)))
    if (resolve(outputDir) === taken)
      fail("usage", "--output-dir is a folder that is read", { where: taken, fix: "choose another one" });
  const adapters = [];
  for (const [i, folder] of folders.entries())
    adapters.push({ adapter: await loadPeftAdapter(folder, base), weight: weights[i]! });

  let tensors = 0;
  for await (const progress of saveMerged(
    outputDir,
    base,
    adapters,
    dtype === "stored" ? undefined : dtype,
  )) {
    tensors = progress.done;
    yield progress;
  }
  const isPlain = adapters.length === 1 && adapters[0]!.weight === 1;
  const change = isPlain ? await logitChange(base, adapters[0]!.adapter, outputDir) : undefined;
  return { folder: resolve(outputDir), tensors, largestChange: change?.largest, largestLogit: change?.logit };
}

function weightsOf(folders: readonly string[], given: readonly string[] | undefined): readonly number[] {
  if (given === undefined) return folders.map(() => 1);
  const weights = given.map(Number);
  const faults: Fault[] = given
    .filter((_, i) => !Number.isFinite(weights[i]))
    .map((word) => ({ code: "usage", what: `the adapter weight ${JSON.stringify(word)} is no number` }));
  if (weights.length !== folders.length)
    faults.push({
      code: "usage",
      what: `there are ${folders.length} adapters and ${weights.length} weights`,
      fix: "give as many --adapter-weights as --adapter folders",
    });
  failIfAny(faults);
  return weights;
}

/** Prompts of random tokens on which both are asked for their next logits. */
const PROMPTS = 8;
const LENGTH = 32;

async function logitChange(base: BaseModel, adapter: Trained, folder: string) {
  const random = createRandom(1, "merge");
  const { vocabSize, maxPositions } = base.config;
  const prompts = Array.from({ length: PROMPTS }, () =>
    Array.from({ length: Math.min(LENGTH, maxPositions - 1) }, () => random.nextUint32() % vocabSize),
  );
  const before = await nextLogits(base, adapter, prompts);
  const after = await nextLogits(await openBaseModel(folder), undefined, prompts);
  let [largest, logit] = [0, 0];
  for (const [i, value] of before.entries()) {
    largest = Math.max(largest, Math.abs(value - after[i]!));
    logit = Math.max(logit, Math.abs(value));
  }
  return { largest, logit };
}

async function nextLogits(
  base: BaseModel,
  adapter: Trained | undefined,
  prompts: readonly (readonly number[])[],
): Promise<Float32Array> {
  const generator = await createGenerator(base, adapter);
  try {
    for await (const { logits } of generator.steps(prompts, { maxNewTokens: 1, eosTokenIds: [] }))
      return logits;
    return fail("runtime", "the model gave no logits");
  } finally {
    await generator.release();
  }
}
