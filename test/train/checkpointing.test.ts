// Gradient checkpointing -> the same losses and gradients to the last bit for every family and everything that is trained, in less memory.
import { describe, expect, it } from "vitest";
import { planAdapter } from "../../src/adapters/attach.js";
import { defaultLoraConfig, type LoraConfig } from "../../src/adapters/config.js";
import type { TrainingPlan } from "../../src/adapters/plan.js";
import { planWhole } from "../../src/adapters/whole.js";
import { elementCount } from "../../src/formats/tensor.js";
import { type BaseModel, openBaseModel } from "../../src/models/base_model.js";
import { families } from "../../src/models/index.js";
import { createRandom } from "../../src/random.js";
import { estimateRuns } from "../../src/train/estimate.js";
import { withChunks } from "../../src/train/memory.js";
import { buildTrainingGraph, createObjective } from "../../src/train/objective.js";
import { computedOrder } from "../fixtures/computed_order.js";
import { tinyBatch } from "../fixtures/tiny_batch.js";
import { createTinyModel } from "../fixtures/tiny_model.js";

const batch = tinyBatch([9, 6, 8]);
const moment = { seed: 4, step: 2, microBatch: 1 };
const chunks = { count: 2, rows: 8 };

const lora = (config: Partial<LoraConfig>) => (base: BaseModel) =>
  planAdapter(base, { ...defaultLoraConfig, r: 2, targetModules: "all-linear", ...config });

/** What can be trained, each with dropout where there is an adapter. */
const plans: Readonly<Record<string, (base: BaseModel) => TrainingPlan>> = {
  "adapters of all linear layers": lora({ dropout: 0.3 }),
  "two adapters and all biases": lora({ targetModules: ["q_proj", "v_proj"], bias: "all", dropout: 0.2 }),
  "adapters of embedding and head": lora({
    targetModules: ["embed_tokens", "lm_head", "v_proj"],
    dropout: 0.3,
  }),
  "head and embedding whole": lora({ modulesToSave: ["lm_head", "embed_tokens"], dropout: 0.3 }),
  "the upper layer only": lora({ layersToTransform: [2], dropout: 0.3 }),
  "the lowest layer only": lora({ layersToTransform: [0], dropout: 0.3 }),
  "the whole model": planWhole,
};

/** Settings of a family that change what a block is made of. */
const overrides: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  phi: { resid_pdrop: 0.2, embd_pdrop: 0.1, qk_layernorm: true, num_key_value_heads: 2 },
  qwen2: { tie_word_embeddings: true, use_sliding_window: true, sliding_window: 4, max_window_layers: 1 },
};

function randomValues(plan: TrainingPlan): Map<string, Float32Array> {
  const random = createRandom(3, "values");
  const draw = (shape: readonly number[]) =>
    Float32Array.from({ length: elementCount(shape) }, () => 0.3 * random.normal());
  return new Map(plan.parameters.map(({ name, shape }) => [name, draw(shape)]));
}

async function model(family: string, more: Record<string, unknown> = {}, dtype: "F32" | "BF16" = "F32") {
  const all = { num_hidden_layers: 3, ...overrides[family], ...more };
  return openBaseModel(await createTinyModel(family, { overrides: all, dtype }));
}

async function differentiate(base: BaseModel, plan: TrainingPlan, gradientCheckpointing: boolean) {
  const objective = await createObjective(base, plan, { chunks, gradientCheckpointing, numThreads: 1 });
  const found = await objective.differentiate(batch, randomValues(plan), moment);
  await objective.release();
  return found;
}

