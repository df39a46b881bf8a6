// One golden case of training a whole model -> torch's loss, every gradient, and its tensors after 20 steps.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { initialValues } from "../../src/adapters/initial.js";
import { planWhole } from "../../src/adapters/whole.js";
import { toFloat32 } from "../../src/formats/dtype.js";
import { inspect } from "../../src/inspect.js";
import { openBaseModel } from "../../src/models/base_model.js";
import { createTrainState, trainingLoop } from "../../src/train/loop.js";
import { createObjective } from "../../src/train/objective.js";
import { largest, largestDifference, loopOptionsOf, readAll, readBatch, WAYS } from "./case_files.js";

interface Expected {
  readonly case: string;
  readonly hyper: Parameters<typeof loopOptionsOf>[0];
  readonly train: Readonly<Record<"loss" | "grad_norm" | "lr", readonly number[]>>;
  readonly step20_noise: Readonly<Record<string, number>>;
  readonly noise_decided_params: readonly string[];
  readonly train_loss_noise: number;
  readonly train_grad_norm_noise: number;
}

/** Names of the cases below `root`. */
export function wholeCasesIn(root: string): readonly string[] {
  return readdirSync(root).filter((name) => name.startsWith("whole_"));
}

/** Registers the tests of one case. @param output folder for files that the check writes */
export function checkWhole(root: string, name: string, output: string): void {
  const read = JSON.parse(readFileSync(join(root, name, "expected.json"), "utf8")) as Expected;
  const source = join(root, read.case);
  const model = join(source, "model");

  describe(name, () => {
    it("computes torch's loss and gradients", async () => {
      const expected = await readAll(join(root, name, "expected.safetensors"));
      const { tensors, loss } = await inspect({
        model,
        method: "full",
        inputs: join(source, "inputs.json"),
        output: join(output, `${name}.safetensors`),
      });
      expect(Math.abs(loss! - expected.get("loss")![0]!)).toBeLessThanOrEqual(1e-6);
      const gradients = [...expected.keys()].filter((key) => key.startsWith("grad/"));
      expect([...tensors.keys()].filter((key) => key.startsWith("grad/")).sort()).toEqual(gradients.sort());
      for (const key of gradients) {
        const wanted = expected.get(key)!;
        // Softmax cancels what a key's bias adds to all scores of a query: only rounding is left of its gradient.
        const scale = Math.max(largest(wanted), 1e-3);
        expect(largestDifference(toFloat32(tensors.get(key)!), wanted) / scale, key).toBeLessThan(1e-4);
      }
    });

    it.each(WAYS)("trains as torch does for 20 steps%s", async (_, way) => {
      const expected = await readAll(join(root, name, "expected.safetensors"));
      const base = await openBaseModel(model);
      const plan = planWhole(base);
      const state = createTrainState(await initialValues(base, plan, 0));
      const objective = await createObjective(base, plan, way);
      const batch = readBatch(source);
      for await (const event of trainingLoop(
        plan,
        objective,
        () => [batch],
        state,
        loopOptionsOf(read.hyper),
      )) {
        const [loss, norm] = [read.train.loss[event.step - 1]!, read.train.grad_norm[event.step - 1]!];
        expect(Math.abs(event.loss - loss)).toBeLessThan(Math.max(1e-5, 10 * read.train_loss_noise));
        expect(Math.abs(event.grad_norm / norm - 1)).toBeLessThan(
          Math.max(1e-5, 10 * read.train_grad_norm_noise),
        );
      }
      await objective.release();
      expect(state.step).toBe(read.hyper.total_steps);
      const compared = plan.parameters.filter(({ name: key }) => !read.noise_decided_params.includes(key));
      expect(compared.length).toBeGreaterThan(10);
      for (const { name: key } of compared) {
        const difference = largestDifference(state.values.get(key)!, expected.get(`step20/${key}`)!);
        expect(difference, key).toBeLessThan(10 * Math.max(read.step20_noise[key]!, 1e-7));
      }
    });
  });
}
