// An adapter <-> mlx-lm's folder: adapter_config.json and adapters.safetensors, with A and B transposed.
// Source: https://github.com/ml-explore/mlx-lm/blob/main/mlx_lm/tuner/utils.py (load_adapters, linear_to_lora_layers) and lora.py
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { planAdapter } from "../adapters/attach.js";
import { defaultLoraConfig, type LoraConfig } from "../adapters/config.js";
import type { Target } from "../adapters/method.js";
import type { Adapter } from "../adapters/plan.js";
import { type Fault, failIfAny } from "../errors.js";
import { writeFileAtomically } from "../formats/atomic.js";
import { toFloat32 } from "../formats/dtype.js";
import { readJsonObject } from "../formats/json_file.js";
import {
  openSafetensors,
  readTensor,
  type SafetensorsFile,
  writeSafetensors,
} from "../formats/safetensors.js";
import { f32Tensor, type Tensor } from "../formats/tensor.js";
import type { BaseModel } from "../models/base_model.js";
import { EMBEDDING, type Module, OUTPUT_HEAD } from "../models/family.js";

const CONFIG = "adapter_config.json";
const TENSORS = "adapters.safetensors";

/** Writes the folder. @returns the number of its tensors @throws PhinetuneError with all that mlx-lm would compute otherwise */
export async function saveMlxAdapter(folder: string, base: BaseModel, adapter: Adapter): Promise<number> {
  failIfAny(unfit(base, adapter));
  const { plan, values } = adapter;
  const targets = [...plan.targets];
  // There is one rank and one scale: smaller ranks are filled up with zeros, other scales go into B.
  const rank = Math.max(...targets.map(([, { r }]) => r));
  const scale = targets.find(([, target]) => target.scale !== 0)?.[1].scale ?? 1;
  const tensors = new Map<string, Tensor>();
  for (const [path, target] of targets) {
    const [a, b] = namesOf(path, target).map((name) => values.get(name)!) as [Float32Array, Float32Array];
    const [columns, rows] = [a.length / target.r, b.length / target.r];
    tensors.set(`${path}.lora_a`, f32Tensor([columns, rank], turned(a, target.r, columns, columns, rank)));
    const scaled = target.scale === scale ? b : b.map((value) => (value * target.scale) / scale);
    tensors.set(`${path}.lora_b`, f32Tensor([rank, rows], turned(scaled, rows, target.r, rank, rows)));
  }
  await mkdir(folder, { recursive: true });
  await writeSafetensors(join(folder, TENSORS), tensors, { format: "mlx" });
  const { keys, layers } = selectionOf(base, [...plan.targets.keys()]);
  const config = {
    fine_tune_type: "lora",
    lora_parameters: { dropout: plan.config.dropout, keys, rank, scale },
    num_layers: layers,
  };
  await writeFileAtomically(join(folder, CONFIG), `${JSON.stringify(config, null, 4)}\n`);
  return tensors.size;
}

function unfit(base: BaseModel, { plan }: Adapter): Fault[] {
  const reasons: string[] = [];
  const others = plan.parameters.filter(({ kind }) => kind !== "adapter").map(({ name }) => name);
  const biases = others.filter((name) => name.endsWith(".bias"));
  const whole = others.filter((name) => !name.endsWith(".bias"));
  if (whole.length > 0) reasons.push(`${whole.length} tensors that were trained whole (${whole[0]}, …)`);
  if (biases.length > 0) reasons.push(`${biases.length} trained biases (${biases[0]}, …)`);
  if (plan.targets.size === 0 && others.length === 0) reasons.push("an adapter that adapts no layer");
  for (const path of [EMBEDDING, OUTPUT_HEAD])
    if (base.config.tiedEmbeddings && plan.targets.has(path))
      reasons.push(`an adapter of ${path} alone, where embedding and output head are one`);
  return reasons.map((reason) => ({
    code: "adapter",
    what: `mlx-lm's form of an adapter cannot hold ${reason}`,
    fix: "merge it (phinetune merge): mlx-lm loads the merged folder as it is",
  }));
}

/** Names of A and B. */
function namesOf(path: string, { module }: Pick<Target, "module">): readonly [string, string] {
  return module.kind === "embedding"
    ? [`${path}.lora_embedding_A`, `${path}.lora_embedding_B`]
    : [`${path}.lora_A.weight`, `${path}.lora_B.weight`];
}

