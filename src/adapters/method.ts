// What an adapter method declares: its parameters on a module, how they change the module's output, and how they merge.

import type { Value } from "../graph/value.js";
import type { Module } from "../models/family.js";
import type { Random } from "../random.js";
import type { LoraConfig } from "./config.js";

/** A module with an adapter. */
export interface Target {
  readonly module: Exclude<Module, { kind: "norm" }>;
  readonly r: number;
  /** Factor of the adapter's product. */
  readonly scale: number;
  readonly dropout: number;
}

export interface MethodParameter {
  /** Name after the module's path, as PEFT saves it: `lora_A.weight`. */
  readonly suffix: string;
  readonly shape: readonly number[];
  readonly initial: (random: Random) => Float32Array;
}

export interface Method {
  readonly peftType: string;
  readonly target: (module: Target["module"], config: LoraConfig) => Target;
  readonly parameters: (target: Target, config: LoraConfig) => readonly MethodParameter[];
  /**
   * Output of an adapted linear layer.
   * @param x [N, in]
   * @param base [N, out]: output of the frozen layer
   * @param parameter the value of a parameter by its suffix
   * @param drop elements of x that stay in training; not scaled
   */
  readonly linear: (
    x: Value,
    base: Value,
    target: Target,
    parameter: (suffix: string) => Value,
    drop: (x: Value) => Value,
  ) => Value;
  /** Output of an adapted embedding: ids int64 [N], base [N, D]. */
  readonly embedding: (
    ids: Value,
    base: Value,
    target: Target,
    parameter: (suffix: string) => Value,
  ) => Value;
  /** What is added to the frozen weight when the adapter is merged into it, in float32, shaped as the weight. */
  readonly mergedDelta: (target: Target, parameter: (suffix: string) => Float32Array) => Float32Array;
}
