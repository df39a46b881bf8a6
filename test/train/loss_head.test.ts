// The loss head in chunks -> the same losses and gradients as in one piece, whatever the head is made of, and the logits of one chunk.
import { describe, expect, it } from "vitest";
import { planAdapter } from "../../src/adapters/attach.js";
import { defaultLoraConfig, type LoraConfig } from "../../src/adapters/config.js";
import type { TrainingPlan } from "../../src/adapters/plan.js";
import { planWhole } from "../../src/adapters/whole.js";
import { buildLossGraph, createLossEvaluator, lossInputs, shiftedTargets } from "../../src/evaluate/loss.js";
import { type Chunks, chunkInputs, chunkSizes, chunksFor } from "../../src/evaluate/loss_head.js";
import { elementCount } from "../../src/formats/tensor.js";
import { type BaseModel, openBaseModel } from "../../src/models/base_model.js";
import { createRandom } from "../../src/random.js";
import { createSession } from "../../src/runtime/session.js";
import { estimateRuns } from "../../src/train/estimate.js";
import { buildTrainingGraph, createObjective } from "../../src/train/objective.js";
import { computedOrder } from "../fixtures/computed_order.js";
import { tinyBatch } from "../fixtures/tiny_batch.js";
import { createTinyModel } from "../fixtures/tiny_model.js";

const moment = { seed: 4, step: 2, microBatch: 1 };
const batch = tinyBatch([9, 6, 8]);
const M = shiftedTargets(batch).ids.length;
const WHOLE: Chunks = { count: 1, rows: 1 };

function randomValues(plan: TrainingPlan): Map<string, Float32Array> {
  const random = createRandom(3, "values");
  const draw = (shape: readonly number[]) =>
    Float32Array.from({ length: elementCount(shape) }, () => 0.3 * random.normal());
  return new Map(plan.parameters.map(({ name, shape }) => [name, draw(shape)]));
}

const lora = (config: Partial<LoraConfig>) => (base: BaseModel) =>
  planAdapter(base, { ...defaultLoraConfig, r: 2, targetModules: ["q_proj", "v_proj"], ...config });

const heads: readonly [
  string,
  string,
  Readonly<Record<string, unknown>>,
  (base: BaseModel) => TrainingPlan,
][] = [
  ["frozen", "llama", {}, lora({})],
  ["frozen and tied", "qwen2", { tie_word_embeddings: true }, lora({})],
  ["adapted, with dropout", "phi", {}, lora({ targetModules: ["lm_head", "fc1"], dropout: 0.3 })],
  ["adapted alone", "phi", {}, lora({ targetModules: ["lm_head"] })],
  ["trained whole, beside adapters", "phi", {}, lora({ modulesToSave: ["lm_head"], bias: "all" })],
  [
    "trained whole and adapted",
    "llama",
    {},
    lora({ modulesToSave: ["embed_tokens"], targetModules: ["lm_head"] }),
  ],
  ["of a model that is trained whole", "phi", {}, planWhole],
  ["of a model that is trained whole, tied", "llama", { tie_word_embeddings: true }, planWhole],
];

describe.each(heads)("a head that is %s", (_, family, overrides, planOf) => {
  it.each<Chunks>([
    { count: 3, rows: 1 },
    { count: 4, rows: 6 },
    // More chunks than positions, so that some are empty.
    { count: M + 2, rows: 1 },
  ])("gives the same losses and gradients in chunks: %j", async (chunks) => {
    const base = await openBaseModel(await createTinyModel(family, { overrides }));
    const plan = planOf(base);
    const values = randomValues(plan);
    const differentiate = async (how: Chunks) => {
      const objective = await createObjective(base, plan, { chunks: how, numThreads: 1 });
      const found = await objective.differentiate(batch, values, moment);
      await objective.release();
      return found;
    };
    const [once, parts] = [await differentiate(WHOLE), await differentiate(chunks)];
    expect(parts.tokens).toBe(M);
    expect(parts.loss / once.loss).toBeCloseTo(1, 6);
    for (const [name, gradient] of once.gradients) {
      const found = parts.gradients.get(name)!;
      const scale = Math.max(...gradient.map(Math.abs));
      for (const [i, g] of gradient.entries())
        expect(Math.abs(g - found[i]!), name).toBeLessThanOrEqual(1e-6 + 1e-5 * scale);
    }
  });
});

