// The assets of the package -> whether they are what the code in tools/tiny-phi makes, byte for byte, and small enough.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { openBaseModel } from "../../src/models/base_model.js";
import { tinyPhiConfig } from "../../tools/tiny-phi/config.js";
import { writeInstructions } from "../../tools/tiny-phi/instructions.js";
import { ROOT } from "../fixtures/binary.js";

const MAX_BYTES = 12_000_000;
const folder = join(ROOT, "assets");

it("the instructions are what the generator makes", () => {
  const made = writeInstructions(1);
  for (const split of ["train", "validation", "test"] as const) {
    const lines = made[split].map((row) => `${JSON.stringify(row)}\n`).join("");
    expect(readFileSync(join(folder, "instructions", `${split}.jsonl`), "utf8") === lines, split).toBe(true);
  }
});

it("tiny-phi is a Phi in float16 with 1 to 4 million parameters", async () => {
  const base = await openBaseModel(join(folder, "tiny-phi"));
  expect(base.json).toMatchObject({ ...tinyPhiConfig, torch_dtype: "float16" });
  const tensors = [...base.tensors.values()];
  expect(new Set(tensors.map(({ dtype }) => dtype))).toEqual(new Set(["F16"]));
  const parameters = tensors.reduce((sum, { shape }) => sum + shape.reduce((n, size) => n * size, 1), 0);
  expect(parameters).toBeGreaterThan(1e6);
  expect(parameters).toBeLessThan(4e6);
});

it("all assets together are small", () => {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  const bytes = files.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);
  expect(bytes).toBeLessThan(MAX_BYTES);
});
