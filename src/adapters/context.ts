// A base model and, if any, an adapter plan -> the context in which the model's graph is built.
import type { Dim } from "../graph/dims.js";
import { concat, gather, gemm, mulByScalar, reshape } from "../graph/ops.js";
import { atPath, inBlock, input, type Value, weight } from "../graph/value.js";
import type { BaseModel } from "../models/base_model.js";
import { parametersOf } from "../models/family.js";
import type { ModelContext, ModelInputs } from "../nn/context.js";
import { dropElements, noiseInputs } from "../nn/dropout.js";
import { baseTensorName, type TrainableParameter, type TrainingPlan } from "./plan.js";

export interface ContextOptions {
  /** Leave out for the base model as it is. */
  readonly plan?: TrainingPlan | undefined;
  /** Whether dropout acts; its noise becomes inputs of the graph. */
  readonly training?: boolean;
  /** Whether the inner values of blocks are computed again for gradients instead of kept. */
  readonly checkpointing?: boolean | undefined;
  /**
   * Whether keys and values of earlier tokens are inputs. `joined`: those of all tokens are results. `apart`: only those
   * of the new tokens are, and the inputs may have more places than are taken.
   */
  readonly cache?: "joined" | "apart" | undefined;
  /** Rows of the rotary tables; the model's own maximum by default. */
  readonly maxPositions?: number | undefined;
  /** Shape of a trained parameter as an input, where sizes are to stay open; that of the plan by default. */
  readonly shapeOf?: ((parameter: TrainableParameter) => readonly Dim[]) | undefined;
}

export interface BuiltContext extends ModelContext {
  /** The trained parameters by name, as inputs of the graph. */
  readonly trained: ReadonlyMap<string, Value>;
  /** `present.<layer>.key` and `.value`, or with a cache apart `new.…`: filled while a model with cache is built. */
  readonly present: ReadonlyMap<string, Value>;
}

/** Creates the context of one graph. */
export function createContext(
  base: BaseModel,
  { plan, training = false, checkpointing = false, cache, maxPositions, shapeOf }: ContextOptions,
): BuiltContext {
  const { config } = base;
  const inputs: ModelInputs = {
    ids: input("input_ids", "int64", ["B", "T"]),
    positions: input("position_ids", "int64", ["B", "T"]),
    attentionMask: input("attention_mask", "int64", ["B", cache ? "S" : "T"]),
    keys: cache ? "S" : "T",
    taken: cache === "apart" ? input("taken", "int64", []) : undefined,
    maxPositions: maxPositions ?? config.maxPositions,
  };
  const trained = new Map(
    (plan?.parameters ?? []).map((parameter) => {
      const { name, shape } = parameter;
      return [name, input(name, "float32", shapeOf?.(parameter) ?? shape)];
    }),
  );
  const frozen = new Map<string, Value>();
  const present = new Map<string, Value>();
  const linears = new Map(base.modules.map((module) => [module.path, module]));
  const noise = training ? noiseInputs() : undefined;

  /** The trained value of a parameter, if it has one: its own, or that of the embedding which a tied head follows. */
  function trainedParameter(name: string): Value | undefined {
    const stored = baseTensorName(base, name);
    return trained.get(name) ?? (plan?.ensureWeightTying ? trained.get(stored) : undefined);
  }

  function parameter(name: string): Value {
    const known = trainedParameter(name) ?? frozen.get(name);
    if (known) return known;
    const stored = baseTensorName(base, name);
    // Where a tied head stays behind while the embedding is trained, the frozen weight takes the head's name.
    const label = trained.has(stored) ? name : stored;
    const value = frozen.get(label) ?? weight(label, base.tensors.get(stored)!);
    frozen.set(label, value);
    return value;
  }
  const adapted = (path: string) => (suffix: string) => trained.get(`${path}.${suffix}`)!;

  return {
    inputs,
    trained,
    present,
    parameter,
    linear: (x, path, rows) =>
      atPath(path, () => {
        const bias = parametersOf(linears.get(path)!).has(`${path}.bias`)
          ? parameter(`${path}.bias`)
          : undefined;
        const name = `${path}.weight`;
        const y =
          base.storage?.paths.has(path) && !trainedParameter(name)
            ? base.storage.linear(x, path, bias)
            : gemm(x, parameter(name), { transB: true, c: bias });
        const target = plan?.targets.get(path);
        if (!plan?.method || !target) return y;
        const drop = (value: Value) =>
          noise && target.dropout > 0 ? dropElements(value, target.dropout, path, noise, rows) : value;
        return plan.method.linear(x, y, target, adapted(path), drop);
      }),
    embedding: (ids, path) =>
      atPath(path, () => {
        const flat = reshape(ids, ["B*T"]);
        const name = `${path}.weight`;
        const own = trainedParameter(name) ? undefined : base.storage?.embedding?.(flat, path);
        const y = own ?? gather(parameter(name), flat);
        const target = plan?.targets.get(path);
        return plan?.method && target ? plan.method.embedding(flat, y, target, adapted(path)) : y;
      }),
    block: (path, build) =>
      atPath(path, () => (checkpointing ? inBlock({ path, keepsResults: true }, build) : build())),
    recomputed: (path, build) => atPath(path, () => inBlock({ path, keepsResults: false }, build)),
    dropout: (x, p, path) =>
      atPath(path, () => (noise && p > 0 ? mulByScalar(dropElements(x, p, path, noise), 1 / (1 - p)) : x)),
    cached(layer, key, value) {
      if (!cache) return { keys: [key], values: [value] };
      const extended = (kind: string, fresh: Value): readonly Value[] => {
        const [, heads, , headSize] = fresh.shape;
        const past = input(`past_key_values.${layer}.${kind}`, "float32", ["B", heads!, "P", headSize!]);
        if (cache === "apart") {
          present.set(`new.${layer}.${kind}`, fresh);
          return [past, fresh];
        }
        const all = concat([past, fresh], 2, "S");
        present.set(`present.${layer}.${kind}`, all);
        return [all];
      };
      return { keys: extended("key", key), values: extended("value", value) };
    },
  };
}
