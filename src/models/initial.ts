// A parameter of a model -> the value from which training from scratch starts.
import { elementCount } from "../formats/tensor.js";
import type { Random } from "../random.js";
import type { BaseModel } from "./base_model.js";

/**
 * First values as transformers draws them: weights of linear layers and embeddings from N(0, initializer_range²) with
 * the padding token's row at zero, biases zero, norms one.
 * Source: https://github.com/huggingface/transformers/blob/main/src/transformers/modeling_utils.py (_init_weights)
 */
export function initialParameter(
  { modules, config, padTokenId }: BaseModel,
  name: string,
  shape: readonly number[],
  random: Random,
): Float32Array {
  const size = elementCount(shape);
  if (name.endsWith(".bias")) return new Float32Array(size);
  const module = modules.find(({ path }) => name === `${path}.weight`);
  if (module?.kind === "norm") return new Float32Array(size).fill(1);
  const values = Float32Array.from({ length: size }, () => config.initializerRange * random.normal());
  if (module?.kind === "embedding" && padTokenId !== undefined)
    values.fill(0, padTokenId * module.size, (padTokenId + 1) * module.size);
  return values;
}
