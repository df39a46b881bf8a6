// The golden cases through the command line: `inspect`, and `train` on token ids starting from the case's adapter.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { toFloat32 } from "../../src/formats/dtype.js";
import { openSafetensors, readTensor } from "../../src/formats/safetensors.js";
import { temporaryFolder } from "../fixtures/tiny_model.js";

const cases = new URL("../goldens/cases/", import.meta.url).pathname;
const binary = new URL("../../dist/cli/main.js", import.meta.url).pathname;

async function largestDifference(a: string, nameInA: string, b: string, nameInB: string): Promise<number> {
  const [x, y] = await Promise.all(
    [[a, nameInA] as const, [b, nameInB] as const].map(async ([path, name]) =>
      toFloat32(await readTensor((await openSafetensors(path)).entries.get(name)!)),
    ),
  );
  expect(x!.length).toBe(y!.length);
  return x!.reduce((max, value, i) => Math.max(max, Math.abs(value - y![i]!)), 0);
}

interface Step {
  readonly type: string;
  readonly loss: number;
  readonly grad_norm: number;
  readonly learning_rate: number;
}

describe.each([
  ["phi_all_bias_all", []],
  ["llama_tied", []],
  ["qwen2_tied", ["--gradient-checkpointing"]],
])("%s %s", (name, flags) => {
  const folder = join(cases, name);
  const expected = join(folder, "expected.safetensors");
  const {
    train,
    hyper,
    trainable,
    fp32_noise: noise,
  } = JSON.parse(readFileSync(join(folder, "expected.json"), "utf8"));

  it("inspect writes the reference's numbers", async () => {
    const output = join(temporaryFolder(), "out.safetensors");
    execFileSync(
      process.execPath,
      [
        binary,
        "inspect",
        "--model",
        join(folder, "model"),
        "--adapter",
        join(folder, "adapter"),
        "--inputs",
        join(folder, "inputs.json"),
        "--output",
        output,
      ],
      { stdio: "ignore" },
    );
    expect(await largestDifference(output, "loss", expected, "loss")).toBeLessThanOrEqual(1e-6);
    const gradient = `grad/${trainable[0]}`;
    expect(await largestDifference(output, gradient, expected, gradient)).toBeLessThan(1e-5);
  });

  it("train makes the reference's 20 steps and saves the reference's tensors", async () => {
    const work = temporaryFolder();
    const options = {
      model: join(folder, "model"),
      adapter: join(folder, "adapter"),
      dataset: join(folder, "inputs.json"),
      "output-dir": join(work, "run"),
      "per-device-train-batch-size": 8,
      "max-steps": hyper.total_steps,
      "lr-scheduler-type": "cosine",
      "warmup-steps": hyper.warmup_steps,
      "learning-rate": hyper.lr,
      "weight-decay": hyper.weight_decay,
      "max-grad-norm": hyper.max_grad_norm,
    };
    const words = Object.entries(options).flatMap(([key, value]) => [`--${key}`, String(value)]);
    execFileSync(process.execPath, [binary, "train", ...words, ...flags, "--decay-all"], { stdio: "ignore" });
    const steps = readFileSync(join(work, "run", "events.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Step)
      .filter(({ type }) => type === "step");
    expect(steps).toHaveLength(hyper.total_steps);
    for (const [i, step] of steps.entries()) {
      expect(Math.abs(step.loss - train.loss[i])).toBeLessThan(Math.max(1e-5, 10 * noise.train_loss));
      expect(Math.abs(step.grad_norm / train.grad_norm[i] - 1)).toBeLessThan(1e-5);
      expect(step.learning_rate).toBeCloseTo(train.lr[i], 12);
    }
    const saved = join(work, "run", "adapter_model.safetensors");
    for (const key of trainable as string[]) {
      if (noise.noise_decided_params.includes(key)) continue;
      expect(await largestDifference(saved, key, expected, `step20/${key}`), key).toBeLessThan(
        10 * Math.max(noise.step20, 1e-7),
      );
    }
  });
});
