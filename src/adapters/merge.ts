// A base and weighted adapters -> the values of its tensors with the adapters worked in, in float32.
import { toFloat32 } from "../formats/dtype.js";
import { readTensor } from "../formats/safetensors.js";
import type { BaseModel } from "../models/base_model.js";
import { EMBEDDING, OUTPUT_HEAD } from "../models/family.js";
import { type Adapter, baseTensorName } from "./plan.js";

/** An adapter and the factor by which its change of the base is taken. */
export interface WeightedAdapter {
  readonly adapter: Adapter;
  readonly weight: number;
}

const HEAD_WEIGHT = `${OUTPUT_HEAD}.weight`;
const EMBEDDING_WEIGHT = `${EMBEDDING}.weight`;

/** Whether an adapter changes a tensor: by a product added to it, or by values of its own. */
function changes({ plan }: Adapter, name: string): boolean {
  const path = name.replace(/\.weight$/, "");
  return plan.targets.has(path) || plan.parameters.some((parameter) => parameter.name === name);
}

/** Whether head and embedding, tied in the base, are no longer the same once merged. */
export function unties(base: BaseModel, adapters: readonly WeightedAdapter[]): boolean {
  if (!base.config.tiedEmbeddings) return false;
  return adapters.some(({ adapter }) => {
    const follows = adapter.plan.ensureWeightTying && !changes(adapter, HEAD_WEIGHT);
    return changes(adapter, HEAD_WEIGHT) || (changes(adapter, EMBEDDING_WEIGHT) && !follows);
  });
}

/**
 * The merged values of the tensor `name`: base + Σ weight · change, or undefined where no adapter changes it.
 * A tensor that one adapter of weight 1 replaces has that adapter's values to the last bit.
 */
export async function mergedTensor(
  base: BaseModel,
  adapters: readonly WeightedAdapter[],
  name: string,
): Promise<Float32Array | undefined> {
  const involved = adapters.filter(({ adapter }) => changes(adapter, name));
  if (involved.length === 0) return undefined;
  const sum = toFloat32(await readTensor(base.tensors.get(baseTensorName(base, name))!));
  const path = name.replace(/\.weight$/, "");
  const isAlone = involved.length === 1 && involved[0]!.weight === 1;
  const frozen = isAlone ? sum : sum.slice();
  for (const { adapter, weight } of involved) {
    const { plan, values } = adapter;
    const own = plan.parameters.some((parameter) => parameter.name === name) ? values.get(name)! : undefined;
    if (own && isAlone) sum.set(own);
    else if (own) for (let i = 0; i < sum.length; i++) sum[i]! += weight * (own[i]! - frozen[i]!);
    const target = plan.targets.get(path);
    if (!target || !name.endsWith(".weight")) continue;
    const delta = plan.method.mergedDelta(target, (suffix) => values.get(`${path}.${suffix}`)!);
    for (let i = 0; i < sum.length; i++) sum[i]! += weight * delta[i]!;
  }
  return sum;
}
