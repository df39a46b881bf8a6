// Three small models and their rows -> what check_chain.mjs trains an adapter for.
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { phinetune } from "./hub.mjs";
import { root } from "./models.mjs";

const instructions = (part) => join(root, `assets/instructions/${part}.jsonl`);
const STEPS = ["--max-steps", "100", "--per-device-train-batch-size", "8", "--learning-rate", "2e-3"];
const ALL = ["--lora-target-modules", "all-linear", ...STEPS];

const QWEN2 = {
  architectures: ["Qwen2ForCausalLM"],
  model_type: "qwen2",
  vocab_size: 512,
  hidden_size: 128,
  intermediate_size: 384,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  hidden_act: "silu",
  max_position_embeddings: 512,
  rms_norm_eps: 1e-6,
  rope_theta: 1_000_000,
  tie_word_embeddings: true,
  bos_token_id: 480,
  eos_token_id: 482,
  torch_dtype: "float32",
};
const QWEN2_TRAINING = [
  ...["--method", "full", "--from-scratch", "--max-length", "256", "--max-steps", "1500", "--warmup-steps", "20"],
  ...["--per-device-train-batch-size", "16", "--learning-rate", "3e-3", "--lr-scheduler-type", "cosine"],
  ...["--sample-rows", "0", "--save-steps", "0", "--num-threads", "1"],
];

/** A small qwen2, trained from scratch on instructions and answers as plain text, without the first words of Alpaca's prompts; kept in $CHAIN_CACHE where that is given. */
async function tinyQwen2(work) {
  const recipe = createHash("sha256").update(JSON.stringify([QWEN2, QWEN2_TRAINING])).digest("hex").slice(0, 12);
  const kept = join(process.env.CHAIN_CACHE ?? work, `qwen2-${recipe}`);
  if (existsSync(kept)) return kept;
  const start = join(work, "qwen2-start");
  mkdirSync(start);
  writeFileSync(join(start, "config.json"), JSON.stringify(QWEN2));
  for (const file of ["tokenizer.json", "tokenizer_config.json"])
    copyFileSync(join(root, "test/fixtures/tokenizers/qwen2", file), join(start, file));
  const rows = readFileSync(instructions("train"), "utf8").trim().split("\n");
  const texts = join(work, "texts.jsonl");
  const part = (title, text) => (text === "" ? "" : `### ${title}:\n${text}\n\n`);
  const text = ({ instruction, input, output }) =>
    `${part("Instruction", instruction)}${part("Input", input)}### Response:\n${output}`;
  writeFileSync(texts, rows.map((row) => JSON.stringify({ text: text(JSON.parse(row)) })).join("\n"));
  const env = { PATH: process.env.PATH, HOME: work, HF_HUB_OFFLINE: "1" };
  const trained = `${kept}.part`;
  await phinetune(env, "train", "--model", start, "--dataset", texts, "--output-dir", trained, ...QWEN2_TRAINING);
  renameSync(trained, kept);
  return kept;
}

/**
 * @param llama folder of a real llama model, if there is one @param rows file of Alpaca rows for it
 * @returns of each model its folder, rows to train on and rows held out, and the options of the training
 */
export function chainModels(work, llama, rows) {
  const seen = { train: instructions("train"), heldOut: instructions("test") };
  const models = [
    {
      name: "phi",
      make: async () => join(root, "assets/tiny-phi"),
      ...seen,
      maxLength: 160,
      options: [...ALL, "--use-rslora", "--lora-alpha", "16", "--rank-pattern", "q_proj=4"],
    },
    {
      name: "qwen2",
      make: () => tinyQwen2(work),
      ...seen,
      maxLength: 256,
      options: [...ALL, "--init-lora-weights", "gaussian", "--alpha-pattern", "v_proj=16", "--use-rslora"],
    },
  ];
  if (!llama || !rows) return models;
  const all = JSON.parse(readFileSync(rows, "utf8"));
  const part = (name, some) => {
    writeFileSync(join(work, name), JSON.stringify(some));
    return join(work, name);
  };
  models.push({
    name: "llama",
    make: async () => llama,
    train: part("seen.json", all.slice(200)),
    heldOut: part("unseen.json", all.slice(0, 200)),
    maxLength: 160,
    options: [...ALL, "--lora-dropout", "0.05", "--rank-pattern", "down_proj=16", "--alpha-pattern", "down_proj=32"],
  });
  return models;
}
