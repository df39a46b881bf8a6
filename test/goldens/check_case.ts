// One golden case of PEFT -> the same numbers from phinetune: logits, loss, every gradient, a training run of 20 steps, merged weights.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadPeftAdapter } from "../../src/export/peft.js";
import { toFloat32 } from "../../src/formats/dtype.js";
import { readTensor } from "../../src/formats/safetensors.js";
import { inspect } from "../../src/inspect.js";
import { merge } from "../../src/merge.js";
import { openBaseModel } from "../../src/models/base_model.js";
import { createTrainState, trainingLoop } from "../../src/train/loop.js";
import { createObjective } from "../../src/train/objective.js";
import {
  type Hyper,
  largest,
  largestDifference,
  loopOptionsOf,
  readAll,
  readBatch,
  WAYS,
} from "./case_files.js";

/**
 * Largest accepted differences; see the README of the golden cases. Where float32 itself is further from float64 than
 * that is made for, `noiseFactor` times that distance.
 */
const TOLERANCE = {
  logits: 2e-5,
  loss: 1e-6,
  gradient: 1e-4,
  trainLoss: 1e-5,
  gradNorm: 1e-5,
  learningRate: 1e-9,
  noiseFactor: 10,
} as const;

const PLAIN_MERGE = { adapterWeights: undefined, overwriteOutputDir: true, push: undefined };

interface Expected {
  readonly trainable: readonly string[];
  readonly trainable_count: number;
  readonly hyper: Hyper;
  readonly train: {
    readonly loss: readonly number[];
    readonly grad_norm: readonly number[];
    readonly lr: readonly number[];
  };
  readonly fp32_noise: {
    readonly loss: number;
    readonly logits: number;
    readonly train_loss: number;
    readonly train_grad_norm_rel: number;
    readonly step20_by_param: Readonly<Record<string, number>>;
    readonly noise_decided_params: readonly string[];
    readonly [step: `step${number}`]: number;
  };
}

/** Folders of training cases below `root`. */
export function casesIn(root: string): readonly string[] {
  if (!existsSync(root)) return [];
  return readdirSync(root).filter(
    (name) =>
      existsSync(join(root, name, "adapter", "adapter_config.json")) &&
      existsSync(join(root, name, "expected.safetensors")),
  );
}

