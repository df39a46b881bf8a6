// An adapter <-> PEFT's folder: adapter_config.json and adapter_model.safetensors.
// Source: https://github.com/huggingface/peft/blob/main/src/peft/utils/save_and_load.py
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { planAdapter } from "../adapters/attach.js";
import { defaultLoraConfig, type LoraConfig } from "../adapters/config.js";
import { type Adapter, type AdapterPlan, baseTensorName } from "../adapters/plan.js";
import { type Fault, failIfAny, PhinetuneError } from "../errors.js";
import { writeFileAtomically } from "../formats/atomic.js";
import { toFloat32 } from "../formats/dtype.js";
import { readJsonObject } from "../formats/json_file.js";
import { openSafetensors, readTensor, writeSafetensors } from "../formats/safetensors.js";
import { f32Tensor, type Tensor } from "../formats/tensor.js";
import { withoutRevision } from "../hub/name.js";
import type { BaseModel } from "../models/base_model.js";

const CONFIG = "adapter_config.json";
const TENSORS = "adapter_model.safetensors";

/** Settings that change the arithmetic and that phinetune does not compute: allowed only when off. */
const UNSUPPORTED = [
  "use_dora",
  "use_qalora",
  "lora_bias",
  "fan_in_fan_out",
  "alora_invocation_tokens",
  "arrow_config",
  "corda_config",
  "eva_config",
  "layer_replication",
  "target_parameters",
  "trainable_token_indices",
  "use_bdlora",
  "kasa_config",
  "velora_config",
  "monteclora_config",
  "lora_ga_config",
  "megatron_config",
] as const;

/** Initial values that leave the base as it is, so that an adapter's file says all. */
const PLAIN_INITS: readonly unknown[] = [true, false, "gaussian", "orthogonal"];

/** Writes the adapter; keys that PEFT knows and we do not are kept from `previous`. */
export async function savePeftAdapter(
  folder: string,
  adapter: Adapter,
  baseName: string,
  previous: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  await mkdir(folder, { recursive: true });
  const tensors = new Map<string, Tensor>();
  for (const { name, peftName, shape } of adapter.plan.parameters)
    tensors.set(peftName, f32Tensor(shape, adapter.values.get(name)!));
  await writeSafetensors(join(folder, TENSORS), tensors, { format: "pt" });
  const config = { ...previous, ...peftConfig(adapter.plan, baseName) };
  const sorted = Object.fromEntries(Object.entries(config).sort(([a], [b]) => (a < b ? -1 : 1)));
  await writeFileAtomically(
    join(folder, CONFIG),
    new TextEncoder().encode(`${JSON.stringify(sorted, null, 2)}\n`),
  );
}

/** The keys of adapter_config.json that every PEFT since 0.5 reads, with those of newer versions that matter. */
function peftConfig({ config, targets }: AdapterPlan, baseName: string): Record<string, unknown> {
  const { targetModules } = config;
  const { id, revision } = withoutRevision(baseName);
  const listed = Array.isArray(targetModules) ? [...targetModules].sort() : targetModules;
  // PEFT resolves `all-linear` and its defaults on its own machine; the resolved paths are the same everywhere.
  const resolved = listed === undefined || listed === "all-linear" ? shortNames(targets) : listed;
  return {
    alpha_pattern: config.alphaPattern,
    auto_mapping: null,
    base_model_name_or_path: id,
    bias: config.bias,
    ensure_weight_tying: config.ensureWeightTying,
    exclude_modules: config.excludeModules ?? null,
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: config.initLoraWeights === "default" ? true : config.initLoraWeights,
    layers_pattern: config.layersPattern ?? null,
    layers_to_transform: config.layersToTransform ?? null,
    lora_alpha: config.alpha,
    lora_dropout: config.dropout,
    modules_to_save: config.modulesToSave.length > 0 ? config.modulesToSave : null,
    peft_type: "LORA",
    r: config.r,
    rank_pattern: config.rankPattern,
    revision,
    target_modules: resolved,
    task_type: "CAUSAL_LM",
    use_dora: false,
    use_rslora: config.useRslora,
  };
}

/** The last names of the targets. */
function shortNames(targets: AdapterPlan["targets"]): string[] {
  return [...new Set([...targets.keys()].map((path) => path.split(".").at(-1)!))].sort();
}

