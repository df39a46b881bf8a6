// `phinetune plan` on the model that the repository holds -> what it tells, what it refuses, and that it writes nothing.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runBinary, START } from "../fixtures/binary.js";

const WORDS = [
  "plan",
  "--model",
  START.model,
  "--dataset",
  START.dataset,
  "--per-device-train-batch-size",
  "2",
];
let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "phinetune-plan-"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

interface Plan {
  readonly modules: readonly { name: string; count: number; shape: number[]; r: number }[];
  readonly trained: Record<string, number>;
  readonly trainable_params: number;
  readonly train_rows: number;
  readonly eval_rows: number;
  readonly padding_share: number;
  readonly packing: { sequences: number; limit: number; padding: number; unpacked: number } | null;
  readonly statistics: { rows: number };
  readonly schedule: Record<string, number>;
  readonly memory: { parts: Record<string, number>; expected_peak: number; measured_peak: number | null };
  readonly time: {
    step_seconds: number;
    total_seconds: number;
    answering_seconds: number;
    answering_seconds_at_most: number;
    calibration: { steps: unknown[] };
  } | null;
}

async function planOf(...words: string[]): Promise<Plan> {
  const { code, stdout, stderr } = await runBinary([...WORDS, ...words, "--json"]);
  expect({ code, stderr: stderr.replace(/^timing.*\n/gm, "") }).toEqual({ code: 0, stderr: "" });
  return JSON.parse(stdout) as Plan;
}

