// A Hugging Face model folder -> its family, configuration, modules and the places of its tensors, all checked.
import { type Fault, fail, failIfAny, nearest } from "../errors.js";
import { readJsonObject } from "../formats/json_file.js";
import { openSafetensorsFolder } from "../formats/safetensors.js";
import type { TensorEntry } from "../formats/tensor.js";
import type { Value } from "../graph/value.js";
import { createConfigReader } from "./config.js";
import {
  EMBEDDING,
  type Family,
  type ModelConfig,
  type Module,
  OUTPUT_HEAD,
  parametersOf,
} from "./family.js";
import { families } from "./index.js";

/** Another form of the frozen linear layers' weights. */
export interface LinearStorage {
  readonly name: string;
  /** The layers that are stored so. */
  readonly paths: ReadonlySet<string>;
  /** [N, in] -> [N, out] by the layer at one of these paths with its frozen weight. */
  linear(x: Value, path: string, bias: Value | undefined): Value;
  /** int64 [N] -> [N, D] by the embedding at `path`, where its table has another form too. */
  embedding?(ids: Value, path: string): Value;
}

/** A frozen model: nothing of its weights is in memory. */
export interface BaseModel {
  readonly folder: string;
  /** config.json as it stands. */
  readonly json: Readonly<Record<string, unknown>>;
  readonly family: Family;
  readonly config: ModelConfig;
  readonly modules: readonly Module[];
  /** By parameter name, tied ones once under the embedding's name; none of a model that is trained from scratch. */
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  /** Computes the frozen linear layers where that is not done on the weights as they lie in the files. */
  readonly storage?: LinearStorage | undefined;
  /** `eos_token_id` of config.json: ids that end a text. */
  readonly eosTokenIds: readonly number[];
  /** `pad_token_id` of config.json. */
  readonly padTokenId: number | undefined;
}

/** Buffers that old checkpoints carry along and that the configuration already tells. */
const IGNORED = /\.(rotary_emb\.inv_freq|masked_bias|attn\.bias)$/;

/**
 * Opens a model folder.
 * @param fromScratch only config.json is read, for a model whose weights are yet to be made
 * @throws when the family is unknown, an option is not implemented, or a tensor is missing or of another shape.
 */
export async function openBaseModel(
  folder: string,
  { fromScratch = false }: { readonly fromScratch?: boolean | undefined } = {},
): Promise<BaseModel> {
  const where = `${folder}/config.json`;
  const json = await readJsonObject(where, "the model's configuration");
  refuseQuantized(json, where);
  const family = familyOf(json, where);
  const reader = createConfigReader(json, where);
  const config = family.readConfig(reader);
  reader.finish();
  const modules = family.modules(config);
  const tensors = fromScratch
    ? new Map<string, TensorEntry>()
    : checkTensors(modules, config, (await openSafetensorsFolder(folder)).entries, folder);
  const [padTokenId] = tokenIds(json.pad_token_id);
  return {
    folder,
    json,
    family,
    config,
    modules,
    tensors,
    eosTokenIds: tokenIds(json.eos_token_id),
    padTokenId: padTokenId !== undefined && padTokenId < config.vocabSize ? padTokenId : undefined,
  };
}

function familyOf(json: Readonly<Record<string, unknown>>, where: string): Family {
  const names = families.map(({ modelType }) => modelType);
  const family = families.find(({ modelType }) => modelType === json.model_type);
  if (!family) {
    const near = typeof json.model_type === "string" ? nearest(json.model_type, names) : undefined;
    fail(
      "config",
      `model_type ${JSON.stringify(json.model_type)} is not supported; supported are ${names.join(", ")}`,
      {
        where,
        fix: near && `did you mean "${near}"?`,
      },
    );
  }
  const architectures = Array.isArray(json.architectures) ? json.architectures : [family.architecture];
  if (!architectures.includes(family.architecture)) {
    fail(
      "config",
      `the model's architecture is ${JSON.stringify(architectures).slice(1, -1)}; phinetune trains ${family.architecture}`,
      { where },
    );
  }
  return family;
}

/** Weights that were rounded before, whose files only the program that made them can read. */
function refuseQuantized(
  { quantization_config: given }: Readonly<Record<string, unknown>>,
  where: string,
): void {
  if (given === undefined || given === null) return;
  const {
    quant_method: method,
    load_in_4bit: in4Bit,
    load_in_8bit: in8Bit,
  } = given as Record<string, unknown>;
  const bits = in4Bit === true ? 4 : in8Bit === true ? 8 : undefined;
  const by = `${typeof method === "string" ? method : "another program"}${bits ? `, ${bits} bits` : ""}`;
  fail("config", `the model's weights are quantized (${by}); phinetune reads F32, F16 and BF16`, {
    where,
    fix: `give the model that it was made from, with --load-in-${bits ?? 4}bit`,
  });
}

function checkTensors(
  modules: readonly Module[],
  { tiedEmbeddings }: ModelConfig,
  entries: ReadonlyMap<string, TensorEntry>,
  folder: string,
): ReadonlyMap<string, TensorEntry> {
  const faults: Fault[] = [];
  const tensors = new Map<string, TensorEntry>();
  const known = new Set<string>();
  const tiedHead = `${OUTPUT_HEAD}.weight`;
  for (const module of modules) {
    for (const [name, shape] of parametersOf(module)) {
      known.add(name);
      if (name === tiedHead && tiedEmbeddings) continue;
      const entry = entries.get(name);
      if (!entry) {
        const hint =
          name === tiedHead && entries.has(`${EMBEDDING}.weight`)
            ? 'or set "tie_word_embeddings": true if the head is the embedding'
            : undefined;
        faults.push({
          code: "weights",
          what: `tensor ${name} [${shape}] is missing`,
          where: folder,
          fix: hint,
        });
      } else if (entry.shape.join() !== shape.join()) {
        faults.push({
          code: "weights",
          what: `tensor ${name} has shape [${entry.shape}]; config.json says [${shape}]`,
          where: entry.file,
        });
      } else if (!["F32", "F16", "BF16"].includes(entry.dtype)) {
        faults.push({
          code: "weights",
          what: `tensor ${name} has dtype ${entry.dtype}; weights must be F32, F16 or BF16`,
          where: entry.file,
        });
      } else tensors.set(name, entry);
    }
  }
  for (const [name, { file }] of entries) {
    if (known.has(name) || IGNORED.test(name)) continue;
    faults.push({
      code: "weights",
      what: `tensor ${name} does not belong to this architecture`,
      where: file,
    });
  }
  failIfAny(faults);
  return tensors;
}

function tokenIds(value: unknown): readonly number[] {
  return (Array.isArray(value) ? value : [value]).filter((id): id is number => Number.isInteger(id));
}
