// The committed golden cases: phinetune against torch, transformers and PEFT. `make_goldens.py` makes them.
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { casesIn, checkCase } from "./check_case.js";
import { checkGeneration, generationCasesIn } from "./check_generation.js";
import { checkWhole, wholeCasesIn } from "./check_whole.js";

const root = new URL("./cases/", import.meta.url).pathname;
const output = mkdtempSync(join(tmpdir(), "phinetune-"));

it("finds its cases", () => {
  expect(casesIn(root).length).toBeGreaterThanOrEqual(8);
  expect(generationCasesIn(root).length).toBeGreaterThanOrEqual(2);
  expect(wholeCasesIn(root).length).toBeGreaterThanOrEqual(5);
});
for (const name of casesIn(root)) checkCase(join(root, name), name, output);
for (const name of generationCasesIn(root)) checkGeneration(root, name);
for (const name of wholeCasesIn(root)) checkWhole(root, name, output);
