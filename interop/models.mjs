// Model folders with random weights and adapters with random values, and what phinetune itself makes of them.
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { planAdapter } from "../dist/adapters/attach.js";
import { defaultLoraConfig } from "../dist/adapters/config.js";
import { createGenerator } from "../dist/evaluate/generate.js";
import { loadPeftAdapter, savePeftAdapter } from "../dist/export/peft.js";
import { fromFloat32 } from "../dist/formats/dtype.js";
import { writeSafetensors } from "../dist/formats/safetensors.js";
import { elementCount } from "../dist/formats/tensor.js";
import { openBaseModel } from "../dist/models/base_model.js";
import { createConfigReader } from "../dist/models/config.js";
import { parametersOf } from "../dist/models/family.js";
import { families } from "../dist/models/index.js";
import { createRandom } from "../dist/random.js";

export const root = fileURLToPath(new URL("..", import.meta.url));

/** A folder with random weights and one of the tests' tokenizers. */
export async function randomModel(work, name, tokenizer, overrides) {
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

/** An adapter with random values. */
export async function randomAdapter(work, model, config, size = 0.1) {
  const base = await openBaseModel(model);
  const plan = planAdapter(base, { ...defaultLoraConfig, ...config });
  const random = createRandom(2, "adapter");
  const values = new Map(
    plan.parameters.map(({ name, shape }) => [
      name,
      Float32Array.from({ length: elementCount(shape) }, () => size * random.normal()),
    ]),
  );
  const folder = mkdtempSync(join(work, "adapter-"));
  await savePeftAdapter(folder, { plan, values }, "base");
  return folder;
}

/** A model with or without an adapter: greedy continuations of prompts, and rows that it draws itself. */
export async function ours(folder, adapter, prompts, newTokens, { rows = 0, length = 0 } = {}) {
  const base = await openBaseModel(folder);
  const generator = await createGenerator(base, adapter && (await loadPeftAdapter(adapter, base)));
  const continued = [];
  for (const prompt of prompts)
    continued.push((await generator.generate([prompt], { maxNewTokens: newTokens, eosTokenIds: [] }))[0]);
  const drawn = [];
  for (let row = 0; row < rows; row++) {
    const prompt = prompts[row % prompts.length];
    const options = { maxNewTokens: length, eosTokenIds: [], temperature: 1, seed: row };
    drawn.push([...prompt, ...(await generator.generate([prompt], options))[0]]);
  }
  await generator.release();
  return { continued, drawn };
}

/** How many tokens are equal before the first that is not, over all rows. */
export function same(a, b) {
  return a.reduce((sum, row, i) => {
    const at = row.findIndex((id, j) => id !== b[i][j]);
    return sum + (at < 0 ? row.length : at);
  }, 0);
}