describe.each(families.map(({ modelType }) => modelType))("%s", (family) => {
  it.each(Object.entries(plans))("has the same gradients to the last bit: %s", async (_, planOf) => {
    const base = await model(family);
    const plan = planOf(base);
    const [kept, again] = [await differentiate(base, plan, false), await differentiate(base, plan, true)];
    expect(again.loss).toBe(kept.loss);
    expect(again.gradients).toEqual(kept.gradients);
    for (const [name, gradient] of kept.gradients)
      expect(
        gradient.some((g) => g !== 0),
        name,
      ).toBe(true);
  });

  it("has the same gradients with weights of 16 bits", async () => {
    const base = await model(family, {}, "BF16");
    const plan = plans["adapters of all linear layers"]!(base);
    const [kept, again] = [await differentiate(base, plan, false), await differentiate(base, plan, true)];
    expect(again).toEqual(kept);
  });

  it("computes a block again only when the gradients of the block above are done", async () => {
    const base = await model(family);
    const plan = lora({ dropout: 0.3 })(base);
    const graph = buildTrainingGraph(base, plan, { chunks, gradientCheckpointing: true });
    const order = await computedOrder(graph, `${base.folder}/model.safetensors`, {
      ...{ B: 2, T: 8, M: 4, M0: 2, M1: 2 },
    });
    const places = (pattern: RegExp) => order.flatMap((name, i) => (pattern.test(name) ? [i] : []));
    for (const layer of [2, 1, 0]) {
      const again = places(new RegExp(`^model\\.layers\\.${layer}\\..*_again`));
      expect(again.length).toBeGreaterThan(10);
      const above = places(
        layer === 2 ? /^losses$/ : new RegExp(`^model\\.layers\\.${layer + 1}\\..*lora_[AB]\\.weight_grad$`),
      );
      expect(above.length).toBeGreaterThan(0);
      expect(Math.min(...again)).toBeGreaterThan(Math.max(...above));
    }
  });

  it("keeps nothing of a block but what goes into it, and masks are not kept either", async () => {
    const base = await model(family);
    const plan = lora({ dropout: 0.3 })(base);
    const { steps } = buildTrainingGraph(base, plan, { chunks, gradientCheckpointing: true });
    const isBackward = (name: string) => /_(again|grad)|\/(after|fence)/.test(name);
    const inner = new Set(steps.flatMap(({ node, outputs }) => (node.block === undefined ? [] : outputs)));
    const kept = new Set(
      steps.flatMap(({ inputs, outputs }) =>
        outputs.some(isBackward) ? inputs.filter((name) => inner.has(name)) : [],
      ),
    );
    // The output of a block goes into the next one, and that of the last into the final norm.
    expect(kept.size).toBe(3);
    for (const name of kept) expect(name).toMatch(/^model\.layers\.\d\/add(_\d)?$/);
  });
});

it.each(["phi", "llama", "qwen2"])(
  "%s never keeps an activation, nor what dropout left over",
  async (family) => {
    const base = await openBaseModel(await createTinyModel(family));
    const { steps } = buildTrainingGraph(base, lora({ dropout: 0.3 })(base), { chunks });
    const cheap = new Set(steps.flatMap(({ node, outputs }) => (node.block ? outputs : [])));
    const forward = steps.filter(({ outputs }) => outputs.some((name) => cheap.has(name)));
    expect(forward.some(({ node }) => node.op!.name === "where")).toBe(true);
    expect(forward.some(({ node }) => /gelu|silu/i.test(node.op!.name))).toBe(true);
    const isBackward = (name: string) => /_(again|grad)|\/(after|fence)/.test(name);
    for (const { inputs, outputs } of steps)
      if (outputs.some(isBackward))
        expect(
          inputs.filter((name) => cheap.has(name)),
          outputs.join(),
        ).toEqual([]);
  },
);

describe("memory", () => {
  const sizes = { B: 4, T: 64, M: 32 };

  async function held(
    layers: number,
    gradientCheckpointing: boolean,
    planOf: (base: BaseModel) => TrainingPlan = lora({ dropout: 0.1 }),
  ): Promise<number> {
    const size = { num_hidden_layers: layers, hidden_size: 64, intermediate_size: 192 };
    const base = await openBaseModel(await createTinyModel("phi", { overrides: size }));
    const one = { count: 1, rows: 256 };
    const graph = buildTrainingGraph(base, planOf(base), { chunks: one, gradientCheckpointing });
    return estimateRuns(graph, [withChunks({ ...sizes, "B*T": 256 }, one)], 32).resident;
  }

  it("of eight layers falls to a quarter", async () => {
    expect(await held(8, true)).toBeLessThan(0.26 * (await held(8, false)));
  });

  it("grows with each further layer by one hidden state and its gradients, not by what is inside", async () => {
    const [four, eight] = [await held(4, true), await held(8, true)];
    const hidden = 4 * 64 * 64 * 4;
    // Gradients of r = 2 on all linear layers of a layer, each rounded up to a granule.
    expect(eight - four).toBeLessThan(4 * (hidden + 40_000));
    const [kept4, kept8] = [await held(4, false), await held(8, false)];
    expect(kept8 - kept4).toBeGreaterThan(10 * (eight - four));
  });

  it("falls for a whole model, too", async () => {
    expect(await held(8, true, planWhole)).toBeLessThan(0.5 * (await held(8, false, planWhole)));
  });
});