/** [rows, columns] -> [toRows, toColumns] ⊇ [columns, rows], filled up with zeros. */
function turned(
  matrix: Float32Array,
  rows: number,
  columns: number,
  toRows: number,
  toColumns: number,
): Float32Array {
  const result = new Float32Array(toRows * toColumns);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      result[column * toColumns + row] = matrix[row * columns + column]!;
  return result;
}

/** A path -> layer and name within it; undefined for what lies outside of layers. */
function placeOf(path: string): { readonly layer: number; readonly name: string } | undefined {
  const match = /^model\.layers\.(\d+)\.(.+)$/.exec(path);
  return match ? { layer: Number(match[1]), name: match[2]! } : undefined;
}

/**
 * mlx-lm adapts the modules whose name within a layer is a key, in the last so many layers, and those whose whole path
 * is one: names where the last layers are adapted alike, else paths.
 */
function selectionOf(base: BaseModel, paths: readonly string[]): { keys: readonly string[]; layers: number } {
  const places = paths.flatMap((path) => placeOf(path) ?? []);
  const names = [...new Set(places.map(({ name }) => name))];
  const count = new Set(places.map(({ layer }) => layer)).size;
  const isUniform =
    places.length === names.length * count &&
    places.every(({ layer }) => layer >= base.config.layers - count);
  const outside = paths.filter((path) => !placeOf(path));
  // 0 would mean all layers.
  return { keys: isUniform ? [...names, ...outside] : paths, layers: Math.max(1, count) };
}

/** Reads the folder for a base model. @throws PhinetuneError with all that is no LoRA adapter of this base */
export async function loadMlxAdapter(folder: string, base: BaseModel): Promise<Adapter> {
  const { rank, scale, dropout, keys, layers } = await readConfig(folder);
  const file = await openSafetensors(join(folder, TENSORS));
  const faults: Fault[] = [];
  const refuse = (what: string, fix?: string) =>
    void faults.push({ code: "adapter", what, where: folder, fix });
  const first = layers > 0 ? Math.max(0, base.config.layers - layers) : 0;
  const isChosen = ({ path }: Module) => {
    const place = placeOf(path);
    const isWithin = place !== undefined && place.layer >= first;
    return keys === undefined ? isWithin : keys.has(path) || (isWithin && keys.has(place.name));
  };
  const found = new Map<string, { readonly module: Target["module"]; readonly r: number }>();
  const used = new Set<string>();
  for (const module of base.modules) {
    if (module.kind === "norm" || !isChosen(module)) continue;
    const { path } = module;
    const [a, b] = [file.entries.get(`${path}.lora_a`), file.entries.get(`${path}.lora_b`)];
    // mlx-lm leaves what the file lacks as it is: without a change.
    if (!a && !b) continue;
    const [columns, rows] = module.kind === "linear" ? [module.in, module.out] : [module.rows, module.size];
    const r = a?.shape[1] ?? 0;
    for (const [name, entry, wanted] of [
      ["lora_a", a, [columns, r]],
      ["lora_b", b, [r, rows]],
    ] as const) {
      used.add(`${path}.${name}`);
      if (!entry) refuse(`tensor ${path}.${name} is missing`);
      else if (entry.shape.join() !== wanted.join() || r === 0)
        refuse(`tensor ${path}.${name} has shape [${entry.shape}]; this base needs [${wanted}]`);
    }
    found.set(path, { module, r });
  }
  const others = [...file.entries.keys()].filter((name) => !used.has(name));
  if (others.length > 0)
    refuse(
      `${others.length} tensors (${others[0]}, …) are no lora_a or lora_b of a layer that the configuration names`,
      "fuse the adapter with mlx_lm.fuse, and give the fused model",
    );
  if (found.size === 0 && others.length === 0) refuse("the folder holds no lora_a and lora_b");
  if (base.config.tiedEmbeddings && found.has(EMBEDDING))
    refuse(
      `${EMBEDDING} has an adapter, which mlx-lm applies to the tied output head as well and PEFT does not`,
    );
  failIfAny(faults);

  const plan = planAdapter(base, configOf(base, found, { rank, scale, dropout }));
  const values = new Map<string, Float32Array>();
  for (const [path, { module }] of found) {
    const [a, b] = namesOf(path, { module });
    values.set(a, await readTurned(file, `${path}.lora_a`));
    values.set(b, await readTurned(file, `${path}.lora_b`));
  }
  return { plan, values };
}

