// PEFT folders: written and read back to the byte, and refused where they do not fit.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planAdapter } from "../../src/adapters/attach.js";
import { defaultLoraConfig, type LoraConfig } from "../../src/adapters/config.js";
import type { Adapter } from "../../src/adapters/plan.js";
import { PhinetuneError } from "../../src/errors.js";
import { loadPeftAdapter, readPeftConfig, savePeftAdapter } from "../../src/export/peft.js";
import { elementCount } from "../../src/formats/tensor.js";
import { openBaseModel } from "../../src/models/base_model.js";
import { createRandom } from "../../src/random.js";
import { createTinyModel, temporaryFolder } from "../fixtures/tiny_model.js";

async function createAdapter(
  modelType: string,
  config: Partial<LoraConfig>,
): Promise<{ folder: string; adapter: Adapter; base: Awaited<ReturnType<typeof openBaseModel>> }> {
  const base = await openBaseModel(await createTinyModel(modelType));
  const plan = planAdapter(base, { ...defaultLoraConfig, r: 3, ...config });
  const random = createRandom(2);
  const values = new Map(
    plan.parameters.map(({ name, shape }) => [
      name,
      Float32Array.from({ length: elementCount(shape) }, () => random.normal()),
    ]),
  );
  const folder = join(temporaryFolder(), "adapter");
  const adapter = { plan, values };
  await savePeftAdapter(folder, adapter, "some/base");
  return { folder, adapter, base };
}

describe("a PEFT folder", () => {
  it.each<[string, Partial<LoraConfig>]>([
    ["phi", { bias: "all", targetModules: "all-linear" }],
    [
      "phi",
      {
        bias: "lora_only",
        useRslora: true,
        targetModules: ["fc1"],
        modulesToSave: ["lm_head", "final_layernorm"],
      },
    ],
    ["llama", { rankPattern: { q_proj: 5 }, alphaPattern: { "layers.1.self_attn.v_proj": 7 }, dropout: 0.1 }],
    ["qwen2", { targetModules: ["embed_tokens", "q_proj"], initLoraWeights: "gaussian" }],
    ["llama", { targetModules: ".*(q|v)_proj", excludeModules: ".*\\.0\\..*" }],
    ["llama", { targetModules: ["down_proj"], layersToTransform: [1], layersPattern: ["layers"] }],
  ])("%s %j comes back as it was, to the byte", async (modelType, config) => {
    const { folder, adapter, base } = await createAdapter(modelType, config);
    const loaded = await loadPeftAdapter(folder, base);
    expect(loaded.plan.parameters.map(({ peftName }) => peftName)).toEqual(
      adapter.plan.parameters.map(({ peftName }) => peftName),
    );
    expect([...loaded.plan.targets.values()].map(({ r, scale, dropout }) => [r, scale, dropout])).toEqual(
      [...adapter.plan.targets.values()].map(({ r, scale, dropout }) => [r, scale, dropout]),
    );
    for (const [name, values] of adapter.values) expect(loaded.values.get(name)).toEqual(values);
    const again = join(temporaryFolder(), "again");
    await savePeftAdapter(again, loaded, "some/base", loaded.raw);
    for (const file of ["adapter_model.safetensors", "adapter_config.json"]) {
      expect(readFileSync(join(again, file)).equals(readFileSync(join(folder, file))), file).toBe(true);
    }
  });

  it("keeps keys that it does not know", async () => {
    const { folder, base } = await createAdapter("llama", {});
    const path = join(folder, "adapter_config.json");
    writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), future_key: { a: 1 } }));
    const loaded = await loadPeftAdapter(folder, base);
    await savePeftAdapter(folder, loaded, "some/base", loaded.raw);
    expect(JSON.parse(readFileSync(path, "utf8")).future_key).toEqual({ a: 1 });
  });

  it("may name what its base does not have, as PEFT saves it; the names are told", async () => {
    const { folder, adapter, base } = await createAdapter("phi", { targetModules: ["q_proj", "fc1"] });
    const path = join(folder, "adapter_config.json");
    const config = JSON.parse(readFileSync(path, "utf8"));
    const names = { target_modules: ["q_proj", "Wqkv", "fc1"], exclude_modules: ["c_attn"] };
    const patterns = { rank_pattern: { v_proj: 2 }, alpha_pattern: { dense: 9 }, modules_to_save: ["score"] };
    writeFileSync(path, JSON.stringify({ ...config, ...names, ...patterns, layers_to_transform: [0, 1, 7] }));
    const loaded = await loadPeftAdapter(folder, base);
    expect([...loaded.plan.targets.keys()]).toEqual([...adapter.plan.targets.keys()]);
    expect(loaded.unmatched.map(({ what }) => what.split(/ matches|; the/)[0])).toEqual([
      "layers_to_transform names layer 7",
      'target_modules: "Wqkv"',
      'exclude_modules: "c_attn"',
      'rank_pattern: "v_proj"',
      'alpha_pattern: "dense"',
      'modules_to_save: "score"',
    ]);
    for (const wanted of [["Wqkv"], ".*Wqkv"]) {
      writeFileSync(path, JSON.stringify({ ...config, target_modules: wanted }));
      await expect(loadPeftAdapter(folder, base)).rejects.toThrow(/leave no module for the adapter/);
    }
  });

  it("is refused on a base of other sizes, with every tensor that differs", async () => {
    const { folder } = await createAdapter("llama", {});
    const other = await openBaseModel(await createTinyModel("llama", { overrides: { hidden_size: 32 } }));
    await expect(loadPeftAdapter(folder, other)).rejects.toThrow(
      /was made for "some\/base".*q_proj\.lora_A\.weight has shape \[3,16\].*\[3,32\]/s,
    );
  });

  it("is refused with options that change the arithmetic", async () => {
    const { folder } = await createAdapter("llama", {});
    const path = join(folder, "adapter_config.json");
    const config = JSON.parse(readFileSync(path, "utf8"));
    writeFileSync(
      path,
      JSON.stringify({ ...config, use_dora: true, lora_bias: true, init_lora_weights: "pissa", r: 0 }),
    );
    await expect(readPeftConfig(folder)).rejects.toThrow(/use_dora.*lora_bias.*pissa.*"r" is 0/s);
  });

  it("never gives anything but a clear error for a mutated configuration", async () => {
    const { folder } = await createAdapter("llama", {});
    const text = readFileSync(join(folder, "adapter_config.json"), "utf8");
    const config = JSON.parse(text) as Record<string, unknown>;
    const mutated = join(temporaryFolder(), "mutated");
    mkdirSync(mutated);
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...Object.keys(config)), fc.jsonValue(), async (key, value) => {
        writeFileSync(join(mutated, "adapter_config.json"), JSON.stringify({ ...config, [key]: value }));
        await readPeftConfig(mutated).catch((error) => expect(error).toBeInstanceOf(PhinetuneError));
      }),
      { numRuns: 300 },
    );
  });
});
