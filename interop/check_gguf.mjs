// Exported GGUF files -> whether llama.cpp continues prompts and cuts text into tokens as phinetune does.
// Run: npm run build && cd interop && npm install && node check_gguf.mjs [FOLDER OF A LLAMA MODEL]
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { getLlama, LlamaLogLevel } from "node-llama-cpp";
import { planAdapter } from "../dist/adapters/attach.js";
import { defaultLoraConfig } from "../dist/adapters/config.js";
import { createGenerator } from "../dist/evaluate/generate.js";
import { loadPeftAdapter, savePeftAdapter } from "../dist/export/peft.js";
import { exportModel } from "../dist/export.js";
import { fromFloat32 } from "../dist/formats/dtype.js";
import { writeSafetensors } from "../dist/formats/safetensors.js";
import { elementCount } from "../dist/formats/tensor.js";
import { loadTokenizer } from "../dist/formats/tokenizer.js";
import { openBaseModel } from "../dist/models/base_model.js";
import { createConfigReader } from "../dist/models/config.js";
import { parametersOf } from "../dist/models/family.js";
import { families } from "../dist/models/index.js";
import { createRandom } from "../dist/random.js";

const root = fileURLToPath(new URL("..", import.meta.url));
const work = mkdtempSync(join(tmpdir(), "phinetune-gguf-"));
const TINY_PHI = join(root, "assets/tiny-phi");
const NEW_TOKENS = 24;
const TEXTS = [
  "Once upon a time there was a little dog.",
  "The  quick brown fox, aged 12345.67, doesn't  jump over 3 lazy dogs!",
  "  two spaces\n\n\tand a tab\t\tor two\r\n    four",
  "naïve café, Straße, 日本語, Привет, 🙂🙃",
  "def f(x):\n        return x**2 + 10  # I'll, YOU'RE, we've",
];

/** A folder with random weights and one of the tests' tokenizers. */
async function randomModel(name, tokenizer, overrides) {
  const folder = join(work, name);
  mkdirSync(folder);
  const json = {
    hidden_size: 64,
    intermediate_size: 96,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    vocab_size: 512,
    max_position_embeddings: 256,
    tie_word_embeddings: false,
    ...overrides,
  };
  const family = families.find(({ modelType }) => modelType === json.model_type);
  const random = createRandom(1, name);
  const tensors = new Map();
  for (const module of family.modules(family.readConfig(createConfigReader(json, folder)))) {
    for (const [path, shape] of parametersOf(module)) {
      if (json.tie_word_embeddings && path === "lm_head.weight") continue;
      const center = module.kind === "norm" && path.endsWith(".weight") ? 1 : 0;
      const values = Float32Array.from({ length: elementCount(shape) }, () => center + 0.15 * random.normal());
      tensors.set(path, fromFloat32(values, "F32", shape));
    }
  }
  await writeSafetensors(join(folder, "model.safetensors"), tensors);
  writeFileSync(join(folder, "config.json"), JSON.stringify(json));
  for (const file of ["tokenizer.json", "tokenizer_config.json"])
    writeFileSync(join(folder, file), readFileSync(join(root, "test/fixtures/tokenizers", tokenizer, file)));
  return folder;
}

/** tiny-phi, whose pre-tokenizer llama.cpp lacks, with one that it has: prompts are given as the ids of the real one. */
function tinyPhi() {
  const folder = join(work, "tiny-phi");
  cpSync(TINY_PHI, folder, { recursive: true });
  const path = join(folder, "tokenizer.json");
  const json = JSON.parse(readFileSync(path, "utf8"));
  json.pre_tokenizer = json.pre_tokenizer.pretokenizers[1];
  writeFileSync(path, JSON.stringify(json));
  return folder;
}

/** An adapter with random values. */
async function randomAdapter(model, config) {
  const base = await openBaseModel(model);
  const plan = planAdapter(base, { ...defaultLoraConfig, ...config });
  const random = createRandom(2, "adapter");
  const values = new Map(
    plan.parameters.map(({ name, shape }) => [
      name,
      Float32Array.from({ length: elementCount(shape) }, () => 0.1 * random.normal()),
    ]),
  );
  const folder = mkdtempSync(join(work, "adapter-"));
  await savePeftAdapter(folder, { plan, values }, "base");
  return folder;
}

async function ours(folder, adapter, prompts) {
  const base = await openBaseModel(folder);
  const generator = await createGenerator(base, adapter && (await loadPeftAdapter(adapter, base)));
  const rows = [];
  for (const prompt of prompts)
    rows.push((await generator.generate([prompt], { maxNewTokens: NEW_TOKENS, eosTokenIds: [] }))[0]);
  await generator.release();
  return rows;
}

const llama = await getLlama({ build: "never", gpu: false, logLevel: LlamaLogLevel.error });

