// The settings of a LoRA adapter, as PEFT's LoraConfig has them.

export type BiasMode = "none" | "all" | "lora_only";

export interface LoraConfig {
  /** Rank R. */
  readonly r: number;
  readonly alpha: number;
  readonly dropout: number;
  readonly bias: BiasMode;
  /** Names (matched at the end of a path), one regular expression for whole paths, `all-linear`; undefined: the family's default. */
  readonly targetModules: readonly string[] | string | undefined;
  readonly excludeModules: readonly string[] | string | undefined;
  readonly layersToTransform: readonly number[] | undefined;
  readonly layersPattern: readonly string[] | undefined;
  /** Regular expressions, matched at the end of a path -> rank. */
  readonly rankPattern: Readonly<Record<string, number>>;
  readonly alphaPattern: Readonly<Record<string, number>>;
  /** Modules that are trained whole, as copies. */
  readonly modulesToSave: readonly string[];
  /** Scale alpha/√r instead of alpha/r. Source: https://arxiv.org/abs/2312.03732 */
  readonly useRslora: boolean;
  readonly initLoraWeights: "default" | "gaussian";
  /** Whether an output head that is tied to a trained embedding follows it; else it stays with the frozen one. */
  readonly ensureWeightTying: boolean;
}

/** PEFT's defaults. */
export const defaultLoraConfig: LoraConfig = {
  r: 8,
  alpha: 8,
  dropout: 0,
  bias: "none",
  targetModules: undefined,
  excludeModules: undefined,
  layersToTransform: undefined,
  layersPattern: undefined,
  rankPattern: {},
  alphaPattern: {},
  modulesToSave: [],
  useRslora: false,
  initLoraWeights: "default",
  ensureWeightTying: false,
};
