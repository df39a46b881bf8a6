// phi: phi-1, phi-1.5, phi-2. One norm a block feeds attention and MLP side by side; heads are turned in part.
// Source: https://github.com/huggingface/transformers/blob/main/src/transformers/models/phi/modeling_phi.py
import { add, layerNorm } from "../graph/ops.js";
import { atPath, type Value } from "../graph/value.js";
import { type ActivationName, activations } from "../nn/activation.js";
import { attention, attentionBias, splitHeads } from "../nn/attention.js";
import type { ModelContext } from "../nn/context.js";
import { applyRotary, type Rope } from "../nn/rotary.js";
import { readHeads } from "./config.js";
import { defineFamily, EMBEDDING, type ModelConfig, type Module, OUTPUT_HEAD } from "./family.js";

export interface PhiConfig extends ModelConfig {
  readonly intermediateSize: number;
  readonly activation: ActivationName;
  readonly normEpsilon: number;
  readonly qkLayernorm: boolean;
  readonly rope: Rope;
  readonly residualDropout: number;
  readonly embeddingDropout: number;
}

export const phi = defineFamily<PhiConfig>({
  modelType: "phi",
  architecture: "PhiForCausalLM",
  loraTargets: ["q_proj", "v_proj", "fc1", "fc2"],

  readConfig(config) {
    const hiddenSize = config.size("hidden_size", 2048);
    const heads = readHeads(config, hiddenSize);
    return {
      ...heads,
      hiddenSize,
      vocabSize: config.size("vocab_size", 51200),
      layers: config.layers(24),
      intermediateSize: config.size("intermediate_size", 8192),
      maxPositions: config.size("max_position_embeddings", 2048),
      activation: config.activation("hidden_act", "gelu_new"),
      normEpsilon: config.number("layer_norm_eps", 1e-5),
      qkLayernorm: config.flag("qk_layernorm", false),
      rope: config.rope(heads.headSize, { theta: 10_000, partialFactor: 0.5 }),
      tiedEmbeddings: config.flag("tie_word_embeddings", false),
      residualDropout: config.number("resid_pdrop", 0),
      embeddingDropout: config.number("embd_pdrop", 0),
      attentionDropout: config.number("attention_dropout", 0),
      initializerRange: config.number("initializer_range", 0.02),
    };
  },

  modules({ vocabSize, hiddenSize, intermediateSize, layers, heads, kvHeads, headSize, qkLayernorm }) {
    const modules: Module[] = [{ kind: "embedding", path: EMBEDDING, rows: vocabSize, size: hiddenSize }];
    for (let layer = 0; layer < layers; layer++) {
      const path = `model.layers.${layer}`;
      const linear = (name: string, size: number, out: number): Module => ({
        kind: "linear",
        path: `${path}.${name}`,
        in: size,
        out,
        bias: true,
      });
      modules.push(
        linear("self_attn.q_proj", hiddenSize, heads * headSize),
        linear("self_attn.k_proj", hiddenSize, kvHeads * headSize),
        linear("self_attn.v_proj", hiddenSize, kvHeads * headSize),
        linear("self_attn.dense", heads * headSize, hiddenSize),
      );
      if (qkLayernorm) {
        modules.push(
          { kind: "norm", path: `${path}.self_attn.q_layernorm`, size: headSize, bias: true },
          { kind: "norm", path: `${path}.self_attn.k_layernorm`, size: headSize, bias: true },
        );
      }
      modules.push(
        linear("mlp.fc1", hiddenSize, intermediateSize),
        linear("mlp.fc2", intermediateSize, hiddenSize),
        { kind: "norm", path: `${path}.input_layernorm`, size: hiddenSize, bias: true },
      );
    }
    modules.push(
      { kind: "norm", path: "model.final_layernorm", size: hiddenSize, bias: true },
      { kind: "linear", path: OUTPUT_HEAD, in: hiddenSize, out: vocabSize, bias: true },
    );
    return modules;
  },

  forward(context, config) {
    const bias = attentionBias(context.inputs);
    let x = context.dropout(
      context.embedding(context.inputs.ids, EMBEDDING),
      config.embeddingDropout,
      "model.embed_dropout",
    );
    for (let layer = 0; layer < config.layers; layer++) {
      const input = x;
      x = context.block(`model.layers.${layer}`, () => block(context, config, layer, input, bias));
    }
    return norm(context, config, x, "model.final_layernorm");
  },
});

/** x + attention(norm(x)) + mlp(norm(x)), [B*T, D] -> [B*T, D] */
function block(context: ModelContext, config: PhiConfig, layer: number, x: Value, bias: Value): Value {
  const path = `model.layers.${layer}`;
  const h = norm(context, config, x, `${path}.input_layernorm`);

  const queries = context.linear(h, `${path}.self_attn.q_proj`);
  const keys = context.linear(h, `${path}.self_attn.k_proj`);
  const values = context.linear(h, `${path}.self_attn.v_proj`);
  const q = headNorm(
    context,
    config,
    splitHeads(queries, config.heads, config.headSize),
    `${path}.self_attn.q_layernorm`,
  );
  const k = headNorm(
    context,
    config,
    splitHeads(keys, config.kvHeads, config.headSize),
    `${path}.self_attn.k_layernorm`,
  );
  const v = splitHeads(values, config.kvHeads, config.headSize);
  const seen = context.cached(layer, applyRotary(k, config.rope, context.inputs), v);
  const mixed = attention(applyRotary(q, config.rope, context.inputs), seen, bias);
  const attended = context.linear(mixed, `${path}.self_attn.dense`);

  const inner = context.linear(h, `${path}.mlp.fc1`);
  const activated = context.recomputed(`${path}.mlp`, () => activations[config.activation](inner));
  const fed = context.linear(activated, `${path}.mlp.fc2`);
  const drop = (value: Value, name: string) =>
    context.dropout(value, config.residualDropout, `${path}.resid_dropout.${name}`);
  return add(add(drop(attended, "attention"), drop(fed, "mlp")), x);
}

function norm(context: ModelContext, { normEpsilon }: PhiConfig, x: Value, path: string): Value {
  return atPath(path, () =>
    layerNorm(x, context.parameter(`${path}.weight`), context.parameter(`${path}.bias`), normEpsilon),
  );
}

/** Layer norm of each head [B, H, T, K], where the configuration asks for it. */
function headNorm(context: ModelContext, config: PhiConfig, heads: Value, path: string): Value {
  return config.qkLayernorm ? norm(context, config, heads, path) : heads;
}
