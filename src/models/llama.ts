// llama: RMS norms, turned heads, grouped keys, gated MLP. Also what qwen2 is made of.
// Source: https://github.com/huggingface/transformers/blob/main/src/transformers/models/llama/modeling_llama.py
import { add, mul, rmsNorm } from "../graph/ops.js";
import { atPath, type Value } from "../graph/value.js";
import { type ActivationName, activations } from "../nn/activation.js";
import { attention, attentionBias, splitHeads } from "../nn/attention.js";
import type { ModelContext } from "../nn/context.js";
import { applyRotary, type Rope } from "../nn/rotary.js";
import { type ConfigReader, readHeads } from "./config.js";
import { defineFamily, EMBEDDING, type ModelConfig, type Module, OUTPUT_HEAD } from "./family.js";

export interface LlamaConfig extends ModelConfig {
  readonly intermediateSize: number;
  readonly activation: ActivationName;
  readonly normEpsilon: number;
  readonly rope: Rope;
  readonly qkvBias: boolean;
  readonly outputBias: boolean;
  readonly mlpBias: boolean;
  /** For each layer, how many keys a query sees; undefined: all before it. */
  readonly windows: readonly (number | undefined)[];
}

/** The settings that llama and its relatives share. */
export function readLlamaConfig(config: ConfigReader): LlamaConfig {
  const hiddenSize = config.size("hidden_size");
  const heads = readHeads(config, hiddenSize, "head_dim");
  const layers = config.layers();
  const attentionBias = config.flag("attention_bias", false);
  return {
    ...heads,
    hiddenSize,
    layers,
    vocabSize: config.size("vocab_size"),
    intermediateSize: config.size("intermediate_size"),
    maxPositions: config.size("max_position_embeddings", 2048),
    activation: config.activation("hidden_act", "silu"),
    normEpsilon: config.number("rms_norm_eps", 1e-6),
    rope: config.rope(heads.headSize, { theta: 10_000, partialFactor: 1 }),
    tiedEmbeddings: config.flag("tie_word_embeddings", false),
    attentionDropout: config.number("attention_dropout", 0),
    initializerRange: config.number("initializer_range", 0.02),
    qkvBias: attentionBias,
    outputBias: attentionBias,
    mlpBias: config.flag("mlp_bias", false),
    windows: Array.from({ length: layers }, () => undefined),
  };
}

/** The modules of llama and its relatives, in the order of transformers. */
export function llamaModules(config: LlamaConfig): readonly Module[] {
  const { vocabSize, hiddenSize, intermediateSize, heads, kvHeads, headSize } = config;
  const modules: Module[] = [{ kind: "embedding", path: EMBEDDING, rows: vocabSize, size: hiddenSize }];
  for (let layer = 0; layer < config.layers; layer++) {
    const path = `model.layers.${layer}`;
    const linear = (name: string, size: number, out: number, bias: boolean): Module => ({
      kind: "linear",
      path: `${path}.${name}`,
      in: size,
      out,
      bias,
    });
    const norm = (name: string): Module => ({
      kind: "norm",
      path: `${path}.${name}`,
      size: hiddenSize,
      bias: false,
    });
    modules.push(
      linear("self_attn.q_proj", hiddenSize, heads * headSize, config.qkvBias),
      linear("self_attn.k_proj", hiddenSize, kvHeads * headSize, config.qkvBias),
      linear("self_attn.v_proj", hiddenSize, kvHeads * headSize, config.qkvBias),
      linear("self_attn.o_proj", heads * headSize, hiddenSize, config.outputBias),
      linear("mlp.gate_proj", hiddenSize, intermediateSize, config.mlpBias),
      linear("mlp.up_proj", hiddenSize, intermediateSize, config.mlpBias),
      linear("mlp.down_proj", intermediateSize, hiddenSize, config.mlpBias),
      norm("input_layernorm"),
      norm("post_attention_layernorm"),
    );
  }
  modules.push(
    { kind: "norm", path: "model.norm", size: hiddenSize, bias: false },
    { kind: "linear", path: OUTPUT_HEAD, in: hiddenSize, out: vocabSize, bias: false },
  );
  return modules;
}

/** The forward pass of llama and its relatives. */
export function llamaForward(context: ModelContext, config: LlamaConfig): Value {
  let x = context.embedding(context.inputs.ids, EMBEDDING);
  for (let layer = 0; layer < config.layers; layer++) {
    const [input, bias] = [x, attentionBias(context.inputs, config.windows[layer])];
    x = context.block(`model.layers.${layer}`, () => block(context, config, layer, input, bias));
  }
  return norm(context, config, x, "model.norm");
}

/** h = x + attention(norm(x)), then h + mlp(norm(h)), [B*T, D] -> [B*T, D] */
function block(context: ModelContext, config: LlamaConfig, layer: number, x: Value, bias: Value): Value {
  const path = `model.layers.${layer}`;
  const normed = norm(context, config, x, `${path}.input_layernorm`);
  const q = splitHeads(context.linear(normed, `${path}.self_attn.q_proj`), config.heads, config.headSize);
  const k = splitHeads(context.linear(normed, `${path}.self_attn.k_proj`), config.kvHeads, config.headSize);
  const v = splitHeads(context.linear(normed, `${path}.self_attn.v_proj`), config.kvHeads, config.headSize);
  const seen = context.cached(layer, applyRotary(k, config.rope, context.inputs), v);
  const mixed = attention(applyRotary(q, config.rope, context.inputs), seen, bias);
  const h = add(x, context.linear(mixed, `${path}.self_attn.o_proj`));

  const fed = norm(context, config, h, `${path}.post_attention_layernorm`);
  const gate = context.linear(fed, `${path}.mlp.gate_proj`);
  const up = context.linear(fed, `${path}.mlp.up_proj`);
  const gated = context.recomputed(`${path}.mlp`, () => mul(activations[config.activation](gate), up));
  return add(h, context.linear(gated, `${path}.mlp.down_proj`));
}

function norm(context: ModelContext, { normEpsilon }: LlamaConfig, x: Value, path: string): Value {
  return atPath(path, () => rmsNorm(x, context.parameter(`${path}.weight`), normEpsilon));
}

export const llama = defineFamily<LlamaConfig>({
  modelType: "llama",
  architecture: "LlamaForCausalLM",
  loraTargets: ["q_proj", "v_proj"],
  readConfig: readLlamaConfig,
  modules: llamaModules,
  forward: llamaForward,
});
