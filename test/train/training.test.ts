// What holds for every family and every setting of the training: sums, switching off, reproducibility, the frozen base.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { planAdapter } from "../../src/adapters/attach.js";
import { defaultLoraConfig, type LoraConfig } from "../../src/adapters/config.js";
import type { TrainingPlan } from "../../src/adapters/plan.js";
import type { Batch } from "../../src/data/types.js";
import { createLossEvaluator, meanLoss } from "../../src/evaluate/loss.js";
import { elementCount } from "../../src/formats/tensor.js";
import { printGraph } from "../../src/graph/graph.js";
import { openBaseModel } from "../../src/models/base_model.js";
import { createRandom } from "../../src/random.js";
import { createTrainState, type LoopOptions, trainingLoop } from "../../src/train/loop.js";
import { buildTrainingGraph, createObjective } from "../../src/train/objective.js";
import { splitBatch, tinyBatch } from "../fixtures/tiny_batch.js";
import { createTinyModel } from "../fixtures/tiny_model.js";

const still = { seed: 0, step: 0, microBatch: 0 };

/** Random values for all trained parameters, so that every gradient lives. */
function randomValues(plan: TrainingPlan, seed = 3): Map<string, Float32Array> {
  const random = createRandom(seed, "values");
  return new Map(
    plan.parameters.map(({ name, shape }) => [
      name,
      Float32Array.from({ length: elementCount(shape) }, () => 0.3 * random.normal()),
    ]),
  );
}

async function prepare(modelType: string, config: Partial<LoraConfig>, overrides = {}) {
  const base = await openBaseModel(await createTinyModel(modelType, { overrides }));
  const plan = planAdapter(base, { ...defaultLoraConfig, r: 2, targetModules: "all-linear", ...config });
  return { base, plan, values: randomValues(plan) };
}

const loopOptions: LoopOptions = {
  schedule: { name: "linear", learningRate: 0.01, warmupSteps: 0, totalSteps: 6 },
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0.1,
  decayAll: false,
  maxGradNorm: 1,
  gradientAccumulationSteps: 1,
  stepsPerEpoch: 1,
  seed: 7,
};

describe.each(["phi", "llama", "qwen2"])("%s", (modelType) => {
  it("has gradients that agree with central differences of its loss", async () => {
    const { base, plan, values } = await prepare(modelType, { bias: "all", modulesToSave: ["lm_head"] });
    const batch = tinyBatch([9, 6]);
    const objective = await createObjective(base, plan);
    const { gradients } = await objective.differentiate(batch, values, still);
    const random = createRandom(5);
    for (const { name } of plan.parameters) {
      const direction = values.get(name)!.map(() => random.normal());
      const slope = gradients.get(name)!.reduce((sum, g, i) => sum + g * direction[i]!, 0);
      const lossAt = async (step: number) => {
        const moved = new Map(values).set(
          name,
          values.get(name)!.map((x, i) => x + step * direction[i]!),
        );
        return (await objective.differentiate(batch, moved, still)).loss;
      };
      const h = 1e-2 / Math.max(1, Math.hypot(...direction));
      const difference = ((await lossAt(h)) - (await lossAt(-h))) / (2 * h);
      expect(Math.abs(slope - difference), name).toBeLessThan(0.02 * Math.abs(slope) + 5e-2);
    }
    await objective.release();
  });

  it("computes the same from rows alone, together and padded", async () => {
    const { base, plan, values } = await prepare(modelType, { bias: "lora_only" });
    const whole = tinyBatch([12, 7, 5]);
    const objective = await createObjective(base, plan);
    const together = await objective.differentiate(whole, values, still);
    const sums = new Map<string, number[]>();
    let [loss, tokens] = [0, 0];
    for (const part of splitBatch(whole, [[0], [1], [2]])) {
      const alone = await objective.differentiate(part, values, still);
      loss += alone.loss;
      tokens += alone.tokens;
      for (const [name, g] of alone.gradients)
        sums.set(
          name,
          [...g].map((x, i) => x + (sums.get(name)?.[i] ?? 0)),
        );
    }
    expect(tokens).toBe(together.tokens);
    expect(loss).toBeCloseTo(together.loss, 3);
    for (const [name, g] of together.gradients) {
      const scale = Math.max(...g.map(Math.abs), 1e-3);
      for (const [i, x] of g.entries())
        expect(Math.abs(x - sums.get(name)![i]!) / scale, name).toBeLessThan(1e-4);
    }
    await objective.release();
  });

  it("gives the base back exactly with the adapter off, trained biases or not", async () => {
    const { base, plan, values } = await prepare(modelType, { bias: "all" });
    const lossWith = async (used: TrainingPlan | undefined) => {
      const evaluator = await createLossEvaluator(base, used);
      const sums = await evaluator.evaluate([tinyBatch([8, 8])], values);
      await evaluator.release();
      return meanLoss(sums);
    };
    const before = await lossWith(undefined);
    const objective = await createObjective(base, plan);
    for await (const _ of trainingLoop(
      plan,
      objective,
      () => [tinyBatch([8, 8])],
      createTrainState(values),
      loopOptions,
    ));
    await objective.release();
    expect(await lossWith(undefined)).toBe(before);
    expect(await lossWith(plan)).not.toBe(before);
  });

  it("never writes the base", async () => {
    const { base, plan, values } = await prepare(modelType, { bias: "all", modulesToSave: ["embed_tokens"] });
    const digest = () =>
      createHash("sha256")
        .update(readFileSync(join(base.folder, "model.safetensors")))
        .digest("hex");
    const before = digest();
    const objective = await createObjective(base, plan);
    for await (const _ of trainingLoop(
      plan,
      objective,
      () => [tinyBatch([8, 3])],
      createTrainState(values),
      loopOptions,
    ));
    await objective.release();
    expect(digest()).toBe(before);
  });

  it("has no gradient of a frozen weight in its graph", async () => {
    const { base, plan } = await prepare(
      modelType,
      { targetModules: ["q_proj", "v_proj"] },
      { num_hidden_layers: 1 },
    );
    const graph = buildTrainingGraph(base, plan, { chunks: { count: 2, rows: 256 } });
    const names = graph.steps.flatMap(({ outputs }) => outputs);
    for (const { outputs } of graph.weights) expect(names).not.toContain(`${outputs[0]}_grad`);
    expect(graph.results.map(({ name }) => name).sort()).toEqual(
      ["losses", ...plan.parameters.map(({ name }) => `${name}_grad`)].sort(),
    );
    await expect(`${printGraph(graph)}\n`).toMatchFileSnapshot(`./snapshots/${modelType}.txt`);
  });
});

