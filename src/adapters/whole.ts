// A base model -> the plan of training it whole: every parameter of its own, and no adapter.
import type { BaseModel } from "../models/base_model.js";
import { baseParameters, type TrainingPlan } from "./plan.js";

/** Trains every parameter; a tied output head follows its embedding. */
export function planWhole(base: BaseModel): TrainingPlan {
  const norms = new Set(
    base.modules.flatMap(({ kind, path }) => (kind === "norm" ? [`${path}.weight`] : [])),
  );
  return {
    method: undefined,
    targets: new Map(),
    parameters: baseParameters(base).map(([name, shape]) => ({
      name,
      peftName: name,
      shape,
      kind: "base",
      undecayed: name.endsWith(".bias") || norms.has(name),
    })),
    ensureWeightTying: true,
  };
}
