// Exported GGUF files -> whether llama.cpp continues prompts and cuts text into tokens as phinetune does.
// Run: npm run build && cd interop && npm install && node check_gguf.mjs [FOLDER OF A LLAMA MODEL]
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exportModel } from "../dist/export.js";
import { loadTokenizer } from "../dist/formats/tokenizer.js";
import { llama, llamaCpp } from "./llama_cpp.mjs";
import { ours, randomAdapter, randomModel, root, same } from "./models.mjs";

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

async function theirs(file, lora, prompts) {
  // As users run it: keys and values in 16 bits.
  const program = await llamaCpp(file, lora, {});
  const rows = [];
  for (const prompt of prompts) rows.push(await program.continued(prompt, NEW_TOKENS));
  await program.close();
  return rows;
}

const report = (...cells) => console.log(`| ${cells.join(" | ")} |`);
const wrong = [];

async function checkModel(name, folder, { config }) {
  const words = await loadTokenizer(folder);
  const prompts = TEXTS.slice(0, 3).map((text) => words.encode(text, { addSpecialTokens: true }).slice(0, 40));
  const adapter = await randomAdapter(work, folder, config);
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
  const continued = async (used) => (await ours(folder, used, prompts, NEW_TOKENS)).continued;
  const [plain, adapted] = [await continued(undefined), await continued(adapter)];
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
await check("tiny-phi", () => TINY_PHI, { config: rs });
await check("random-qwen2", () => randomModel(work, "qwen2", "qwen2", { model_type: "qwen2", rms_norm_eps: 1e-6 }), {
  config: rs,
});
await check(
  "random-phi",
  () => randomModel(work, "phi", "codegen", { model_type: "phi", partial_rotary_factor: 0.5 }),
  { config: { ...all, targetModules: ["embed_tokens", "lm_head", "q_proj", "fc2"] } },
);
await check(
  "random-llama3",
  () =>
    randomModel(work, "llama3", "llama3", {
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