async function readTurned(file: SafetensorsFile, name: string): Promise<Float32Array> {
  const tensor = await readTensor(file.entries.get(name)!);
  const [rows, columns] = tensor.shape as [number, number];
  return turned(toFloat32(tensor), rows, columns, columns, rows);
}

interface MlxSettings {
  readonly rank: number;
  readonly scale: number;
  readonly dropout: number;
}

/** PEFT's settings for the same layers: short names where the same ones are adapted in all layers or the last ones. */
function configOf(
  base: BaseModel,
  found: ReadonlyMap<string, { readonly r: number }>,
  { rank, scale, dropout }: MlxSettings,
): LoraConfig {
  const { keys, layers } = selectionOf(base, [...found.keys()]);
  const isAll =
    layers === base.config.layers || keys.every((key) => key.startsWith("model.") || key === OUTPUT_HEAD);
  const others = [...found].filter(([, { r }]) => r !== rank);
  const pattern = (value: (r: number) => number) =>
    Object.fromEntries(others.map(([path, { r }]) => [path.replaceAll(".", "\\."), value(r)]));
  return {
    ...defaultLoraConfig,
    r: rank,
    alpha: scale * rank,
    dropout,
    targetModules: keys.map((key) => (key.startsWith("model.") ? key : key.split(".").at(-1)!)),
    layersToTransform: isAll
      ? undefined
      : Array.from({ length: layers }, (_, i) => base.config.layers - layers + i),
    rankPattern: pattern((r) => r),
    alphaPattern: pattern((r) => scale * r),
  };
}

interface MlxSelection {
  /** Undefined: whatever the file holds, for versions of mlx-lm differ in what they then adapt. */
  readonly keys: ReadonlySet<string> | undefined;
  /** Of the last so many layers; 0 or less: of all. */
  readonly layers: number;
}

async function readConfig(folder: string): Promise<MlxSettings & MlxSelection> {
  const where = join(folder, CONFIG);
  const raw = await readJsonObject(where, "the adapter's configuration");
  const faults: Fault[] = [];
  const refuse = (what: string, fix?: string) => void faults.push({ code: "adapter", what, where, fix });
  const type = raw.fine_tune_type ?? "lora";
  if ("peft_type" in raw) refuse("this is a PEFT adapter, not one of mlx-lm", "it can be used as it is");
  else if (type !== "lora")
    refuse(
      `fine_tune_type is ${JSON.stringify(type)}; only lora can be read`,
      "fuse it with mlx_lm.fuse, and give the fused model",
    );
  const isObject = typeof raw.lora_parameters === "object" && raw.lora_parameters !== null;
  if (!isObject) refuse("lora_parameters is missing");
  const parameters = (isObject ? raw.lora_parameters : {}) as Readonly<Record<string, unknown>>;
  const number = (
    name: string,
    value: unknown,
    accepts: (value: number) => boolean,
    kind: string,
  ): number => {
    if (typeof value === "number" && Number.isFinite(value) && accepts(value)) return value;
    refuse(`"${name}" is ${JSON.stringify(value)}; it must be ${kind}`);
    return 1;
  };
  const whole = (value: number) => Number.isInteger(value);
  const keys = parameters.keys ?? undefined;
  const areWords = Array.isArray(keys) && keys.every((key) => typeof key === "string");
  if (keys !== undefined && !areWords)
    refuse(`"keys" is ${JSON.stringify(keys)}; it must be a list of names`);
  const read = {
    rank: number("rank", parameters.rank, (x) => whole(x) && x > 0, "a whole number above 0"),
    scale: number("scale", parameters.scale, () => true, "a number"),
    dropout: number("dropout", parameters.dropout ?? 0, (x) => x >= 0 && x < 1, "at least 0 and below 1"),
    layers: number("num_layers", raw.num_layers, whole, "a whole number"),
    keys: areWords ? new Set(keys as string[]) : undefined,
  };
  failIfAny(faults);
  return read;
}
