// A file of rows -> train.jsonl, validation.jsonl and test.jsonl of 80, 10 and 10 %, the same ones for the same seed.
// node bench/split_rows.mjs --data rows.json --output DIR [--seed 42]
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { readRows } from "../dist/formats/rows.js";
import { createRandom } from "../dist/random.js";

const { values: given } = parseArgs({
  options: {
    data: { type: "string" },
    output: { type: "string" },
    seed: { type: "string", default: "42" },
  },
});
const rows = [];
for await (const { fields } of readRows(given.data)) rows.push(fields);
const shuffled = createRandom(Number(given.seed), "80/10/10").shuffle(rows);
const tenth = Math.round(rows.length / 10);
const parts = {
  test: shuffled.slice(0, tenth),
  validation: shuffled.slice(tenth, 2 * tenth),
  train: shuffled.slice(2 * tenth),
};
mkdirSync(given.output, { recursive: true });
for (const [name, part] of Object.entries(parts)) {
  writeFileSync(join(given.output, `${name}.jsonl`), part.map((row) => `${JSON.stringify(row)}\n`).join(""));
  console.log(`${name}: ${part.length} rows`);
}