/** Registers the tests of one case. @param output folder for files that the check writes */
export function checkCase(folder: string, name: string, output: string): void {
  const model = join(folder, "model");
  const adapter = join(folder, "adapter");
  const expectedJson = JSON.parse(readFileSync(join(folder, "expected.json"), "utf8")) as Expected;

  describe(name, () => {
    it("computes PEFT's logits, loss and gradients", async () => {
      const expected = await readAll(join(folder, "expected.safetensors"));
      const { attentionMask } = readBatch(folder);
      const { tensors, loss } = await inspect({
        model,
        adapter,
        inputs: join(folder, "inputs.json"),
        output: join(output, `${name}.safetensors`),
      });
      const { noiseFactor } = TOLERANCE;
      const { fp32_noise: noise } = expectedJson;
      for (const key of ["logits", "logits_base"]) {
        const wanted = expected.get(key);
        if (!wanted) continue;
        const vocabSize = wanted.length / attentionMask.length;
        const isReal = (i: number) => attentionMask[Math.trunc(i / vocabSize)] === 1;
        expect(largestDifference(toFloat32(tensors.get(key)!), wanted, isReal), key).toBeLessThan(
          Math.max(TOLERANCE.logits, noiseFactor * noise.logits),
        );
      }
      expect(Math.abs(loss! - expected.get("loss")![0]!)).toBeLessThanOrEqual(
        Math.max(TOLERANCE.loss, noiseFactor * Math.max(noise.loss, noise.train_loss)),
      );
      const gradients = [...expected.keys()].filter((key) => key.startsWith("grad/"));
      expect(gradients.length).toBeGreaterThan(0);
      expect([...tensors.keys()].filter((key) => key.startsWith("grad/")).sort()).toEqual(gradients.sort());
      for (const key of gradients) {
        const wanted = expected.get(key)!;
        const absolute = largestDifference(toFloat32(tensors.get(key)!), wanted);
        const relative = absolute / Math.max(largest(wanted), 1e-6);
        if (!isRounding(key, wanted)) expect(relative, key).toBeLessThan(TOLERANCE.gradient);
        else expect(absolute, key).toBeLessThan(1e-7);
      }
    });

    it.each(WAYS)("trains as PEFT does for 20 steps%s", async (_, way) => {
      const expected = await readAll(join(folder, "expected.safetensors"));
      const base = await openBaseModel(model);
      const { plan, values } = await loadPeftAdapter(adapter, base);
      expect(plan.parameters.map(({ peftName }) => peftName).sort()).toEqual(
        [...expectedJson.trainable].sort(),
      );
      expect(plan.parameters.reduce((sum, { name: key }) => sum + values.get(key)!.length, 0)).toBe(
        expectedJson.trainable_count,
      );
      const { hyper, train, fp32_noise: noise } = expectedJson;
      const objective = await createObjective(base, plan, way);
      const state = createTrainState(values);
      const batch = readBatch(folder);
      const loop = trainingLoop(plan, objective, () => [batch], state, loopOptionsOf(hyper));
      let compared = 0;
      for await (const event of loop) {
        const i = event.step - 1;
        expect(Math.abs(event.loss - train.loss[i]!), `loss ${event.step}`).toBeLessThan(
          Math.max(TOLERANCE.trainLoss, 10 * noise.train_loss),
        );
        expect(Math.abs(event.grad_norm / train.grad_norm[i]! - 1), `norm ${event.step}`).toBeLessThan(
          Math.max(TOLERANCE.gradNorm, 10 * noise.train_grad_norm_rel),
        );
        expect(Math.abs(event.learning_rate - train.lr[i]!)).toBeLessThan(TOLERANCE.learningRate);
        for (const { name: key, peftName } of plan.parameters) {
          const wanted = expected.get(`step${event.step}/${peftName}`);
          if (!wanted || noise.noise_decided_params.includes(peftName)) continue;
          const ofStep = noise[`step${event.step}`] ?? 0;
          const accepted =
            TOLERANCE.noiseFactor *
            Math.max(ofStep, event.step === 20 ? (noise.step20_by_param[peftName] ?? 0) : 0, 1e-7);
          expect(
            largestDifference(state.values.get(key)!, wanted),
            `step ${event.step} ${peftName}`,
          ).toBeLessThan(accepted);
          compared++;
        }
      }
      await objective.release();
      expect(state.step).toBe(hyper.total_steps);
      expect(compared).toBeGreaterThan(0);
    });

    // Committed cases have no merged model beside them.
    if (existsSync(join(folder, "merged")))
      it("merges as PEFT does", async () => {
        const expected = await readAll(join(folder, "expected.safetensors"));
        const { attentionMask } = readBatch(folder);
        const merged = join(output, `${name}-merged`);
        const steps = merge({
          model,
          adapter: [adapter],
          outputDir: merged,
          dtype: "float32",
          ...PLAIN_MERGE,
        });
        while (!(await steps.next()).done);
        const { tensors } = await inspect({
          model: merged,
          inputs: join(folder, "inputs.json"),
          output: join(output, `${name}-merged.safetensors`),
        });
        const wanted = expected.get("logits")!;
        const vocabSize = wanted.length / attentionMask.length;
        const isReal = (i: number) => attentionMask[Math.trunc(i / vocabSize)] === 1;
        expect(largestDifference(toFloat32(tensors.get("logits")!), wanted, isReal)).toBeLessThan(
          Math.max(TOLERANCE.logits, TOLERANCE.noiseFactor * expectedJson.fp32_noise.logits),
        );
        // PEFT loses what it works into one of a tied pair; its own logits tell.
        const theirLogits = expected.get("logits_merged")!;
        if (largestDifference(theirLogits, wanted, isReal) > 1e-3) return;
        const theirs = (await openBaseModel(join(folder, "merged"))).tensors;
        const ours = (await openBaseModel(merged)).tensors;
        expect([...ours.keys()].sort()).toEqual([...theirs.keys()].sort());
        for (const [key, entry] of theirs) {
          const values = toFloat32(await readTensor(entry));
          const difference = largestDifference(toFloat32(await readTensor(ours.get(key)!)), values);
          expect(difference, key).toBeLessThan(1e-6 * Math.max(1, largest(values)));
        }
      });

    const oldConfig = join(folder, "config_v4.json");
    // Not every case has its configuration in the older form.
    if (!existsSync(oldConfig)) return;
    it("reads the configuration as transformers 4 wrote it", async () => {
      const { families } = await import("../../src/models/index.js");
      const { createConfigReader } = await import("../../src/models/config.js");
      const read = (path: string) => {
        const json = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
        return families
          .find(({ modelType }) => modelType === json.model_type)!
          .readConfig(createConfigReader(json, path));
      };
      expect(read(oldConfig)).toEqual(read(join(model, "config.json")));
    });
  });
}

/** A gradient that is zero but for rounding: key biases, which softmax cancels. */
function isRounding(key: string, wanted: Float32Array): boolean {
  return key.includes("k_proj") && key.endsWith("bias") && largest(wanted) < 1e-6;
}
