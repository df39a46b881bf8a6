// A base model and a LoRA configuration -> the plan of what is trained: adapters, biases and whole modules, with their names.
import type { BaseModel } from "../models/base_model.js";
import { parametersOf } from "../models/family.js";
import type { LoraConfig } from "./config.js";
import { lora } from "./lora.js";
import { matchSavedModules, matchTargets, type OnUnmatched } from "./match.js";
import type { Target } from "./method.js";
import type { AdapterPlan, TrainableParameter } from "./plan.js";

const PREFIX = "base_model.model.";

/**
 * Decides what is trained.
 * @param onUnmatched takes what the configuration names and the model does not have, which is else an error
 */
export function planAdapter(base: BaseModel, config: LoraConfig, onUnmatched?: OnUnmatched): AdapterPlan {
  const method = lora;
  const targets = new Map<string, Target>();
  for (const module of matchTargets(base.modules, config, base.family.loraTargets, onUnmatched)) {
    if (module.kind !== "norm") targets.set(module.path, method.target(module, config));
  }
  const saved = new Set(matchSavedModules(base.modules, config, onUnmatched).map(({ path }) => path));
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
      const kind = saved.has(module.path) ? "saved" : "base";
      parameters.push({ name, peftName, shape, kind, undecayed: isBias || module.kind === "norm" });
    }
  }
  return { method, config, targets, parameters, ensureWeightTying: config.ensureWeightTying };
}
