// What is trained, by name and shape: the contract between adapters, graph, training and files.
import { elementCount } from "../formats/tensor.js";
import type { BaseModel } from "../models/base_model.js";
import { EMBEDDING, OUTPUT_HEAD, parametersOf } from "../models/family.js";
import type { Random } from "../random.js";
import type { LoraConfig } from "./config.js";
import type { Method, Target } from "./method.js";

/** A tensor that training changes. */
export interface TrainableParameter {
  /** Name in the graph: the checkpoint's path, e.g. `model.layers.0.self_attn.q_proj.lora_A.weight`. */
  readonly name: string;
  /** Name in PEFT's file; where the model itself is trained, in the model's. */
  readonly peftName: string;
  readonly shape: readonly number[];
  /** `adapter`: new; `saved`: a copy of the base's tensor of the same name; `base`: that tensor itself. */
  readonly kind: "adapter" | "saved" | "base";
  /** Whether weight decay passes it by: biases and norms. */
  readonly undecayed: boolean;
  /** First values of a new parameter. */
  readonly initial?: (random: Random) => Float32Array;
}

export interface TrainingPlan {
  /** Computes the adapted modules; undefined where the model itself is trained. */
  readonly method: Method | undefined;
  readonly targets: ReadonlyMap<string, Target>;
  readonly parameters: readonly TrainableParameter[];
  /** Whether an output head that is tied to a trained embedding follows it. */
  readonly ensureWeightTying: boolean;
}

export interface AdapterPlan extends TrainingPlan {
  readonly method: Method;
  readonly config: LoraConfig;
}

/** What is trained, with its values. */
export interface Trained {
  readonly plan: TrainingPlan;
  /** Values of the trained parameters by graph name. */
  readonly values: ReadonlyMap<string, Float32Array>;
}

/** An adapter in memory. */
export interface Adapter extends Trained {
  readonly plan: AdapterPlan;
}

/** Where a trained copy of a base tensor starts: the tensor's name in the base, past a tied head. */
export function baseTensorName(base: BaseModel, name: string): string {
  return base.config.tiedEmbeddings && name === `${OUTPUT_HEAD}.weight` ? `${EMBEDDING}.weight` : name;
}

/** Names and shapes of the base's own tensors, a tied one once. */
export function baseParameters(base: BaseModel): readonly (readonly [string, readonly number[]])[] {
  return base.modules
    .flatMap((module) => [...parametersOf(module)])
    .filter(([name]) => baseTensorName(base, name) === name);
}

/** Counts as PEFT's `print_trainable_parameters`: copies of whole modules count besides their originals. */
export function countParameters(base: BaseModel, plan: TrainingPlan): { trainable: number; all: number } {
  const count = (shapes: readonly (readonly number[])[]) =>
    shapes.reduce((sum, shape) => sum + elementCount(shape), 0);
  const own = count(baseParameters(base).map(([, shape]) => shape));
  const trainable = count(plan.parameters.map(({ shape }) => shape));
  const added = count(plan.parameters.filter(({ kind }) => kind !== "base").map(({ shape }) => shape));
  return { trainable, all: own + added };
}
