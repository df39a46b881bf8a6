// A plan -> the values that its parameters start with.
import { toFloat32 } from "../formats/dtype.js";
import { readTensor } from "../formats/safetensors.js";
import type { BaseModel } from "../models/base_model.js";
import { initialParameter } from "../models/initial.js";
import { createRandom } from "../random.js";
import { baseTensorName, type TrainingPlan } from "./plan.js";

/**
 * First values by parameter name: drawn for new parameters, each from a stream of its own, so that adding a module
 * leaves the others as they are; read from the base for biases and whole modules, or drawn where it has no weights yet.
 */
export async function initialValues(
  base: BaseModel,
  plan: TrainingPlan,
  seed: number,
): Promise<Map<string, Float32Array>> {
  const values = new Map<string, Float32Array>();
  for (const { name, shape, initial } of plan.parameters) {
    const stored = base.tensors.get(baseTensorName(base, name));
    const random = createRandom(seed, "initial", name);
    if (initial) values.set(name, initial(random));
    else if (stored) values.set(name, toFloat32(await readTensor(stored)));
    else values.set(name, initialParameter(base, name, shape, random));
  }
  return values;
}
