// A model in 8 bits: which layers are rounded, what is computed once, how far the gradients are from the exact ones, and that a run repeats to the last bit.
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { planAdapter } from "../../src/adapters/attach.js";
import { defaultLoraConfig } from "../../src/adapters/config.js";
import { initialValues } from "../../src/adapters/initial.js";
import { type BaseModel, openBaseModel } from "../../src/models/base_model.js";
import { inStorage } from "../../src/quantize/storage.js";
import { addsExactly } from "../../src/runtime/int8_probe.js";
import { buildTrainingGraph, createObjective } from "../../src/train/objective.js";
import { errorOn, finish } from "../fixtures/gradient_error.js";
import { tinyBatch } from "../fixtures/tiny_batch.js";
import { createTinyModel } from "../fixtures/tiny_model.js";

beforeAll(() => {
  process.env.PHINETUNE_CACHE = mkdtempSync(join(tmpdir(), "phinetune-cache-"));
});

const rounded = async (base: BaseModel) => (await finish(inStorage(base, { loadIn8bit: true }))).result;

/** Layers whose product is one of rounded numbers, and how many times inputs are rounded on the way. */
function layersOf(graph: ReturnType<typeof buildTrainingGraph>) {
  const named = (op: string) =>
    graph.steps.filter(({ node }) => node.op!.name === op).map(({ node }) => node.label.split("/")[0]!);
  return { rounded: named("int8Linear"), exact: named("gemm"), rotations: named("rotate") };
}

describe("what is rounded", () => {
  it("is every frozen linear layer and the head; what they share is turned once", async () => {
    const base = await rounded(await openBaseModel(await createTinyModel("phi")));
    const plan = planAdapter(base, { ...defaultLoraConfig, targetModules: ["q_proj", "fc2"], bias: "all" });
    const chunks = { count: 1, rows: 256 };
    const graph = buildTrainingGraph(base, plan, { chunks });
    const { rounded: layers, rotations } = layersOf(graph);
    const linear = base.modules.flatMap(({ kind, path }) => (kind === "linear" ? [path] : []));
    expect([...new Set(layers)].sort()).toEqual([...linear].sort());
    // A layer's norm, the mixed heads and the activated ones; and what the head reads.
    expect(rotations.length).toBe(2 * 3 + 1);
    // The gradient of cross-entropy is rounded by chance.
    expect(graph.steps.filter(({ node }) => node.op!.name === "int8SoftmaxProduct").length).toBe(1);
    expect(graph.inputs.flatMap(({ outputs }) => outputs)).toContain("rounding_noise_M0");
  });

  it("is no module that is trained whole", async () => {
    const base = await rounded(await openBaseModel(await createTinyModel("llama")));
    const plan = planAdapter(base, { ...defaultLoraConfig, modulesToSave: ["lm_head", "down_proj"] });
    const { rounded: layers } = layersOf(buildTrainingGraph(base, plan));
    expect(layers).not.toContain("lm_head");
    expect(layers.some((path) => path.endsWith("down_proj"))).toBe(false);
    expect(layers.some((path) => path.endsWith("up_proj"))).toBe(true);
  });

  it("is a tied head, unless it follows a trained embedding", async () => {
    const folder = await createTinyModel("llama", { overrides: { tie_word_embeddings: true } });
    const base = await rounded(await openBaseModel(folder));
    const layersWith = (ensureWeightTying: boolean) =>
      layersOf(
        buildTrainingGraph(
          base,
          planAdapter(base, { ...defaultLoraConfig, modulesToSave: ["embed_tokens"], ensureWeightTying }),
        ),
      ).rounded;
    expect(layersWith(false)).toContain("lm_head");
    expect(layersWith(true)).not.toContain("lm_head");
  });

  it("needs weights", async () => {
    const base = await openBaseModel(await createTinyModel("phi"), { fromScratch: true });
    await expect(rounded(base)).rejects.toThrow("--load-in-8bit");
  });
});

describe("gradients", () => {
  it("are those of the exact model within a few percent, where weights are trained ones", async () => {
    const found = await errorOn("assets/tiny-phi", "assets/instructions/train.jsonl", 3);
    expect(found.gradients).toBeLessThan(0.08);
    expect(found.loss).toBeLessThan(0.01);
  });

  it.each(["phi", "llama", "qwen2"])("exist for every trained parameter of a %s", async (family) => {
    const base = await rounded(await openBaseModel(await createTinyModel(family, { dtype: "BF16" })));
    const config = {
      ...defaultLoraConfig,
      targetModules: "all-linear",
      bias: "all",
      modulesToSave: ["lm_head"],
    } as const;
    const plan = planAdapter(base, config);
    const objective = await createObjective(base, plan);
    const values = await initialValues(base, plan, 1);
    const { gradients } = await objective.differentiate(tinyBatch([9, 5]), values, {
      seed: 1,
      step: 1,
      microBatch: 0,
    });
    await objective.release();
    for (const [name, gradient] of gradients) expect(gradient.every(Number.isFinite), name).toBe(true);
  });

  it("are the same again for the same step, and others in the next", async () => {
    const base = await rounded(await openBaseModel(await createTinyModel("llama")));
    const plan = planAdapter(base, defaultLoraConfig);
    const values = await initialValues(base, plan, 1);
    const objective = await createObjective(base, plan);
    const of = async (step: number) => {
      const { gradients } = await objective.differentiate(tinyBatch([20, 9]), values, {
        seed: 1,
        step,
        microBatch: 0,
      });
      return [...gradients.values()].flatMap((gradient) => [...gradient]);
    };
    const [first, second, again] = [await of(1), await of(2), await of(1)];
    await objective.release();
    expect(again).toEqual(first);
    expect(second).not.toEqual(first);
  });
});

it("finds out whether the processor adds exactly", async () => {
  // Unsigned weights are exact everywhere.
  expect(await addsExactly("uint8")).toBe(true);
  expect(typeof (await addsExactly("int8"))).toBe("boolean");
});
