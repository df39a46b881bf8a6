// A base with adapters -> one model whose logits are those of base and adapter, in the base's files and types.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { LoraConfig } from "../../src/adapters/config.js";
import { mergedTensor, unties } from "../../src/adapters/merge.js";
import { toFloat32 } from "../../src/formats/dtype.js";
import { openSafetensors, readTensor, writeSafetensors } from "../../src/formats/safetensors.js";
import type { Tensor } from "../../src/formats/tensor.js";
import { inspect } from "../../src/inspect.js";
import { merge } from "../../src/merge.js";
import { resolveOptions } from "../../src/options/resolve.js";
import { schemas } from "../../src/options.js";
import { randomAdapter } from "../fixtures/exports.js";
import { createTinyModel, temporaryFolder } from "../fixtures/tiny_model.js";

const inputs = {
  input_ids: [
    [3, 5, 7, 9, 11, 4],
    [8, 6, 4, 2, 10, 12],
  ],
};

async function mergeInto(given: Readonly<Record<string, unknown>>) {
  const outputDir = join(temporaryFolder(), "merged");
  const entries = Object.entries({ outputDir, ...given }).map(([written, value]) => ({ written, value }));
  const merging = merge(resolveOptions(schemas.merge, entries));
  for (;;) {
    const { done, value } = await merging.next();
    if (done) return value;
  }
}

async function logitsOf(model: string, adapter?: string): Promise<Float32Array> {
  const output = join(temporaryFolder(), "out.safetensors");
  const { tensors } = await inspect({ model, adapter, inputs: writeInputs(), output });
  return toFloat32(tensors.get("logits")!);
}

function writeInputs(): string {
  const path = join(temporaryFolder(), "inputs.json");
  writeFileSync(path, JSON.stringify(inputs));
  return path;
}

const distance = (a: Float32Array, b: Float32Array) =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);

describe("a merged model gives the logits of base and adapter", () => {
  const cases: readonly {
    readonly what: string;
    readonly family: string;
    readonly config: Partial<LoraConfig>;
    readonly tied?: true;
  }[] = [
    { what: "all linear layers of phi", family: "phi", config: { targetModules: "all-linear" } },
    {
      what: "rsLoRA, patterns and biases",
      family: "phi",
      config: { r: 4, useRslora: true, bias: "all", rankPattern: { fc1: 2 } },
    },
    {
      what: "llama with embedding and head",
      family: "llama",
      config: { targetModules: ["embed_tokens", "lm_head", "q_proj"] },
    },
    {
      what: "a head trained whole",
      family: "qwen2",
      config: { targetModules: ["v_proj"], modulesToSave: ["lm_head"] },
    },
    {
      what: "a tied embedding that is adapted",
      family: "llama",
      config: { targetModules: ["embed_tokens"] },
      tied: true,
    },
    {
      what: "a tied head trained whole",
      family: "qwen2",
      config: { modulesToSave: ["lm_head"] },
      tied: true,
    },
  ];
  it.each(cases)("$what", async ({ family, config, tied = false }) => {
    const model = await createTinyModel(family, { overrides: { tie_word_embeddings: tied } });
    const { folder } = await randomAdapter(model, config);
    const { folder: merged, largestChange, largestLogit } = await mergeInto({ model, adapter: [folder] });
    expect(distance(await logitsOf(merged), await logitsOf(model, folder))).toBeLessThan(2e-5);
    expect(distance(await logitsOf(merged), await logitsOf(model))).toBeGreaterThan(1e-2);
    expect(largestChange).toBeLessThan(2e-5);
    expect(largestLogit).toBeGreaterThan(0.1);
  });

  it("in 16 bits, with the type of each tensor kept, and says how far it is", async () => {
    const model = await createTinyModel("phi", { dtype: "BF16" });
    const { folder } = await randomAdapter(model, {});
    const { folder: merged, largestChange, largestLogit } = await mergeInto({ model, adapter: [folder] });
    const { entries } = await openSafetensors(join(merged, "model.safetensors"));
    expect(new Set([...entries.values()].map(({ dtype }) => dtype))).toEqual(new Set(["BF16"]));
    expect(largestChange! / largestLogit!).toBeGreaterThan(1e-5);
    expect(largestChange! / largestLogit!).toBeLessThan(0.05);
    const wide = await mergeInto({ model, adapter: [folder], dtype: "float32" });
    expect(wide.largestChange).toBeLessThan(2e-5);
    expect(JSON.parse(readFileSync(join(wide.folder, "config.json"), "utf8"))).toMatchObject({
      torch_dtype: "float32",
    });
  });
});

