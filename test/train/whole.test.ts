// Training a whole model, from its weights or from scratch -> a folder that is a model itself.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { initialValues } from "../../src/adapters/initial.js";
import { planWhole } from "../../src/adapters/whole.js";
import { fineTune } from "../../src/fine-tune.js";
import { toFloat32 } from "../../src/formats/dtype.js";
import { readTensor } from "../../src/formats/safetensors.js";
import { openBaseModel } from "../../src/models/base_model.js";
import { resolveTrainOptions, type TrainInput } from "../../src/options.js";
import type { TrainEvent } from "../../src/train/events.js";
import { createTinyModel, temporaryFolder, tinyConfig } from "../fixtures/tiny_model.js";

async function run(options: Partial<TrainInput> & { model: string }): Promise<readonly TrainEvent[]> {
  const work = temporaryFolder();
  const row = { input_ids: [3, 4, 5, 6, 7, 8, 2], labels: [3, 4, 5, 6, 7, 8, 2] };
  writeFileSync(join(work, "rows.jsonl"), `${JSON.stringify(row)}\n`.repeat(4));
  const resolved = resolveTrainOptions({
    dataset: join(work, "rows.jsonl"),
    outputDir: join(work, "run"),
    method: "full",
    maxSteps: 20,
    learningRate: 0.02,
    ...options,
  });
  const events: TrainEvent[] = [];
  for await (const event of fineTune(resolved)) events.push(event);
  return events;
}

const lossesOf = (events: readonly TrainEvent[]) =>
  events.flatMap((event) => (event.type === "step" ? [event.loss] : []));
const folderOf = (events: readonly TrainEvent[]) =>
  events.flatMap((event) => (event.type === "finished" ? [event.output_dir] : []))[0]!;

async function valuesOf(folder: string): Promise<Record<string, number[]>> {
  const { tensors } = await openBaseModel(folder);
  const entries = [...tensors].map(async ([name, entry]) => [name, [...toFloat32(await readTensor(entry))]]);
  return Object.fromEntries(await Promise.all(entries)) as Record<string, number[]>;
}

describe.each([
  ["phi", {}],
  ["llama", { tie_word_embeddings: true }],
  ["qwen2", { tie_word_embeddings: true }],
])("%s %j", (modelType, overrides) => {
  it("learns, and saves a model from which training goes on where it stopped", async () => {
    const model = await createTinyModel(modelType, { overrides });
    const losses = lossesOf(await run({ model }));
    expect(losses.at(-1)).toBeLessThan(0.2 * losses[0]!);
    const once = await run({ model, maxSteps: 1, lrSchedulerType: "constant" });
    const [next] = lossesOf(await run({ model: folderOf(once), maxSteps: 1, lrSchedulerType: "constant" }));
    const [, second] = lossesOf(await run({ model, maxSteps: 2, lrSchedulerType: "constant" }));
    expect(next).toBeCloseTo(second!, 6);
  });

  it("starts from scratch with config.json alone, the same with the same seed", async () => {
    const model = join(temporaryFolder(), "model");
    mkdirSync(model);
    writeFileSync(join(model, "config.json"), JSON.stringify(tinyConfig(modelType, overrides)));
    const first = await run({ model, fromScratch: true, maxSteps: 3 });
    expect(lossesOf(first)[0]).toBeCloseTo(Math.log(32), 1);
    expect(lossesOf(await run({ model, fromScratch: true, maxSteps: 3 }))).toEqual(lossesOf(first));
    expect(lossesOf(await run({ model, fromScratch: true, maxSteps: 3, seed: 5 }))).not.toEqual(
      lossesOf(first),
    );
  });
});

describe("a saved model", () => {
  it("is rounded to the type that was asked for, with config.json and tokenizer beside it", async () => {
    const model = await createTinyModel("phi");
    copyFileSync("test/fixtures/start/model/tokenizer.json", join(model, "tokenizer.json"));
    // Its ids exceed this vocabulary, so it only lies there to be copied.
    const options = { model, maxSteps: 1 };
    await expect(run(options)).rejects.toThrow(/vocabulary/);
    const plain = await createTinyModel("phi");
    writeFileSync(join(plain, "generation_config.json"), '{"eos_token_id": 2}');
    const exact = await run({ ...options, model: plain });
    const half = await run({ ...options, model: plain, saveDtype: "float16" });
    const config = JSON.parse(readFileSync(join(folderOf(half), "config.json"), "utf8"));
    expect(config).toMatchObject({ model_type: "phi", torch_dtype: "float16", hidden_size: 16 });
    expect(readFileSync(join(folderOf(half), "generation_config.json"), "utf8")).toBe('{"eos_token_id": 2}');
    const [wide, narrow] = [await valuesOf(folderOf(exact)), await valuesOf(folderOf(half))];
    let rounded = 0;
    for (const [name, values] of Object.entries(wide)) {
      for (const [i, value] of values.entries()) {
        const other = narrow[name]![i]!;
        expect(Math.abs(other - value)).toBeLessThanOrEqual(Math.abs(value) * 2 ** -11 + 2 ** -25);
        if (other !== value) rounded++;
      }
    }
    expect(rounded).toBeGreaterThan(100);
  });

  it("is never written over the model that it came from", async () => {
    const model = await createTinyModel("phi");
    await expect(run({ model, outputDir: `${model}/.`, overwriteOutputDir: true })).rejects.toThrow(
      /folder of the model/,
    );
  });
});

it("cuts rows to the positions that the model has, and says so", async () => {
  const model = await createTinyModel("llama");
  const ids = Array.from({ length: 80 }, (_, i) => 3 + (i % 29));
  const dataset = join(temporaryFolder(), "long.jsonl");
  writeFileSync(dataset, JSON.stringify({ input_ids: ids, labels: ids }));
  const events = await run({ model, dataset, maxSteps: 2 });
  expect(events.flatMap((event) => (event.type === "warned" ? [event.message] : [])).join()).toContain(
    "1 of 1 rows are cut to 64 tokens",
  );
  expect(events.at(-1)).toMatchObject({ type: "finished", step: 2 });
});

it("draws first values as transformers does: N(0, initializer_range²), norms 1, biases 0, the padding row 0", async () => {
  const model = join(temporaryFolder(), "model");
  mkdirSync(model);
  const overrides = { vocab_size: 400, hidden_size: 64, initializer_range: 0.05, pad_token_id: 3 };
  writeFileSync(join(model, "config.json"), JSON.stringify(tinyConfig("phi", overrides)));
  const base = await openBaseModel(model, { fromScratch: true });
  const values = await initialValues(base, planWhole(base), 1);
  for (const [name, x] of values) {
    if (name.endsWith(".bias")) expect(new Set(x), name).toEqual(new Set([0]));
    else if (name.includes("layernorm")) expect(new Set(x), name).toEqual(new Set([1]));
    else {
      const deviation = Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / x.length);
      expect(Math.abs(deviation / 0.05 - 1), name).toBeLessThan(4 / Math.sqrt(2 * x.length) + 0.01);
    }
  }
  const embedding = values.get("model.embed_tokens.weight")!;
  expect(new Set(embedding.subarray(3 * 64, 4 * 64))).toEqual(new Set([0]));
  expect(new Set(embedding.subarray(4 * 64, 5 * 64)).size).toBeGreaterThan(60);
});
