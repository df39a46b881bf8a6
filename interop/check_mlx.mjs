// Models, adapters in mlx-lm's form and phinetune's logits -> a folder of cases for check_mlx.py.
// Run: npm run build && node interop/check_mlx.mjs CASES && pip install "mlx[cpu]" mlx-lm && python interop/check_mlx.py CASES
import { mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { exportModel } from "../dist/export.js";
import { inspect } from "../dist/inspect.js";
import { randomAdapter, randomModel, root } from "./models.mjs";

const work = resolve(process.argv[2]);
mkdirSync(work);
const all = { targetModules: "all-linear" };
const rs = { ...all, r: 4, alpha: 8, useRslora: true, rankPattern: { v_proj: 2 }, alphaPattern: { q_proj: 12 } };
const phi = { model_type: "phi", partial_rotary_factor: 0.5, layer_norm_eps: 1e-5 };
const llama = { model_type: "llama", rms_norm_eps: 1e-5 };
// mlx-lm has another theta where none is given.
const qwen2 = { model_type: "qwen2", rms_norm_eps: 1e-6, rope_theta: 10_000 };
const CASES = [
  ["phi-patterns", "codegen", phi, rs],
  ["phi-first-layer", "codegen", phi, { targetModules: ["fc1", "dense"], layersToTransform: [0] }],
  ["phi-embedding", "codegen", phi, { targetModules: ["embed_tokens", "lm_head", "fc2"] }],
  ["llama-default", "llama3", { ...llama, tie_word_embeddings: true }, {}],
  ["llama-last-layer", "llama3", llama, { ...rs, layersToTransform: [1] }],
  ["qwen2-patterns", "qwen2", qwen2, rs],
];
const inputs = join(work, "inputs.json");
const ids = Array.from({ length: 24 }, (_, i) => (37 * i + 11) % 500);
writeFileSync(inputs, JSON.stringify({ input_ids: [ids] }));
const cases = [];
const put = async (name, model, config) => {
  const adapter = await randomAdapter(work, model, config);
  const mlx = join(work, `${name}-mlx`);
  await exportModel({ format: "mlx", model, adapter, output: mlx });
  for (const [file, used] of [
    ["base", undefined],
    ["adapted", adapter],
  ])
    await inspect({ model, adapter: used, inputs, output: join(work, `${name}-${file}.safetensors`) });
  cases.push({ name, model, mlx });
};
for (const [name, tokenizer, json, config] of CASES)
  await put(name, await randomModel(work, name, tokenizer, json), config);
await put("tiny-phi", join(root, "assets/tiny-phi"), rs);
if (process.argv[3]) await put("llama-model", resolve(process.argv[3]), all);
writeFileSync(join(work, "cases.json"), JSON.stringify({ ids, cases }));
console.log(`${cases.length} cases in ${work}`);