describe("weights", () => {
  it("of several adapters: base + the weighted changes", async () => {
    const model = await createTinyModel("phi");
    const one = await randomAdapter(model, { bias: "all" });
    const two = await randomAdapter(model, { r: 2, modulesToSave: ["lm_head"] }, { seed: 2 });
    const parts = [one, two].map(({ adapter }) => ({ adapter, weight: 1 }));
    for (const name of ["model.layers.1.mlp.fc1.weight", "lm_head.bias", "lm_head.weight"]) {
      const frozen = toFloat32(await readTensor(one.base.tensors.get(name)!));
      const change = async (part: (typeof parts)[number]) =>
        (await mergedTensor(one.base, [part], name))?.map((value, i) => value - frozen[i]!) ??
        new Float32Array(frozen.length);
      const [a, b] = [await change(parts[0]!), await change(parts[1]!)];
      const sum = await mergedTensor(
        one.base,
        [
          { ...parts[0]!, weight: 0.7 },
          { ...parts[1]!, weight: -0.3 },
        ],
        name,
      );
      expect(
        distance(
          sum!,
          frozen.map((value, i) => value + 0.7 * a[i]! - 0.3 * b[i]!),
        ),
        name,
      ).toBeLessThan(1e-5);
    }
    const both = await mergeInto({
      model,
      adapter: [one.folder, two.folder],
      adapterWeights: ["0.7", "-0.3"],
    });
    expect(both.largestChange).toBeUndefined();
  });

  it("that are no numbers, or too few, are refused together", async () => {
    const model = await createTinyModel("phi");
    const { folder } = await randomAdapter(model, {});
    await expect(mergeInto({ model, adapter: [folder], adapterWeights: ["a", "1"] })).rejects.toThrow(
      /"a" is no number[\s\S]*1 adapters and 2 weights/,
    );
  });
});

describe("files", () => {
  it("stay as they are divided, with an index that names every tensor", async () => {
    const model = await createTinyModel("llama");
    const { entries } = await openSafetensors(join(model, "model.safetensors"));
    const sharded = join(temporaryFolder(), "sharded");
    mkdirSync(sharded);
    writeFileSync(join(sharded, "config.json"), readFileSync(join(model, "config.json")));
    const shards: Map<string, Tensor>[] = [new Map(), new Map()];
    let at = 0;
    for (const [name, entry] of entries) shards[at++ % 2]!.set(name, await readTensor(entry));
    const weight_map: Record<string, string> = {};
    for (const [i, tensors] of shards.entries()) {
      const file = `model-0000${i + 1}-of-00002.safetensors`;
      await writeSafetensors(join(sharded, file), tensors, { format: "pt" });
      for (const name of tensors.keys()) weight_map[name] = file;
    }
    writeFileSync(
      join(sharded, "model.safetensors.index.json"),
      JSON.stringify({ metadata: {}, weight_map }),
    );
    const { folder } = await randomAdapter(sharded, {});
    const merged = await mergeInto({ model: sharded, adapter: [folder] });
    const index = JSON.parse(readFileSync(join(merged.folder, "model.safetensors.index.json"), "utf8"));
    expect(index.weight_map).toEqual(weight_map);
    expect(distance(await logitsOf(merged.folder), await logitsOf(sharded, folder))).toBeLessThan(2e-5);
  });

  it("are not written over what is read, nor into a folder with other files", async () => {
    const model = await createTinyModel("phi");
    const { folder } = await randomAdapter(model, {});
    const overwriteOutputDir = true;
    await expect(
      mergeInto({ model, adapter: [folder], outputDir: folder, overwriteOutputDir }),
    ).rejects.toThrow(/a folder that is read/);
    await expect(mergeInto({ model, adapter: [folder], outputDir: model })).rejects.toThrow(/not empty/);
  });
});

it("a tied head stays tied where the adapter leaves both alone, or moves both together", async () => {
  const model = await createTinyModel("llama", { overrides: { tie_word_embeddings: true } });
  const plain = await randomAdapter(model, {});
  const embedding = await randomAdapter(model, { modulesToSave: ["embed_tokens"] });
  const together = await randomAdapter(model, { modulesToSave: ["embed_tokens"], ensureWeightTying: true });
  const of = ({ base, adapter }: typeof plain) => unties(base, [{ adapter, weight: 1 }]);
  expect([plain, embedding, together].map(of)).toEqual([false, true, false]);
});
