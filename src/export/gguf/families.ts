// A model family -> how llama.cpp names its architecture, settings and tensors, and in what order it wants their rows.
// Source: https://github.com/ggml-org/llama.cpp/blob/master/convert_hf_to_gguf.py and src/llama-arch.cpp
import { type Fault, failIfAny } from "../../errors.js";
import type { BaseModel } from "../../models/base_model.js";
import { EMBEDDING, OUTPUT_HEAD } from "../../models/family.js";
import type { LlamaConfig } from "../../models/llama.js";
import type { PhiConfig } from "../../models/phi.js";
import type { Rope } from "../../nn/rotary.js";
import { f32, type GgufValue, text, u32 } from "./writer.js";

/** What of a model llama.cpp wants to know. */
export interface GgufLayout {
  readonly architecture: string;
  /** Settings, without the architecture before their names. */
  readonly settings: ReadonlyMap<string, GgufValue>;
  /** Whether the output head must be in the file even where it is the embedding. */
  readonly needsHead: boolean;
  /** Heads by which the rows of a linear layer are put in another order; undefined: they stay. */
  readonly turnedHeads: (path: string) => number | undefined;
  /** Divisors of the rotation's frequencies, where llama.cpp takes them from the file. */
  readonly frequencyFactors: Float32Array | undefined;
}

/** @throws PhinetuneError with every setting of the model that llama.cpp does not compute */
export function layoutOf(base: BaseModel): GgufLayout {
  const faults: Fault[] = [];
  const refuse = (what: string) =>
    void faults.push({
      code: "config",
      what: `llama.cpp's ${base.family.modelType} does not compute ${what}`,
      where: base.folder,
    });
  const layout =
    base.family.modelType === "phi"
      ? phiLayout(base.config as PhiConfig, refuse)
      : llamaLayout(base.config as LlamaConfig, base.family.modelType, refuse);
  failIfAny(faults);
  return layout;
}

type Refuse = (what: string) => void;

/** Settings that the families share. */
function sharedSettings(
  config: PhiConfig | LlamaConfig,
  epsilonKey: string,
): [readonly [string, GgufValue][], Rope] {
  const { rope } = config;
  const settings: [string, GgufValue][] = [
    ["vocab_size", u32(config.vocabSize)],
    ["context_length", u32(config.maxPositions)],
    ["embedding_length", u32(config.hiddenSize)],
    ["block_count", u32(config.layers)],
    ["feed_forward_length", u32(config.intermediateSize)],
    ["attention.head_count", u32(config.heads)],
    ["attention.head_count_kv", u32(config.kvHeads)],
    ["attention.key_length", u32(config.headSize)],
    ["attention.value_length", u32(config.headSize)],
    [epsilonKey, f32(config.normEpsilon)],
    ["rope.dimension_count", u32(rope.size)],
    ["rope.freq_base", f32(rope.theta)],
  ];
  if (rope.scaling.type === "linear")
    settings.push(["rope.scaling.type", text("linear")], ["rope.scaling.factor", f32(rope.scaling.factor)]);
  return [settings, rope];
}

function phiLayout(config: PhiConfig, refuse: Refuse): GgufLayout {
  if (config.qkLayernorm) refuse("qk_layernorm");
  if (!/^gelu_(new|pytorch_tanh|fast)$/.test(config.activation))
    refuse(`the activation ${config.activation}`);
  const [settings, rope] = sharedSettings(config, "attention.layer_norm_epsilon");
  if (rope.scaling.type === "llama3") refuse("rope scaling of type llama3");
  return {
    architecture: "phi2",
    settings: new Map(settings),
    needsHead: true,
    turnedHeads: () => undefined,
    frequencyFactors: undefined,
  };
}

function llamaLayout(config: LlamaConfig, modelType: string, refuse: Refuse): GgufLayout {
  const [settings, rope] = sharedSettings(config, "attention.layer_norm_rms_epsilon");
  if (!/^(silu|swish)$/.test(config.activation)) refuse(`the activation ${config.activation}`);
  if (rope.size !== config.headSize)
    refuse(`heads of which only ${rope.size} of ${config.headSize} elements are turned`);
  if (config.windows.some((window) => window !== undefined)) refuse("sliding windows");
  const isLlama = modelType === "llama";
  if (rope.scaling.type === "llama3" && !isLlama) refuse("rope scaling of type llama3");
  return {
    architecture: modelType,
    settings: new Map(settings),
    needsHead: false,
    turnedHeads: (path) => {
      if (!isLlama) return undefined;
      if (path.endsWith(".q_proj")) return config.heads;
      return path.endsWith(".k_proj") ? config.kvHeads : undefined;
    },
    frequencyFactors: frequencyFactors(rope),
  };
}

/**
 * By what llama3 divides each frequency of the rotation, in the terms of its paper: short waves stay, long ones are
 * stretched by the factor, those between by a mixture.
 */
function frequencyFactors({ theta, size, scaling }: Rope): Float32Array | undefined {
  if (scaling.type !== "llama3") return undefined;
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalMaxPositions } = scaling;
  return Float32Array.from({ length: size / 2 }, (_, i) => {
    const wavelength = 2 * Math.PI * theta ** ((2 * i) / size);
    if (wavelength < originalMaxPositions / high) return 1;
    if (wavelength > originalMaxPositions / low) return factor;
    const smooth = (originalMaxPositions / wavelength - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}

const NAMES: Readonly<Record<string, string>> = {
  [EMBEDDING]: "token_embd",
  [OUTPUT_HEAD]: "output",
  "model.norm": "output_norm",
  "model.final_layernorm": "output_norm",
};

const BLOCK_NAMES: Readonly<Record<string, string>> = {
  input_layernorm: "attn_norm",
  post_attention_layernorm: "ffn_norm",
  "self_attn.q_proj": "attn_q",
  "self_attn.k_proj": "attn_k",
  "self_attn.v_proj": "attn_v",
  "self_attn.o_proj": "attn_output",
  "self_attn.dense": "attn_output",
  "mlp.gate_proj": "ffn_gate",
  "mlp.up_proj": "ffn_up",
  "mlp.down_proj": "ffn_down",
  "mlp.fc1": "ffn_up",
  "mlp.fc2": "ffn_down",
};

/** Path of a module -> llama.cpp's name of it. */
export function ggufName(path: string): string {
  const block = /^model\.layers\.(\d+)\.(.+)$/.exec(path);
  const name = block ? BLOCK_NAMES[block[2]!] : NAMES[path];
  if (name === undefined) throw new Error(`no name for ${path}`);
  return block ? `blk.${block[1]}.${name}` : name;
}

/**
 * Rows of each head, first half and second half side by side -> pairs of one row of each half: llama.cpp's llama turns
 * neighbours.
 * @param values [heads · K, columns]
 */
export function interleaveHalves(values: Float32Array, heads: number, columns: number): Float32Array {
  const size = values.length / columns / heads;
  const half = size / 2;
  const turned = new Float32Array(values.length);
  for (let head = 0; head < heads; head++) {
    for (let row = 0; row < size; row++) {
      const from = head * size + (row % 2) * half + Math.trunc(row / 2);
      turned.set(values.subarray(from * columns, (from + 1) * columns), (head * size + row) * columns);
    }
  }
  return turned;
}