async function theirs(file, lora, prompts) {
  const model = await llama.loadModel({ modelPath: file });
  const rows = [];
  for (const prompt of prompts) {
    const context = await model.createContext({
      contextSize: 128,
      threads: 1,
      ...(lora ? { lora: { adapters: [{ filePath: lora }] } } : {}),
    });
    const row = [];
    for await (const token of context.getSequence().evaluate([...prompt], { temperature: 0, yieldEogToken: true })) {
      row.push(token);
      if (row.length === NEW_TOKENS) break;
    }
    rows.push(row);
    await context.dispose();
  }
  await model.dispose();
  return rows;
}

const report = (...cells) => console.log(`| ${cells.join(" | ")} |`);
const wrong = [];

/** How many tokens are equal before the first that is not, over all prompts. */
function same(a, b) {
  return a.reduce((sum, row, i) => {
    const at = row.findIndex((id, j) => id !== b[i][j]);
    return sum + (at < 0 ? row.length : at);
  }, 0);
}

async function checkModel(name, folder, { wordsFrom, config }) {
  const words = await loadTokenizer(wordsFrom ?? folder);
  const prompts = TEXTS.slice(0, 3).map((text) => words.encode(text, { addSpecialTokens: true }).slice(0, 40));
  const adapter = await randomAdapter(folder, config);
  const save = async (what, outtype, withAdapter) => {
    const output = join(work, `${name}-${what}-${outtype}-${withAdapter}.gguf`);
    await exportModel({
      format: "gguf",
      model: folder,
      adapter: withAdapter ? adapter : undefined,
      what,
      outtype,
      tokenizer: true,
      output,
    });
    return output;
  };
  const all = prompts.length * NEW_TOKENS;
  const hold = (form, type, wanted, found, exact) => {
    const equal = same(wanted, found);
    report(name, form, type, "greedy continuation", `${equal} of ${all} tokens`);
    if (exact && equal !== all) wrong.push(`${name} ${form} ${type}`);
  };
  const [plain, adapted] = [await ours(folder, undefined, prompts), await ours(folder, adapter, prompts)];
  const base = await save("merged", "f32", false);
  hold("base", "f32", plain, await theirs(base, undefined, prompts), true);
  for (const type of ["f16", "q8_0"])
    hold("base", type, plain, await theirs(await save("merged", type, false), undefined, prompts), false);
  hold("adapter", "f32", adapted, await theirs(base, await save("adapter", "f32", true), prompts), true);
  for (const [type, exact] of [
    ["f32", true],
    ["f16", false],
    ["q8_0", false],
  ])
    hold("merged", type, adapted, await theirs(await save("merged", type, true), undefined, prompts), exact);
  report(name, "base against adapter", "", "the change itself", `${same(plain, adapted)} of ${all} tokens`);
  if (wordsFrom) return;
  const model = await llama.loadModel({ modelPath: base, vocabOnly: true });
  const equal = TEXTS.filter((text) => {
    const [a, b] = [words.encode(text, { addSpecialTokens: false }), model.tokenize(text, true)];
    if (a.join() !== b.join()) console.log(JSON.stringify(text), a.join(" "), "/", [...b].join(" "));
    return a.join() === b.join();
  });
  report(name, "tokenizer", "", "token ids", `${equal.length} of ${TEXTS.length} texts`);
  if (equal.length !== TEXTS.length) wrong.push(`${name} tokenizer`);
  await model.dispose();
}

const all = { targetModules: "all-linear" };
const rs = { ...all, r: 4, alpha: 8, useRslora: true, rankPattern: { v_proj: 2 }, alphaPattern: { q_proj: 12 } };
report("model", "form", "type", "compared", "result");
const only = process.env.ONLY;
const check = async (name, make, options) => {
  if (!only || only.split(",").includes(name)) await checkModel(name, await make(), options);
};
await check("tiny-phi", tinyPhi, { wordsFrom: TINY_PHI, config: rs });
await check("random-qwen2", () => randomModel("qwen2", "qwen2", { model_type: "qwen2", rms_norm_eps: 1e-6 }), {
  config: rs,
});
await check(
  "random-phi",
  () => randomModel("phi", "codegen", { model_type: "phi", partial_rotary_factor: 0.5 }),
  { config: { ...all, targetModules: ["embed_tokens", "lm_head", "q_proj", "fc2"] } },
);
await check(
  "random-llama3",
  () =>
    randomModel("llama3", "llama3", {
      model_type: "llama",
      tie_word_embeddings: true,
      rope_scaling: {
        rope_type: "llama3",
        factor: 8,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 64,
      },
    }),
  { config: rs },
);
if (process.argv[2]) await check("llama-model", () => process.argv[2], { config: all });
rmSync(work, { recursive: true, force: true });
console.log(wrong.length === 0 ? "all as it should be" : `differences: ${wrong.join(", ")}`);
process.exit(wrong.length === 0 ? 0 : 1);
