// A base model and a LoRA configuration -> the plan of what is trained: adapters, biases and whole modules, with their names.
import { elementCount } from "../formats/tensor.js";
import type { BaseModel } from "../models/base_model.js";
import { EMBEDDING, OUTPUT_HEAD, parametersOf } from "../models/family.js";
import type { Random } from "../random.js";
import type { LoraConfig } from "./config.js";
import { lora } from "./lora.js";
import { matchSavedModules, matchTargets } from "./match.js";
import type { Method, Target } from "./method.js";

/** A tensor that training changes. */
export interface TrainableParameter {
  /** Name in the graph: the checkpoint's path, e.g. `model.layers.0.self_attn.q_proj.lora_A.weight`. */
  readonly name: string;
  /** Name in PEFT's file. */
  readonly peftName: string;
  readonly shape: readonly number[];
  /** `adapter`: new; `bias`, `saved`: starts as a copy of the base's tensor of the same name. */
  readonly kind: "adapter" | "bias" | "saved";
  /** Whether weight decay passes it by: biases and norms. */
  readonly undecayed: boolean;
  /** First values of a new parameter. */
  readonly initial?: (random: Random) => Float32Array;
}

export interface AdapterPlan {
  readonly method: Method;
  readonly config: LoraConfig;
  readonly targets: ReadonlyMap<string, Target>;
  readonly parameters: readonly TrainableParameter[];
}

/** An adapter in memory. */
export interface Adapter {
  readonly plan: AdapterPlan;
  /** Values of the trained parameters by graph name. */
  readonly values: ReadonlyMap<string, Float32Array>;
}

const PREFIX = "base_model.model.";

/** Decides what is trained. @throws where the configuration names what the model does not have. */
export function planAdapter(base: BaseModel, config: LoraConfig): AdapterPlan {
  const method = lora;
  const targets = new Map<string, Target>();
  for (const module of matchTargets(base.modules, config, base.family.loraTargets)) {
    if (module.kind !== "norm") targets.set(module.path, method.target(module, config));
  }
  const saved = new Set(matchSavedModules(base.modules, config).map(({ path }) => path));
  const parameters: TrainableParameter[] = [];
  for (const module of base.modules) {
    const target = targets.get(module.path);
    for (const { suffix, shape, initial } of target ? method.parameters(target, config) : []) {
      const name = `${module.path}.${suffix}`;
      parameters.push({ name, peftName: PREFIX + name, shape, kind: "adapter", undecayed: false, initial });
    }
    for (const [name, shape] of parametersOf(module)) {
      const isBias = name.endsWith(".bias");
      const trainedBias =
        isBias && (config.bias === "all" || (config.bias === "lora_only" && target !== undefined));
      if (!saved.has(module.path) && !trainedBias) continue;
      // PEFT wraps a targeted layer, so that its own tensors move one step down.
      const peftName = PREFIX + (target ? name.replace(/\.bias$/, ".base_layer.bias") : name);
      const kind = saved.has(module.path) ? "saved" : "bias";
      parameters.push({ name, peftName, shape, kind, undecayed: isBias || module.kind === "norm" });
    }
  }
  return { method, config, targets, parameters };
}

/** Where a trained copy of a base tensor starts: the tensor's name in the base, past a tied head. */
export function baseTensorName(base: BaseModel, name: string): string {
  return base.config.tiedEmbeddings && name === `${OUTPUT_HEAD}.weight` ? `${EMBEDDING}.weight` : name;
}

/** Counts as PEFT's `print_trainable_parameters`: copies of whole modules count besides their originals. */
export function countParameters(base: BaseModel, plan: AdapterPlan): { trainable: number; all: number } {
  const count = (shapes: readonly (readonly number[])[]) =>
    shapes.reduce((sum, shape) => sum + elementCount(shape), 0);
  const frozen = count([...base.tensors.values()].map(({ shape }) => shape));
  const trainable = count(plan.parameters.map(({ shape }) => shape));
  const added = count(plan.parameters.filter(({ kind }) => kind !== "bias").map(({ shape }) => shape));
  return { trainable, all: frozen + added };
}