describe("evaluation in chunks", () => {
  it("finds the same losses and tokens", async () => {
    const base = await openBaseModel(await createTinyModel("phi"));
    const run = async (chunks: Chunks) => {
      const session = await createSession(buildLossGraph(base, undefined, chunks), { numThreads: 1 });
      const { losses, predicted } = await session.run(lossInputs(batch, shiftedTargets(batch), chunks));
      await session.release();
      expect([losses!.dims, predicted!.dims]).toEqual([[M], [M]]);
      return { losses: [...(losses!.data as Float32Array)], predicted: predicted!.data };
    };
    const whole = await run(WHOLE);
    for (const chunks of [
      { count: 3, rows: 2 },
      { count: M + 1, rows: 1 },
    ]) {
      const found = await run(chunks);
      expect(found.predicted).toEqual(whole.predicted);
      for (const [i, loss] of whole.losses.entries()) expect(found.losses[i]).toBeCloseTo(loss, 5);
    }
    const evaluator = await createLossEvaluator(base, undefined);
    const sums = await evaluator.evaluate([batch], new Map());
    await evaluator.release();
    expect(sums.tokens).toBe(M);
    expect(sums.loss).toBeCloseTo(
      whole.losses.reduce((sum, loss) => sum + loss, 0),
      4,
    );
  });
});

describe("chunks", () => {
  it("are full from the first on, and grow where there would be too many", () => {
    expect(chunkSizes({ count: 4, rows: 10 }, 25)).toEqual([10, 10, 5, 0]);
    expect(chunkSizes({ count: 4, rows: 10 }, 8)).toEqual([8, 0, 0, 0]);
    expect(chunkSizes({ count: 4, rows: 10 }, 49)).toEqual([13, 13, 13, 10]);
    expect(chunkSizes({ count: 4, rows: 1 }, 5)).toEqual([2, 2, 1, 0]);
    const inputs = chunkInputs({ count: 3, rows: 2 }, 5);
    expect(Object.values(inputs).map(({ data }) => Array.from(data, Number))).toEqual([[0, 1], [2, 3], [4]]);
  });

  it("are as many as the largest batch needs; of a trained head as few as keep its gradients cheap", async () => {
    const base = await openBaseModel(await createTinyModel("llama"));
    const tied = await openBaseModel(
      await createTinyModel("llama", { overrides: { tie_word_embeddings: true } }),
    );
    const frozen = planAdapter(base, defaultLoraConfig);
    expect(chunksFor(base, frozen, 40)).toEqual({ count: 1, rows: 256 });
    expect(chunksFor(base, frozen, 600)).toEqual({ count: 3, rows: 256 });
    expect(chunksFor(base, frozen, 1e6)).toEqual({ count: 16, rows: 256 });
    expect(chunksFor(base, frozen)).toEqual({ count: 16, rows: 256 });
    expect(chunksFor(base, undefined).count).toBe(16);
    for (const [model, plan] of [
      [base, planWhole(base)],
      [tied, planWhole(tied)],
      [base, lora({ modulesToSave: ["lm_head"] })(base)],
    ] as const)
      expect(chunksFor(model, plan).count).toBe(1);
    // An embedding that is trained as a copy leaves a tied head behind.
    expect(chunksFor(tied, lora({ modulesToSave: ["embed_tokens"] })(tied)).count).toBe(16);
    const wide = { ...base, config: { ...base.config, hiddenSize: 2048 } };
    expect(chunksFor(wide, planWhole(base), 5000)).toEqual({ count: 3, rows: 2048 });
  });

  it("hold logits one after the other, computed with their gradients", async () => {
    const base = await openBaseModel(await createTinyModel("llama", { overrides: { vocab_size: 16_384 } }));
    const plan = planAdapter(base, defaultLoraConfig);
    const sizes = { B: 2, T: 64, "B*T": 128, M: 96 };
    const logits = (count: number): number => {
      const graph = buildTrainingGraph(base, plan, { chunks: { count, rows: 1 } });
      const parts = chunkSizes({ count, rows: 1 }, sizes.M).map((size, i) => [`M${i}`, size] as const);
      return estimateRuns(graph, [{ ...sizes, ...Object.fromEntries(parts) }], 16_384).logits;
    };
    expect(logits(1)).toBe(96 * 16_384 * 4);
    expect(logits(8)).toBe(12 * 16_384 * 4);
    const graph = buildTrainingGraph(base, plan, { chunks: { count: 3, rows: 1 } });
    const order = await computedOrder(graph, `${base.folder}/model.safetensors`, {
      ...sizes,
      ...{ M: 6, M0: 2, M1: 2, M2: 2 },
    });
    const places = (pattern: RegExp) => order.flatMap((name, i) => (pattern.test(name) ? [i] : []));
    const products = places(/^lm_head\/gemm(_\d)?$/);
    const gradients = places(/^lm_head\/gemm_grad\/gemm(_\d)?$/);
    expect([products.length, gradients.length]).toEqual([3, 3]);
    for (const i of [0, 1, 2]) {
      expect(gradients[i]).toBeGreaterThan(products[i]!);
      if (i < 2) expect(products[i + 1]).toBeGreaterThan(gradients[i]!);
    }
    // Nothing of the layers is differentiated before the last chunk is done.
    expect(Math.min(...places(/layers.*_grad\/gemm/))).toBeGreaterThan(gradients[2]!);
  });
});
