// The golden cases beside the repository, and more of them in the folder PHINETUNE_GOLDENS.
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { casesIn, checkCase } from "../goldens/check_case.js";
import { checkGeneration, generationCasesIn } from "../goldens/check_generation.js";

const shared = process.env.PHINETUNE_SHARED ?? "../shared";
const output = mkdtempSync(join(tmpdir(), "phinetune-"));
for (const root of [join(shared, "goldens"), process.env.PHINETUNE_GOLDENS ?? ""]) {
  for (const name of casesIn(root)) checkCase(join(root, name), name, output);
}
for (const root of [join(shared, "goldens"), process.env.PHINETUNE_GOLDENS ?? ""]) {
  for (const name of generationCasesIn(root)) checkGeneration(root, name);
}
