// The models that the ONNX checks export, with what phinetune itself answers.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { exportModel } from "../dist/export.js";
import { loadTokenizer } from "../dist/formats/tokenizer.js";
import { ours, randomAdapter, randomModel, root } from "./models.mjs";

export const NEW_TOKENS = 24;
export const DTYPES = ["fp32", "fp16", "q8", "q4", "q4f16"];
export const TEXTS = [
  "Once upon a time there was a little dog.",
  "The  quick brown fox, aged 12345.67, doesn't  jump over 3 lazy dogs!",
  "  two spaces\n\n\tand a tab\t\tor two\r\n    four",
  "naïve café, Straße, 日本語, Привет, 🙂🙃",
  "def f(x):\n        return x**2 + 10  # I'll, YOU'RE, we've",
];

const all = { targetModules: "all-linear" };
const rs = { ...all, r: 4, alpha: 8, useRslora: true, rankPattern: { v_proj: 2 }, alphaPattern: { q_proj: 12 } };
const llama3 = {
  rope_type: "llama3",
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 64,
};

/** @param llama folder of a real llama model, if there is one; $ONLY, names with commas between them, chooses some */
export function models(work, llama) {
  const only = process.env.ONLY?.split(",");
  const random = (name, tokenizer, config) => () => randomModel(work, name, tokenizer, config);
  const known = [
    { name: "tiny-phi", make: async () => join(root, "assets/tiny-phi"), config: rs },
    {
      name: "random-phi",
      make: random("phi", "codegen", { model_type: "phi", partial_rotary_factor: 0.5 }),
      config: { ...all, targetModules: ["embed_tokens", "lm_head", "q_proj", "fc2"] },
    },
    {
      name: "random-llama3",
      make: random("llama3", "llama3", { model_type: "llama", tie_word_embeddings: true, rope_scaling: llama3 }),
      config: rs,
    },
    {
      name: "random-qwen2",
      make: random("qwen2", "qwen2", { model_type: "qwen2", rms_norm_eps: 1e-6 }),
      config: rs,
    },
    ...(llama ? [{ name: "llama-model", make: async () => llama, config: all }] : []),
  ];
  return known.filter(({ name }) => !only || only.includes(name));
}

/** Exports a model, as it is and with an adapter worked in, and says what is to come out. */
export async function prepare(work, { name, make, config }, dtypes, rows) {
  const model = await make();
  const tokenizer = await loadTokenizer(model);
  const encoded = TEXTS.map((text) => tokenizer.encode(text, { addSpecialTokens: true }));
  const prompts = encoded.slice(0, 3).map((ids) => ids.slice(0, 40));
  const adapter = await randomAdapter(work, model, config);
  const forms = [];
  for (const [form, used] of [
    ["base", undefined],
    ["merged", adapter],
  ]) {
    const id = `${name}-${form}`;
    mkdirSync(join(work, "onnx"), { recursive: true });
    await exportModel({
      format: "onnx",
      model,
      adapter: used,
      what: "merged",
      dtype: dtypes,
      fourBitLayers: "mlp",
      loraInputs: "none",
      numLogitsToKeep: true,
      // stories15M in float32 is above it: in files beside the model.
      maxFileSize: 50,
      tokenizer: true,
      output: join(work, "onnx", id),
    });
    forms.push({ form, id, ...(await ours(model, used, prompts, NEW_TOKENS, rows)) });
  }
  return { name, model, adapter, prompts, encoded, forms };
}
