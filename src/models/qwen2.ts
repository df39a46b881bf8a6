// qwen2: llama with biases on queries, keys and values, and windowed attention in the upper layers where asked for.
// Source: https://github.com/huggingface/transformers/blob/main/src/transformers/models/qwen2/modeling_qwen2.py
import type { ConfigReader } from "./config.js";
import { defineFamily } from "./family.js";
import { type LlamaConfig, llamaForward, llamaModules, readLlamaConfig } from "./llama.js";

export const qwen2 = defineFamily<LlamaConfig>({
  modelType: "qwen2",
  architecture: "Qwen2ForCausalLM",
  loraTargets: ["q_proj", "v_proj"],
  readConfig(config) {
    const shared = readLlamaConfig(config);
    return {
      ...shared,
      maxPositions: config.size("max_position_embeddings", 32_768),
      qkvBias: true,
      outputBias: false,
      mlpBias: false,
      windows: readWindows(config, shared.layers),
    };
  },
  modules: llamaModules,
  forward: llamaForward,
});

/** Layers from `max_window_layers` on see a window of keys, unless `layer_types` says which do. */
function readWindows(config: ConfigReader, layers: number): (number | undefined)[] {
  if (!config.flag("use_sliding_window", false)) return Array.from({ length: layers }, () => undefined);
  const window = config.size("sliding_window", 4096);
  const first = config.number("max_window_layers", 28);
  const types = config.words("layer_types", ["full_attention", "sliding_attention"]);
  return Array.from({ length: layers }, (_, layer) =>
    (types ? types[layer] === "sliding_attention" : layer >= first) ? window : undefined,
  );
}