describe("plan", () => {
  it("tells what is trained on what, in which steps, with which memory, without running anything", async () => {
    const output = join(root, "none");
    const words = ["--calibration-steps", "0", "--eval-size", "20", "--eval-strategy", "epoch"];
    const more = ["--lora-bias", "lora_only", "--save-steps", "100", "--warmup-ratio", "0.1"];
    const plan = await planOf(...words, ...more, "--output-dir", output);
    expect(plan.modules).toEqual([
      { name: "q_proj", count: 2, shape: [64, 64], r: 8 },
      { name: "v_proj", count: 2, shape: [64, 64], r: 8 },
      { name: "fc1", count: 2, shape: [256, 64], r: 8 },
      { name: "fc2", count: 2, shape: [64, 256], r: 8 },
    ]);
    // r*(in+out) of each, and the biases of these modules.
    expect(plan.trained).toEqual({ adapter: 14_336, bias: 2 * (64 + 64 + 256 + 64), whole_modules: 0 });
    expect(plan).toMatchObject({ train_rows: 280, eval_rows: 20, statistics: { rows: 300 }, time: null });
    expect(plan.padding_share).toBeGreaterThan(0);
    expect(plan.padding_share).toBeLessThan(0.1);
    expect(plan.schedule).toMatchObject({
      max_steps: 420,
      steps_per_epoch: 140,
      warmup_steps: 42,
      evaluations: 5,
      checkpoints: 4,
      checkpoint_bytes: 12 * plan.trainable_params,
    });
    const { parts, expected_peak, measured_peak } = plan.memory;
    expect(measured_peak).toBeNull();
    expect(expected_peak).toBeCloseTo(Object.values(parts).reduce((sum, bytes) => sum + bytes));
    expect(existsSync(output)).toBe(false);
  });

  it("counts the answers of evaluations, in time and memory", async () => {
    const words = [
      "--eval-size",
      "20",
      "--max-steps",
      "4",
      "--max-new-tokens",
      "40",
      "--calibration-steps",
      "1",
    ];
    const none = await planOf(...words, "--sample-rows", "0");
    expect(none.time).toMatchObject({ answering_seconds: 0, answering_seconds_at_most: 0 });
    const samples = await planOf(...words, "--sample-rows", "4");
    const all = await planOf(
      ...words,
      "--predict-with-generate",
      "--eval-strategy",
      "steps",
      "--eval-steps",
      "1",
    );
    for (const { time } of [samples, all]) {
      expect(time!.answering_seconds).toBeGreaterThan(0);
      expect(time!.answering_seconds_at_most).toBeGreaterThan(time!.answering_seconds);
      expect(time!.total_seconds).toBeGreaterThan(time!.answering_seconds);
    }
    // 6 evaluations of 20 rows instead of 2 of 4.
    expect(all.time!.answering_seconds_at_most).toBeGreaterThan(3 * samples.time!.answering_seconds_at_most);
    expect(all.memory.expected_peak).toBeGreaterThan(none.memory.expected_peak);
  });

  it("times real steps and holds its estimate to the memory they took", async () => {
    const plan = await planOf("--calibration-steps", "2", "--max-steps", "50");
    expect(plan.time!.calibration.steps.length).toBe(2);
    expect(plan.time!.step_seconds).toBeGreaterThan(0);
    expect(plan.time!.total_seconds).toBeGreaterThan(49 * plan.time!.step_seconds);
    expect(plan.memory.expected_peak).toBeGreaterThan(0.9 * plan.memory.measured_peak!);
  });

  it("counts every value of a whole model", async () => {
    const plan = await planOf("--calibration-steps", "0", "--method", "full");
    expect(plan.modules).toEqual([]);
    expect(plan.trained.adapter).toBe(0);
    expect(plan.trained.bias! + plan.trained.whole_modules!).toBe(plan.trainable_params);
  });

  it("counts sequences where rows are packed", async () => {
    const words = ["--calibration-steps", "0", "--num-train-epochs", "2"];
    const [plain, packed] = [await planOf(...words), await planOf(...words, "--packing")];
    expect(plain.packing).toBeNull();
    // The model has 512 positions, fewer than --max-length.
    const { sequences, limit, padding, unpacked } = packed.packing!;
    expect(limit).toBe(512);
    expect(sequences).toBeLessThan(200);
    expect(padding).toBeLessThan(0.02);
    expect(padding).toBeCloseTo(packed.padding_share, 10);
    expect(unpacked).toBeCloseTo(plain.padding_share, 10);
    const stepsPerEpoch = Math.ceil(sequences / 2);
    expect(packed).toMatchObject({ train_rows: 300, eval_rows: 0, statistics: plain.statistics });
    expect(packed.schedule).toMatchObject({ steps_per_epoch: stepsPerEpoch, max_steps: 2 * stepsPerEpoch });
    const data = await runBinary(["data", ...WORDS.slice(1, 5), "--packing", "--rows", "0"]);
    expect(data.stdout).toMatch(
      new RegExp(
        `^packed +${sequences} sequences of at most 512 tokens; \\d\\.\\d % of the tokens in batches is padding, without packing \\d+\\.\\d %$`,
        "m",
      ),
    );
  });

  it("shows tables to a person", async () => {
    const { stdout, code } = await runBinary([...WORDS, "--calibration-steps", "0"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Trained\n {2}modules +q_proj {2}2 x \[64, 64\] {2}r 8$/m);
    expect(stdout).toMatch(/trainable params: 14,336 \|\| all params: 148,232 \|\| trainable%: 9\.6713/);
    expect(stdout).toMatch(/100\.0 % end with a trained end token/);
    expect(stdout).toMatch(/▇ \d+$/m);
    expect(stdout).toMatch(/^ {2}\d+ MB +expected at the peak$/m);
    expect(stdout).toContain("no steps were timed");
  });

  it("takes the configuration of a training as it is", async () => {
    const config = join(root, "run.yaml");
    writeFileSync(config, "lora_r: 2\ncalibration_steps: 0\n");
    expect((await planOf("--config", config)).modules[0]!.r).toBe(2);
  });
});

describe("what train would refuse, plan refuses with the same words", () => {
  it.each([
    [["--lora-target-modules", "query"], "query"],
    [["--eval-strategy", "epoch"], "no rows are held out"],
    [["--output-dir", "src"], "the output folder is not empty"],
    [["--output-dir", START.model, "--overwrite-output-dir"], "is the folder of the model"],
    [["--resume-from-checkpoint", "--output-dir", "nowhere"], "there is no checkpoint to go on from"],
    [["--max-length", "2"], ""],
  ])("%j", async (words, message) => {
    const plan = await runBinary([...WORDS, ...words]);
    const train = await runBinary(["train", ...WORDS.slice(1), ...words]);
    expect(plan.code).not.toBe(0);
    expect(plan).toEqual({ ...train, stderr: train.stderr.replaceAll("phinetune train", "phinetune plan") });
    expect(plan.stderr).toContain(message);
  });
});

it("train tells the memory that it expects before its first step, and what packing does", async () => {
  const words = ["train", ...WORDS.slice(1), "--max-steps", "1", "--output-dir", join(root, "run")];
  const { stderr } = await runBinary([...words, "--packing"]);
  expect(stderr).toMatch(/^expected memory: \d+ MB at the peak\nstep 1\/1/m);
  expect(stderr).toMatch(/^packed: \d+ sequences of at most 512 tokens; \d\.\d % of the tokens/m);
});
