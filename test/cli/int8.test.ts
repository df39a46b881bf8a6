// The real program with --load-in-8bit -> a run that trains, plans, evaluates and answers, and refusals.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { runBinary, START } from "../fixtures/binary.js";

const ROWS = ["--model", START.model, "--dataset", START.dataset, "--max-length", "384"];
const SHORT = [...ROWS, "--eval-size", "4", "--per-device-train-batch-size", "2", "--load-in-8bit"];
let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "phinetune-int8-"));
  process.env.PHINETUNE_CACHE = join(root, "cache");
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const train = (...words: string[]) =>
  runBinary(["train", ...SHORT, "--sample-rows", "0", "--num-threads", "1", ...words]);
const adapterIn = (folder: string) => readFileSync(join(folder, "adapter_model.safetensors"));

it("trains, tells of the rounding once, and goes on exactly", async () => {
  const whole = join(root, "whole");
  const words = ["--max-steps", "4", "--save-steps", "2", "--lora-dropout", "0.1"];
  const first = await train(...words, "--output-dir", whole);
  expect(first.stderr).toMatch(/rounding the weights of \d+ layers to 8 bits/);
  expect(first.code).toBe(0);
  expect(readdirSync(join(root, "cache", "int8")).length).toBe(1);
  const { options } = JSON.parse(readFileSync(join(whole, "run.json"), "utf8")) as {
    options: Record<string, unknown>;
  };
  expect(options.loadIn8bit).toBe(true);

  const from = ["--resume-from-checkpoint", join(whole, "checkpoint-2")];
  const before = adapterIn(whole);
  const again = await train(...words, "--output-dir", whole, ...from);
  expect(again.stderr).not.toContain("rounding");
  expect(again.code).toBe(0);
  expect(adapterIn(whole).equals(before)).toBe(true);

  const exact = await runBinary([
    ...["train", ...SHORT.filter((word) => word !== "--load-in-8bit"), ...words],
    ...["--output-dir", whole, ...from],
  ]);
  expect(exact.code).toBe(1);
  expect(exact.stderr).toContain("--load-in-8bit is false; the run was started with true");
});

it("plans, evaluates and answers", async () => {
  const plan = await runBinary(["plan", ...SHORT, "--calibration-steps", "0", "--json"]);
  expect(plan.code).toBe(0);
  const { memory } = JSON.parse(plan.stdout) as { memory: { parts: Record<string, number> } };
  expect(memory.parts.weights_converted).toBeGreaterThan(0);
  const compared = await runBinary([
    ...["eval", ...ROWS, "--load-in-8bit", "--max-rows", "3", "--max-new-tokens", "2", "--json"],
  ]);
  expect(compared.code).toBe(0);
  const answer = await runBinary([
    ...[
      "generate",
      "--model",
      START.model,
      "--load-in-8bit",
      "--instruction",
      "Add 1 and 2.",
      "--max-new-tokens",
      "3",
    ],
  ]);
  expect(answer.code).toBe(0);
});

it("is refused where every weight is trained", async () => {
  const { code, stderr } = await train("--method", "full", "--output-dir", join(root, "full"));
  expect(code).toBe(2);
  expect(stderr).toContain("--load-in-8bit rounds weights that stay as they are");
});
