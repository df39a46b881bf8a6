// What a model family declares: how to read its configuration, which modules it has, and its forward pass.
import type { Value } from "../graph/value.js";
import type { ModelContext } from "../nn/context.js";
import type { ConfigReader } from "./config.js";

/** A layer with parameters, at its Hugging Face path; `<path>.weight` and `<path>.bias` are its tensors. */
export type Module =
  | {
      readonly kind: "linear";
      readonly path: string;
      readonly in: number;
      readonly out: number;
      readonly bias: boolean;
    }
  | { readonly kind: "embedding"; readonly path: string; readonly rows: number; readonly size: number }
  | { readonly kind: "norm"; readonly path: string; readonly size: number; readonly bias: boolean };

/** What every configuration has. */
export interface ModelConfig {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly maxPositions: number;
  /** Whether the output head is the embedding's weight. */
  readonly tiedEmbeddings: boolean;
  readonly attentionDropout: number;
  /** Standard deviation of first values. */
  readonly initializerRange: number;
}

export interface Family<Config extends ModelConfig = ModelConfig> {
  /** `model_type` of config.json. */
  readonly modelType: string;
  /** The class in `architectures` that the family computes. */
  readonly architecture: string;
  /** PEFT's default target modules. */
  readonly loraTargets: readonly string[];
  readonly readConfig: (config: ConfigReader) => Config;
  /** In the order of the model's `named_modules`. */
  readonly modules: (config: Config) => readonly Module[];
  /** Hidden states [B*T, D] after the last norm, which the output head takes. */
  readonly forward: (context: ModelContext, config: Config) => Value;
}

/** Path of the output head, and of the embedding to which it may be tied. */
export const OUTPUT_HEAD = "lm_head";
export const EMBEDDING = "model.embed_tokens";

/** A family with its type of configuration hidden, for tables of families. */
export function defineFamily<Config extends ModelConfig>(family: Family<Config>): Family {
  return family as unknown as Family;
}

/** Shapes of a module's tensors by parameter name. */
export function parametersOf(module: Module): ReadonlyMap<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  const weight =
    module.kind === "linear"
      ? [module.out, module.in]
      : module.kind === "embedding"
        ? [module.rows, module.size]
        : [module.size];
  shapes.set(`${module.path}.weight`, weight);
  if (module.kind !== "embedding" && module.bias) shapes.set(`${module.path}.bias`, [weight[0]!]);
  return shapes;
}
