// Options and a base model -> what a run trains, with its first values, and how it is saved and read again.
import { join } from "node:path";
import { planAdapter } from "./adapters/attach.js";
import { initialValues } from "./adapters/initial.js";
import type { Trained } from "./adapters/plan.js";
import { planWhole } from "./adapters/whole.js";
import { saveModel } from "./export/model.js";
import { loadPeftAdapter, savePeftAdapter } from "./export/peft.js";
import { toFloat32 } from "./formats/dtype.js";
import { openSafetensors, readTensor } from "./formats/safetensors.js";
import type { BaseModel } from "./models/base_model.js";
import type { TrainOptions } from "./options.js";
import { loraConfigOf } from "./train/settings.js";

export interface Subject {
  readonly trained: Trained;
  /** What its owner should know of it. */
  readonly warnings: readonly string[];
  /** Writes the product. */
  save(folder: string): Promise<void>;
  /** Writes the values to the last bit, for a checkpoint. */
  saveExactly(folder: string): Promise<void>;
  /** Values as `saveExactly` wrote them. */
  load(folder: string): Promise<ReadonlyMap<string, Float32Array>>;
}

/** The whole model, an adapter that exists, or a new one. */
export async function subjectOf(options: TrainOptions, base: BaseModel): Promise<Subject> {
  return options.method === "full" ? wholeModel(options, base) : adapterOf(options, base);
}

async function wholeModel({ seed, saveDtype }: TrainOptions, base: BaseModel): Promise<Subject> {
  const plan = planWhole(base);
  const values = await initialValues(base, plan, seed);
  return {
    trained: { plan, values },
    warnings: [],
    save: (folder) => saveModel(folder, base, values, saveDtype),
    saveExactly: (folder) => saveModel(folder, base, values, "float32"),
    async load(folder) {
      const { entries } = await openSafetensors(join(folder, "model.safetensors"));
      const loaded = new Map<string, Float32Array>();
      for (const [name, entry] of entries) loaded.set(name, toFloat32(await readTensor(entry)));
      return loaded;
    },
  };
}

async function adapterOf(options: TrainOptions, base: BaseModel): Promise<Subject> {
  const { raw, unmatched, ...adapter } =
    options.adapter === undefined
      ? await newAdapter(options, base)
      : await loadPeftAdapter(options.adapter, base);
  const save = (folder: string) => savePeftAdapter(folder, adapter, options.model, raw);
  return {
    trained: adapter,
    warnings: unmatched.map(({ what }) => `the adapter's configuration has what its base has not: ${what}`),
    save,
    saveExactly: save,
    load: async (folder) => (await loadPeftAdapter(folder, base)).values,
  };
}

async function newAdapter(options: TrainOptions, base: BaseModel) {
  const plan = planAdapter(base, loraConfigOf(options));
  return { plan, values: await initialValues(base, plan, options.seed), raw: {}, unmatched: [] };
}
