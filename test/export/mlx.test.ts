// Adapters in mlx-lm's form -> which modules mlx-lm would adapt, with what, and the same adapter read back.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { LoraConfig } from "../../src/adapters/config.js";
import { mergedTensor } from "../../src/adapters/merge.js";
import type { Adapter } from "../../src/adapters/plan.js";
import { loadMlxAdapter } from "../../src/export/mlx.js";
import { loadPeftAdapter } from "../../src/export/peft.js";
import { exportModel } from "../../src/export.js";
import { toFloat32 } from "../../src/formats/dtype.js";
import { openSafetensors, readTensor, writeSafetensors } from "../../src/formats/safetensors.js";
import { f32Tensor } from "../../src/formats/tensor.js";
import { type BaseModel, openBaseModel } from "../../src/models/base_model.js";
import { exportOptions, randomAdapter } from "../fixtures/exports.js";
import { createTinyModel, temporaryFolder } from "../fixtures/tiny_model.js";

async function toMlx(model: string, config: Partial<LoraConfig>) {
  const base = await openBaseModel(model);
  const { folder, adapter } = await randomAdapter(base, config);
  const output = join(temporaryFolder(), "mlx");
  await exportModel(exportOptions({ format: "mlx", model, adapter: folder, output }));
  const file = await openSafetensors(join(output, "adapters.safetensors"));
  const settings = JSON.parse(readFileSync(join(output, "adapter_config.json"), "utf8"));
  return { base, adapter, output, file, settings };
}

/** What mlx-lm's linear_to_lora_layers adapts, written anew from its source. */
function adaptedBy(base: BaseModel, numLayers: number, keys: readonly string[]): string[] {
  const all = base.modules.filter(({ kind }) => kind !== "norm").map(({ path }) => path);
  const indices = Array.from({ length: base.config.layers }, (_, i) => i);
  const count = Math.max(numLayers, 0);
  const chosen = count === 0 ? indices : indices.slice(-count);
  return all.filter((path) => {
    const match = /^model\.layers\.(\d+)\.(.*)$/.exec(path);
    return keys.includes(path) || (match && chosen.includes(Number(match[1])) && keys.includes(match[2]!));
  });
}

/** Largest difference of the changes that two adapters make to the base's weights. */
async function distance(base: BaseModel, a: Adapter, b: Adapter): Promise<number> {
  expect([...b.plan.targets.keys()]).toEqual([...a.plan.targets.keys()]);
  let most = 0;
  for (const path of a.plan.targets.keys()) {
    const [one, two] = await Promise.all(
      [a, b].map((adapter) => mergedTensor(base, [{ adapter, weight: 1 }], `${path}.weight`)),
    );
    for (const [i, value] of one!.entries()) most = Math.max(most, Math.abs(value - two![i]!));
  }
  return most;
}

const CASES: readonly (readonly [string, string, Partial<LoraConfig>, readonly string[], number])[] = [
  ["the default layers", "llama", {}, ["self_attn.q_proj", "self_attn.v_proj"], 2],
  ["the last layer", "phi", { targetModules: ["fc1"], layersToTransform: [1] }, ["mlp.fc1"], 1],
  [
    "the first layer only, which has no number of layers",
    "qwen2",
    { targetModules: ["k_proj"], layersToTransform: [0] },
    ["model.layers.0.self_attn.k_proj"],
    1,
  ],
  [
    "embedding and head, with patterns",
    "phi",
    {
      targetModules: ["embed_tokens", "lm_head", "q_proj"],
      r: 4,
      alpha: 6,
      useRslora: true,
      rankPattern: { lm_head: 2 },
      alphaPattern: { q_proj: 12 },
    },
    ["self_attn.q_proj", "model.embed_tokens", "lm_head"],
    2,
  ],
  ["the head alone", "llama", { targetModules: ["lm_head"] }, ["lm_head"], 1],
];