/** Reads adapter_config.json. @returns the settings we know and all keys as they stand. */
export async function readPeftConfig(
  folder: string,
): Promise<{ config: LoraConfig; raw: Readonly<Record<string, unknown>> }> {
  const where = join(folder, CONFIG);
  const raw = await readJsonObject(where, "the adapter's configuration");
  const faults: Fault[] = [];
  const refuse = (what: string, fix?: string) => void faults.push({ code: "adapter", what, where, fix });
  if (raw.peft_type === undefined && "lora_parameters" in raw)
    refuse("this is an adapter of mlx-lm", "make PEFT's folder of it: phinetune export --format peft");
  else if (raw.peft_type !== "LORA")
    refuse(`peft_type is ${JSON.stringify(raw.peft_type)}; phinetune reads LORA`);
  for (const key of UNSUPPORTED) {
    const value = raw[key];
    const off =
      value === undefined ||
      value === null ||
      value === false ||
      (Array.isArray(value) && value.length === 0) ||
      isEmptyObject(value);
    if (!off)
      refuse(`"${key}" is ${JSON.stringify(value)}, which changes the arithmetic and is not implemented`);
  }
  if (!isEmptyObject(raw.loftq_config ?? {}))
    refuse("loftq_config changes the base weights, which phinetune never does");
  const init = raw.init_lora_weights ?? true;
  if (!PLAIN_INITS.includes(init))
    refuse(
      `init_lora_weights ${JSON.stringify(init)} changes the base weights`,
      "convert the adapter with PEFT's path_initial_model_for_weight_conversion",
    );

  const read = <T>(key: string, fallback: T, accepts: (value: unknown) => boolean, kind: string): T => {
    const value = raw[key] ?? fallback;
    if (accepts(value)) return value as T;
    refuse(`"${key}" is ${JSON.stringify(value)}; it must be ${kind}`);
    return fallback;
  };
  const isWords = (value: unknown) => Array.isArray(value) && value.every((word) => typeof word === "string");
  const isWordsOrText = (value: unknown) =>
    value === undefined || typeof value === "string" || isWords(value);
  const isNumbers = (value: unknown) =>
    isObject(value) &&
    Object.values(value).every((x) => typeof x === "number" && Number.isFinite(x) && x > 0);
  const toList = (value: unknown) =>
    (value === undefined || value === null || Array.isArray(value) ? value : [value]) ?? undefined;
  const config: LoraConfig = {
    r: read(
      "r",
      defaultLoraConfig.r,
      (x) => Number.isInteger(x) && (x as number) > 0,
      "a whole number above 0",
    ),
    alpha: read(
      "lora_alpha",
      defaultLoraConfig.alpha,
      (x) => typeof x === "number" && Number.isFinite(x),
      "a number",
    ),
    dropout: read(
      "lora_dropout",
      0,
      (x) => typeof x === "number" && x >= 0 && x < 1,
      "at least 0 and below 1",
    ),
    bias: read(
      "bias",
      "none",
      (x) => x === "none" || x === "all" || x === "lora_only",
      "none, all or lora_only",
    ),
    targetModules: read(
      "target_modules",
      undefined,
      isWordsOrText,
      "a list of names or a regular expression",
    ),
    excludeModules: read(
      "exclude_modules",
      undefined,
      isWordsOrText,
      "a list of names or a regular expression",
    ),
    layersToTransform: toList(raw.layers_to_transform) as readonly number[] | undefined,
    layersPattern: toList(raw.layers_pattern) as readonly string[] | undefined,
    rankPattern: read("rank_pattern", {}, isNumbers, "an object of numbers above 0"),
    alphaPattern: read("alpha_pattern", {}, isNumbers, "an object of numbers above 0"),
    modulesToSave: read("modules_to_save", [], isWords, "a list of names"),
    useRslora: read("use_rslora", false, (x) => typeof x === "boolean", "true or false"),
    initLoraWeights: init === "gaussian" ? "gaussian" : "default",
    ensureWeightTying: read("ensure_weight_tying", false, (x) => typeof x === "boolean", "true or false"),
  };
  if (config.layersToTransform?.some((layer) => !Number.isInteger(layer)))
    refuse('"layers_to_transform" must hold whole numbers');
  if (config.layersPattern && !isWords(config.layersPattern)) refuse('"layers_pattern" must hold names');
  failIfAny(faults);
  return { config, raw };
}

/** An adapter as it was found: all keys of its configuration, and what of it the base does not have. */
export interface LoadedAdapter extends Adapter {
  readonly raw: Readonly<Record<string, unknown>>;
  readonly unmatched: readonly Fault[];
}

/**
 * Reads a PEFT folder for a base model. Names and patterns that match nothing are kept: the tensors say what is adapted.
 * @throws with every tensor that is missing, left over or of another shape.
 */
export async function loadPeftAdapter(folder: string, base: BaseModel): Promise<LoadedAdapter> {
  const { config, raw } = await readPeftConfig(folder);
  const unmatched: Fault[] = [];
  const plan = planAdapter(base, config, (fault) => unmatched.push({ ...fault, where: folder }));
  const file = await openSafetensors(join(folder, TENSORS));
  const faults: Fault[] = [];
  const values = new Map<string, Float32Array>();
  const expected = new Set<string>();
  for (const { name, peftName, shape } of plan.parameters) {
    expected.add(peftName);
    const entry = file.entries.get(peftName);
    if (!entry)
      faults.push({ code: "adapter", what: `tensor ${peftName} [${shape}] is missing`, where: folder });
    else if (entry.shape.join() !== shape.join()) {
      faults.push({
        code: "adapter",
        what: `tensor ${peftName} has shape [${entry.shape}]; this base and r need [${shape}]`,
        where: folder,
      });
    } else values.set(name, toFloat32(await readTensor(entry)));
  }
  for (const name of file.entries.keys()) {
    if (!expected.has(name) && !isCopyOfBase(name, base)) {
      faults.push({
        code: "adapter",
        what: `tensor ${name} belongs to no adapted module of this base`,
        where: folder,
      });
    }
  }
  if (faults.length > 0) {
    const made =
      typeof raw.base_model_name_or_path === "string"
        ? ` (it was made for ${JSON.stringify(raw.base_model_name_or_path)})`
        : "";
    throw new PhinetuneError([
      {
        code: "adapter",
        what: `the adapter does not fit the base model${made}`,
        where: `${folder} on ${base.folder}`,
        fix: "give the base model that it was trained on",
      },
      ...faults,
    ]);
  }
  return { plan, values, raw, unmatched };
}

/**
 * Whether a tensor is one of the base's that PEFT saves along: the weight of a targeted embedding or head, and
 * (with biases trained) the biases of a wrapped module.
 */
function isCopyOfBase(peftName: string, base: BaseModel): boolean {
  const name = peftName
    .replace(/^base_model\.model\./, "")
    .replace(/\.(base_layer|original_module|modules_to_save)\./, ".");
  return base.tensors.has(baseTensorName(base, name));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isEmptyObject(value: unknown): boolean {
  return isObject(value) && Object.keys(value).length === 0;
}
