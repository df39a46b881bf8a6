// The real program with --load-in-4bit -> a run that trains, plans, evaluates and answers, and refusals.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { runBinary, START } from "../fixtures/binary.js";

const ROWS = ["--model", START.model, "--dataset", START.dataset, "--max-length", "384"];
const SHORT = [...ROWS, "--eval-size", "2", "--per-device-train-batch-size", "1", "--load-in-4bit"];
let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "phinetune-nf4-"));
  process.env.PHINETUNE_CACHE = join(root, "cache");
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

it("trains, tells of the rounding once, plans, evaluates, answers and talks", async () => {
  const folder = join(root, "run");
  const words = ["train", ...SHORT, "--sample-rows", "0", "--num-threads", "1", "--gradient-checkpointing"];
  const trained = await runBinary([...words, "--max-steps", "2", "--output-dir", folder]);
  expect(trained.stderr).toMatch(/rounding the weights of \d+ layers to 4 bits/);
  expect(trained.code).toBe(0);
  expect(readdirSync(join(root, "cache"))).toEqual(["nf4"]);
  const { options } = JSON.parse(readFileSync(join(folder, "run.json"), "utf8")) as {
    options: Record<string, unknown>;
  };
  expect(options).toMatchObject({ loadIn4bit: true, loadIn8bit: false, bnb4bitUseDoubleQuant: true });

  const adapter = ["--adapter", folder];
  const prompt = ["--instruction", "Add 1 and 2.", "--max-new-tokens", "3"];
  const all = await Promise.all([
    runBinary(["plan", ...SHORT, "--calibration-steps", "0", "--json"]),
    runBinary([
      "eval",
      ...ROWS,
      ...adapter,
      "--load-in-4bit",
      "--max-rows",
      "2",
      "--max-new-tokens",
      "2",
      "--json",
    ]),
    runBinary(["generate", "--model", START.model, ...adapter, "--load-in-4bit", ...prompt]),
    runBinary(["chat", "--model", START.model, "--load-in-4bit", "--max-new-tokens", "2"], {
      input: "Hello\n",
    }),
  ]);
  for (const { code, stderr } of all) {
    expect(code, stderr).toBe(0);
    expect(stderr).not.toContain("rounding");
  }
  const { memory } = JSON.parse(all[0]!.stdout) as { memory: { parts: Record<string, number> } };
  expect(memory.parts.weights_converted).toBeGreaterThan(0);
});

it("is refused with --load-in-8bit, and where every weight is trained", async () => {
  const both = await runBinary(["generate", "--model", START.model, "--load-in-4bit", "--load-in-8bit"]);
  expect(both.code).toBe(2);
  expect(both.stderr).toContain("--load-in-8bit and --load-in-4bit were both given");
  const full = await runBinary(["train", ...SHORT, "--method", "full", "--output-dir", join(root, "full")]);
  expect(full.code).toBe(2);
  expect(full.stderr).toContain("--load-in-4bit rounds weights that stay as they are");
});