describe("an adapter for mlx-lm", () => {
  it.each(CASES)("of %s names what is adapted, and comes back", async (_, family, config, keys, layers) => {
    const { base, adapter, output, file, settings } = await toMlx(await createTinyModel(family), config);
    expect(settings).toMatchObject({ fine_tune_type: "lora", num_layers: layers });
    expect(settings.lora_parameters.keys).toEqual(keys);
    const paths = [...adapter.plan.targets.keys()];
    expect(adaptedBy(base, layers, settings.lora_parameters.keys)).toEqual(paths);
    const { rank, scale } = settings.lora_parameters;
    for (const [path, target] of adapter.plan.targets) {
      const [a, b] = ["lora_a", "lora_b"].map((name) => file.entries.get(`${path}.${name}`)!);
      expect([a!.shape[1], b!.shape[0]]).toEqual([rank, rank]);
      // scale · (A·B)ᵀ is what PEFT adds, an embedding's as it stands.
      const [x, y] = [toFloat32(await readTensor(a!)), toFloat32(await readTensor(b!))];
      const delta = target.module.kind === "embedding" ? [a!.shape[0]!, b!.shape[1]!] : undefined;
      const merged = adapter.plan.method.mergedDelta(
        target,
        (suffix) => adapter.values.get(`${path}.${suffix}`)!,
      );
      const [ins, outs] = [a!.shape[0]!, b!.shape[1]!];
      for (const [i, o] of [
        [0, 0],
        [ins - 1, outs - 1],
        [1, 2],
      ] as const) {
        let sum = 0;
        for (let k = 0; k < rank; k++) sum += x[i * rank + k]! * y[k * outs + o]!;
        expect(scale * sum).toBeCloseTo(merged[delta ? i * outs + o : o * ins + i]!, 5);
      }
    }
    expect(await distance(base, adapter, await loadMlxAdapter(output, base))).toBeLessThan(1e-6);
    const peft = join(temporaryFolder(), "peft");
    await exportModel(exportOptions({ format: "peft", model: base.folder, adapter: output, output: peft }));
    expect(await distance(base, adapter, await loadPeftAdapter(peft, base))).toBeLessThan(1e-6);
  });

  it("with trained biases or whole modules is refused, for mlx-lm takes no other tensors", async () => {
    const config = { targetModules: ["q_proj"], bias: "all", modulesToSave: ["lm_head"] } as const;
    await expect(toMlx(await createTinyModel("phi"), config)).rejects.toThrow(
      /1 tensors that were trained whole \(lm_head.weight[\s\S]*16 trained biases[\s\S]*phinetune merge/,
    );
  });

  it("that mlx-lm would apply to a tied head as well is refused", async () => {
    const model = await createTinyModel("llama", { overrides: { tie_word_embeddings: true } });
    await expect(toMlx(model, { targetModules: ["embed_tokens"] })).rejects.toThrow(
      /embed_tokens alone.*phinetune merge/,
    );
  });
});

describe("reading", () => {
  it("takes what mlx-lm writes by itself: no keys, all layers as -1, keys of its own besides", async () => {
    const { base, adapter, output, settings } = await toMlx(await createTinyModel("llama"), {});
    const { rank, scale, dropout } = settings.lora_parameters;
    const own = { model: "m", train: true, num_layers: -1, lora_parameters: { rank, scale, dropout } };
    writeFileSync(join(output, "adapter_config.json"), JSON.stringify(own));
    expect(await distance(base, adapter, await loadMlxAdapter(output, base))).toBeLessThan(1e-6);
  });

  it("refuses tensors that mlx-lm would pass over, or that do not fit", async () => {
    const { base, output, settings } = await toMlx(await createTinyModel("llama"), {});
    const path = join(output, "adapter_config.json");
    writeFileSync(path, JSON.stringify({ ...settings, num_layers: 1 }));
    await expect(loadMlxAdapter(output, base)).rejects.toThrow(/4 tensors.*no lora_a or lora_b/);
    writeFileSync(path, JSON.stringify({ ...settings, fine_tune_type: "dora" }));
    await expect(loadMlxAdapter(output, base)).rejects.toThrow(/"dora"; only lora/);
    writeFileSync(path, JSON.stringify(settings));
    const tensors = new Map([
      ["model.layers.0.self_attn.q_proj.lora_a", f32Tensor([15, 8], new Float32Array(120))],
      ["model.layers.1.self_attn.q_proj.lora_b", f32Tensor([8, 16], new Float32Array(128))],
    ]);
    await writeSafetensors(join(output, "adapters.safetensors"), tensors);
    await expect(loadMlxAdapter(output, base)).rejects.toThrow(
      /0.self_attn.q_proj.lora_a has shape \[15,8\][\s\S]*lora_b is missing[\s\S]*lora_a is missing/,
    );
  });

  it("tells the two programs' folders apart", async () => {
    const { base, output } = await toMlx(await createTinyModel("llama"), {});
    await expect(loadPeftAdapter(output, base)).rejects.toThrow(/adapter of mlx-lm.*--format peft/);
    const { folder } = await randomAdapter(base, {});
    await expect(loadMlxAdapter(folder, base)).rejects.toThrow(/a PEFT adapter.*as it is/);
  });

  it("survives any configuration, with a message of its own", async () => {
    const { base, output } = await toMlx(await createTinyModel("llama"), {});
    const parameters = fc.dictionary(fc.constantFrom("rank", "scale", "dropout", "keys"), fc.jsonValue());
    const config = fc.record(
      {
        fine_tune_type: fc.jsonValue(),
        num_layers: fc.jsonValue(),
        lora_parameters: fc.oneof(parameters, fc.jsonValue()),
      },
      { requiredKeys: [] },
    );
    await fc.assert(
      fc.asyncProperty(config, async (json) => {
        writeFileSync(join(output, "adapter_config.json"), JSON.stringify(json));
        const result = await loadMlxAdapter(output, base).catch((error: Error) => error);
        if (result instanceof Error) expect(result.name).toBe("PhinetuneError");
      }),
      { numRuns: 40 },
    );
  });
});
