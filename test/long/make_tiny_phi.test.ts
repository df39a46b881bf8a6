// `npm run make:tiny-phi` in short -> data, tokenizer and a model that has begun to learn, the same data each time.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openBaseModel } from "../../src/models/base_model.js";
import { ROOT } from "../fixtures/binary.js";

const root = mkdtempSync(join(tmpdir(), "phinetune-make-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const work = join(root, "work");
const output = join(root, "assets");

const hashOf = (path: string) => createHash("sha256").update(readFileSync(path)).digest("hex");
const events = () =>
  readFileSync(join(work, "pretrained", "events.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { type: string; phase?: string; eval_loss?: number });

beforeAll(() => {
  const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
  execFileSync(process.execPath, [tsc, "-p", "tsconfig.tools.json"], { cwd: ROOT });
  const program = join(ROOT, "dist-tools", "tools", "tiny-phi", "make.js");
  const words = ["--work", work, "--output", output, "--documents", "3000", "--steps", "40"];
  execFileSync(process.execPath, [program, ...words], { cwd: ROOT, stdio: "ignore" });
}, 600_000);

it("trains a model from scratch that predicts better than before", async () => {
  const losses = events().flatMap(({ type, eval_loss }) => (type === "evaluated" ? [eval_loss!] : []));
  expect(losses[0]).toBeGreaterThan(7);
  expect(losses.at(-1)).toBeLessThan(losses[0]! - 1.5);
  const base = await openBaseModel(join(output, "tiny-phi"));
  expect(base.config.vocabSize).toBe(3072);
  expect(readFileSync(join(output, "tiny-phi", "README.md"), "utf8")).toContain("40 steps");
});

it("makes the tokenizer and the instructions that the package holds", () => {
  for (const name of [
    "tiny-phi/tokenizer.json",
    "tiny-phi/tokenizer_config.json",
    "instructions/train.jsonl",
    "instructions/test.jsonl",
  ])
    expect(hashOf(join(output, name)), name).toBe(hashOf(join(ROOT, "assets", name)));
});
