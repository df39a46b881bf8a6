// A base with adapters worked in, or with adapters as inputs -> the folder that transformers.js loads.
// Source: https://github.com/huggingface/transformers.js (packages/transformers/src/models/session.js, utils/model-loader.js)
import { mkdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { unties, type WeightedAdapter } from "../../adapters/merge.js";
import type { Adapter } from "../../adapters/plan.js";
import { writeFileAtomically } from "../../formats/atomic.js";
import type { BaseModel } from "../../models/base_model.js";
import { halfPrecision, type OnnxDtype, type OnnxDtypeName, onnxDtypes } from "./forms.js";
import { exportedGraph, SYMBOLS } from "./graph.js";
import { emptyDefaults, inputPlan, saveAdapterFiles } from "./lora_inputs.js";
import { checkTokenizer, saveTokenizer } from "./tokenizer.js";
import { storedTensors } from "./weights.js";
import { layOut, type OnnxLayout, writeOnnx } from "./writer.js";

export interface OnnxModelOptions {
  /** Which files are written; the first is the one that is loaded where nothing else is asked for. */
  readonly dtypes: readonly OnnxDtypeName[];
  readonly fourBitLayers: OnnxDtype["fourBitLayers"];
  /** Whether an input says for how many of the last tokens logits are wanted. */
  readonly lastLogits: boolean;
  /** Whether the tokenizer is copied. */
  readonly tokenizer: boolean;
  /** Bytes of weights in one file. */
  readonly limit: number;
}

/** An adapter whose A and B are inputs. */
export interface AdapterInputs {
  readonly adapter: Adapter;
  /** Whether a run may leave them out, which then gives the base. */
  readonly optional: boolean;
}

/**
 * Writes the folder.
 * @param inputs the adapter that stays outside; its values lie beside the models
 * @param onTensor is told how many tensors of how many are written
 * @returns the number of tensors
 */
export async function saveOnnxModel(
  folder: string,
  base: BaseModel,
  adapters: readonly WeightedAdapter[],
  inputs: AdapterInputs | undefined,
  { dtypes, fourBitLayers, lastLogits, tokenizer, limit }: OnnxModelOptions,
  onTensor?: (done: number, all: number) => void,
): Promise<number> {
  const plan = inputs && inputPlan(inputs.adapter);
  if (tokenizer) await checkTokenizer(base.folder);
  await mkdir(join(folder, "onnx"), { recursive: true });
  const models = dtypes.map((name) => {
    const dtype = { ...onnxDtypes[name], fourBitLayers };
    const tensors = storedTensors(base, adapters, dtype);
    const layout = layOut(join(folder, "onnx", `model${dtype.suffix}.onnx`), tensors, limit);
    return { dtype, tensors, layout };
  });
  const all = models.reduce((sum, { tensors }) => sum + tensors.length, 0);
  let done = 0;
  for (const { dtype, tensors, layout } of models) {
    const graph = exportedGraph(base, layout.entries, dtype, { plan, lastLogits });
    const form = {
      symbols: SYMBOLS,
      plain: true,
      precision: dtype.floats === "float16" ? halfPrecision : undefined,
    };
    const defaults = plan && inputs.optional ? emptyDefaults(plan) : [];
    await writeOnnx(layout, graph, tensors, form, defaults, () => onTensor?.(++done, all));
  }
  if (inputs) await saveAdapterFiles(join(folder, "onnx"), inputs.adapter);
  const files = models.map(({ layout }) => layout);
  await writeConfigs(folder, base, unties(base, adapters), dtypes, files);
  if (tokenizer) await saveTokenizer(base.folder, folder);
  return all;
}

async function writeConfigs(
  folder: string,
  base: BaseModel,
  isUntied: boolean,
  dtypes: readonly OnnxDtypeName[],
  files: readonly OnnxLayout[],
): Promise<void> {
  const beside = files.filter((file) => file.beside.length > 0);
  const half = dtypes.filter((name) => onnxDtypes[name].floats === "float16");
  const own = {
    dtype: dtypes[0],
    ...(beside.length > 0 && {
      use_external_data_format: Object.fromEntries(
        beside.map(({ path, beside }) => [basename(path), beside.length]),
      ),
    }),
    // Version 3 reads the type of cached keys and values here, version 4 in the model.
    ...(half.length > 0 && { kv_cache_dtype: Object.fromEntries(half.map((name) => [name, "float16"])) }),
  };
  const { config, family, json } = base;
  await writeJson(join(folder, "config.json"), {
    ...json,
    architectures: [family.architecture],
    num_key_value_heads: config.kvHeads,
    ...(isUntied && { tie_word_embeddings: false }),
    "transformers.js_config": own,
  });
  // Where the base has one, it is copied with the tokenizer.
  const generation = ["bos_token_id", "eos_token_id", "pad_token_id"].flatMap((key) =>
    json[key] === undefined || json[key] === null ? [] : [[key, json[key]] as const],
  );
  await writeJson(join(folder, "generation_config.json"), {
    _from_model_config: true,
    ...Object.fromEntries(generation),
  });
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await writeFileAtomically(path, `${JSON.stringify(value, null, 2)}\n`);
}
