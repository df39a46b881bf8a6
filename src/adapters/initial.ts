// A plan -> the values that its parameters start with.
import { toFloat32 } from "../formats/dtype.js";
import { readTensor } from "../formats/safetensors.js";
import type { BaseModel } from "../models/base_model.js";
import { createRandom } from "../random.js";
import { type AdapterPlan, baseTensorName } from "./attach.js";

/**
 * First values by parameter name: drawn for new parameters, each from a stream of its own, so that adding a module
 * leaves the others as they are; read from the base for biases and whole modules.
 */
export async function initialValues(
  base: BaseModel,
  plan: AdapterPlan,
  seed: number,
): Promise<Map<string, Float32Array>> {
  const values = new Map<string, Float32Array>();
  for (const { name, initial } of plan.parameters) {
    const value = initial
      ? initial(createRandom(seed, "initial", name))
      : toFloat32(await readTensor(base.tensors.get(baseTensorName(base, name))!));
    values.set(name, value);
  }
  return values;
}
