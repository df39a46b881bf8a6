// A model, perhaps an adapter, and a batch of ids -> logits, loss and gradients in a safetensors file, to hold against any other program.

import { createContext } from "./adapters/context.js";
import { initialValues } from "./adapters/initial.js";
import type { Trained, TrainingPlan } from "./adapters/plan.js";
import { planWhole } from "./adapters/whole.js";
import { type Batch, IGNORED_LABEL } from "./data/types.js";
import { type Fault, failIfAny } from "./errors.js";
import { createLossEvaluator, meanLoss, modelInputs, trainedInputs } from "./evaluate/loss.js";
import { loadPeftAdapter } from "./export/peft.js";
import { readJsonObject } from "./formats/json_file.js";
import { writeSafetensors } from "./formats/safetensors.js";
import { f32Tensor, type Tensor } from "./formats/tensor.js";
import { createGraph } from "./graph/graph.js";
import { reshape } from "./graph/ops.js";
import { type BaseModel, openBaseModel } from "./models/base_model.js";
import { OUTPUT_HEAD } from "./models/family.js";
import { openInStorage, type StorageOptions } from "./quantize/storage.js";
import { createSession, type SessionOptions } from "./runtime/session.js";
import { createObjective } from "./train/objective.js";

export interface InspectOptions extends SessionOptions, StorageOptions {
  /** Folder of the base model. */
  readonly model: string;
  /** PEFT folder. */
  readonly adapter?: string | undefined;
  /** `full`: the gradients of the whole model instead of an adapter's. */
  readonly method?: "lora" | "full" | undefined;
  /** JSON file with `input_ids`, and if wanted `attention_mask` and `labels`: lists of rows of equal length. */
  readonly inputs: string;
  /** safetensors file to write. */
  readonly output: string;
}

export interface Inspection {
  readonly loss: number | undefined;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/**
 * Computes and writes `logits` [B,T,V], `logits_base` (adapter off), `loss`, and `grad/<PEFT name>` of an adapter, or `grad/<name>` of the whole model.
 * The loss is the mean over labels other than -100 after the shift by one; without trained labels there is none.
 */
export async function inspect(options: InspectOptions): Promise<Inspection> {
  const opened = await openBaseModel(options.model);
  const trained = await trainedPart(options, opened);
  const base = await openInStorage(opened, options);
  const batch = await readBatch(options.inputs, base.config.vocabSize);
  const tensors = new Map<string, Tensor>();
  const values = trained?.values ?? new Map<string, Float32Array>();

  tensors.set("logits_base", await logitsOf(base, undefined, values, batch, options));
  tensors.set(
    "logits",
    trained ? await logitsOf(base, trained.plan, values, batch, options) : tensors.get("logits_base")!,
  );
  const evaluator = await createLossEvaluator(base, trained?.plan, options);
  const sums = await evaluator.evaluate([batch], values);
  await evaluator.release();
  const loss = sums.tokens > 0 ? meanLoss(sums) : undefined;
  if (loss !== undefined) tensors.set("loss", f32Tensor([], Float32Array.of(loss)));

  if (trained && loss !== undefined) {
    const objective = await createObjective(base, trained.plan, { ...options, dropout: false });
    const { gradients, tokens } = await objective.differentiate(batch, values, {
      seed: 0,
      step: 0,
      microBatch: 0,
    });
    await objective.release();
    for (const { name, peftName, shape } of trained.plan.parameters) {
      tensors.set(
        `grad/${peftName}`,
        f32Tensor(
          shape,
          gradients.get(name)!.map((g) => g / tokens),
        ),
      );
    }
  }
  await writeSafetensors(options.output, tensors, { format: "pt" });
  return { loss, tensors };
}

/** Whose gradients are asked for, with the values. */
async function trainedPart(options: InspectOptions, base: BaseModel): Promise<Trained | undefined> {
  if (options.method === "full") {
    const plan = planWhole(base);
    return { plan, values: await initialValues(base, plan, 0) };
  }
  return options.adapter === undefined ? undefined : loadPeftAdapter(options.adapter, base);
}

async function logitsOf(
  base: BaseModel,
  plan: TrainingPlan | undefined,
  values: ReadonlyMap<string, Float32Array>,
  batch: Batch,
  options: SessionOptions,
): Promise<Tensor> {
  const context = createContext(base, { plan, maxPositions: Math.max(base.config.maxPositions, batch.T) });
  const hidden = base.family.forward(context, base.config); // [B*T, D]
  const logits = reshape(context.linear(hidden, OUTPUT_HEAD), ["B", "T", base.config.vocabSize]);
  const session = await createSession(createGraph({ logits }), options);
  const result = await session.run({ ...modelInputs(batch), ...trainedInputs(plan, values) });
  await session.release();
  return f32Tensor(result.logits!.dims, result.logits!.data as Float32Array);
}

async function readBatch(path: string, vocabSize: number): Promise<Batch> {
  const json = await readJsonObject(path, "the inputs");
  const faults: Fault[] = [];
  const [first] = Array.isArray(json.input_ids) ? json.input_ids : [];
  const B = Array.isArray(json.input_ids) ? json.input_ids.length : 0;
  const T = Array.isArray(first) ? first.length : 0;
  const matrix = (
    key: string,
    fallback: (i: number) => number,
    accepts: (x: number) => boolean,
    kind: string,
  ): Int32Array => {
    if (json[key] === undefined && key !== "input_ids")
      return Int32Array.from({ length: B * T }, (_, i) => fallback(i));
    const rows = Array.isArray(json[key]) ? (json[key] as unknown[]) : [];
    if (
      B === 0 ||
      T === 0 ||
      rows.length !== B ||
      rows.some((row) => !Array.isArray(row) || row.length !== T)
    ) {
      faults.push({
        code: "data",
        what: `"${key}" must be a list of rows of equal length${B && T ? ` [${B},${T}]` : ""}`,
        where: path,
      });
      return new Int32Array(B * T);
    }
    const flat = (rows as unknown[][]).flat();
    const wrong = flat.findIndex((x) => !Number.isInteger(x) || !accepts(x as number));
    if (wrong >= 0)
      faults.push({
        code: "data",
        what: `"${key}" holds ${JSON.stringify(flat[wrong])} in row ${Math.trunc(wrong / T) + 1}; it must be ${kind}`,
        where: path,
      });
    return Int32Array.from(flat as number[]);
  };
  const isId = (id: number) => id >= 0 && id < vocabSize;
  const inputIds = matrix("input_ids", () => 0, isId, `an id below ${vocabSize}`);
  const attentionMask = matrix(
    "attention_mask",
    () => 1,
    (row) => row >= 0 && row <= T,
    "0 for padding, 1 for a token, or the number of the token's row where several share a sequence",
  );
  const labels = matrix(
    "labels",
    () => IGNORED_LABEL,
    (id) => id === IGNORED_LABEL || isId(id),
    `-100 or an id below ${vocabSize}`,
  );
  for (let b = 0; b < B; b++) {
    const rows = attentionMask.subarray(b * T, (b + 1) * T).filter((row) => row > 0);
    const falling = rows.findIndex((row, i) => i > 0 && row < rows[i - 1]!);
    if (falling > 0)
      faults.push({
        code: "data",
        what: `"attention_mask" goes from ${rows[falling - 1]} down to ${rows[falling]} in row ${b + 1}; rows that share a sequence are numbered in ascending order`,
        where: path,
      });
  }
  failIfAny(faults);
  return { B, T, inputIds, attentionMask, labels, rows: Array.from({ length: B }, (_, i) => i) };
}