async function train(batches: readonly Batch[], options: Partial<LoopOptions>, dropout = 0) {
  const { base, plan, values } = await prepare("llama", { dropout });
  const objective = await createObjective(base, plan);
  const state = createTrainState(values);
  const losses: number[] = [];
  for await (const { loss } of trainingLoop(plan, objective, () => batches, state, {
    ...loopOptions,
    ...options,
  }))
    losses.push(loss);
  await objective.release();
  return { losses, values: state.values };
}

describe("the loop", () => {
  const whole = tinyBatch([12, 7, 5, 4]);

  it("makes accumulation of unequal lengths equal to the one big batch", async () => {
    const big = await train([whole], {});
    const parts = await train(splitBatch(whole, [[0], [1, 2], [3]]), { gradientAccumulationSteps: 3 });
    for (const [i, loss] of big.losses.entries()) expect(parts.losses[i]).toBeCloseTo(loss, 5);
    for (const [name, x] of big.values)
      for (const [i, value] of x.entries()) expect(parts.values.get(name)![i]).toBeCloseTo(value, 4);
  });

  it("repeats a run with dropout to the bit, and no other seed does", async () => {
    const first = await train([whole], {}, 0.3);
    const second = await train([whole], {}, 0.3);
    const other = await train([whole], { seed: 8 }, 0.3);
    expect(second).toEqual(first);
    expect(other.losses).not.toEqual(first.losses);
    expect((await train([whole], {})).losses).not.toEqual(first.losses);
  });

  it("drops inputs of an adapted output head too, where only trained positions arrive", async () => {
    const config = { targetModules: ["lm_head"] };
    const { base, plan, values } = await prepare("phi", { ...config, dropout: 0.4 });
    const objective = await createObjective(base, plan);
    const batch = tinyBatch([9, 6]);
    const [first, again] = [
      await objective.differentiate(batch, values, still),
      await objective.differentiate(batch, values, still),
    ];
    const later = await objective.differentiate(batch, values, { ...still, step: 1 });
    await objective.release();
    expect(again).toEqual(first);
    expect(later.loss).not.toBe(first.loss);
  });

  it("leaves biases and norms undecayed unless told otherwise", async () => {
    const { base, plan } = await prepare("phi", { bias: "all", modulesToSave: ["final_layernorm"] });
    const undecayed = plan.parameters.filter((parameter) => parameter.undecayed).map(({ name }) => name);
    expect(undecayed).toContain("model.final_layernorm.weight");
    expect(undecayed).toContain("model.layers.0.self_attn.q_proj.bias");
    expect(undecayed).not.toContain("model.layers.0.self_attn.q_proj.lora_A.weight");
    const objective = await createObjective(base, plan);
    const run = async (decayAll: boolean) => {
      const state = createTrainState(randomValues(plan));
      const options = {
        ...loopOptions,
        decayAll,
        weightDecay: 0.5,
        schedule: { ...loopOptions.schedule, totalSteps: 1 },
      };
      for await (const _ of trainingLoop(plan, objective, () => [tinyBatch([8])], state, options));
      return state.values;
    };
    const [some, all] = [await run(false), await run(true)];
    await objective.release();
    for (const { name, undecayed: spared } of plan.parameters)
      expect([...some.get(name)!].join() === [...all.get(name)!].join(), name).toBe(!spared);
  });

  it("stops at a loss that is not finite, with step and rows", async () => {
    const { base, plan, values } = await prepare("llama", {});
    const objective = await createObjective(base, plan);
    values.get(plan.parameters[0]!.name)!.fill(Number.NaN);
    const run = async () => {
      for await (const _ of trainingLoop(
        plan,
        objective,
        () => [whole],
        createTrainState(values),
        loopOptions,
      ));
    };
    await expect(run()).rejects.toThrow(/loss NaN.*step 1, rows 0, 1, 2, 3/s);
    await objective.release();
  });

  it("refuses a batch without a trained token", async () => {
    const { base, plan, values } = await prepare("llama", {});
    const objective = await createObjective(base, plan);
    await expect(objective.differentiate(tinyBatch([2, 1]), values, still)).rejects.toThrow(
      "no trained token",
    );
    await objective.release();
  });
});
