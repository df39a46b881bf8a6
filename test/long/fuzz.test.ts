// Damaged files of every kind -> what is right, or a PhinetuneError: within a second, and without much memory.
//
// FUZZ_SEED takes other inputs, FUZZ_TIMES more or fewer. An input depends on nothing but the seed, its reader and its
// number. Where the process itself ends, its last files lie in the folder phinetune-fuzz-… of the temporary files.
import type * as promises from "node:fs/promises";
import { afterAll, expect, it, vi } from "vitest";
import { adapterFolder, checkpointFolder } from "./fuzz/adapter.js";
import { fuzz, type Reader, removeFolders, SEED, TIMES } from "./fuzz/harness.js";
import { modelConfig, tokenizerFiles } from "./fuzz/model.js";
import { parquetRows, textRows } from "./fuzz/rows.js";
import { shardedFolder, singleFile } from "./fuzz/safetensors.js";

vi.mock("node:fs/promises", async (original) => {
  const real = await original<typeof promises>();
  const { syncFiles } = await import("./fuzz/sync_files.js");
  return { ...real, ...syncFiles(real) };
});

const named = <T>(name: string, count: number, reader: () => Reader<T> | Promise<Reader<T>>) => ({
  name,
  count,
  run: async () => fuzz(name, Math.ceil(count * TIMES), await reader()),
});

const readers = [
  named("safetensors", 25_000, singleFile),
  named("safetensors in shards", 8000, shardedFolder),
  named("tokenizer.json", 9000, tokenizerFiles),
  named("config.json", 12_000, modelConfig),
  named("rows.json", 8000, () => textRows(".json")),
  named("rows.jsonl", 8000, () => textRows(".jsonl")),
  named("rows.csv", 9000, () => textRows(".csv")),
  named("rows.tsv", 6000, () => textRows(".tsv")),
  named("rows.parquet", 9000, parquetRows),
  named("adapter", 7000, adapterFolder),
  named("checkpoint", 6000, checkpointFolder),
];

let total = 0;
afterAll(() => {
  console.log(`${total} damaged inputs, seed ${SEED}`);
  removeFolders();
});

it.each(readers)("$name", async ({ name, run }) => {
  const started = performance.now();
  const { inputs, accepted, longest } = await run();
  total += inputs;
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(
    `${name}: ${inputs} in ${seconds} s, ${accepted} accepted, the slowest ${Math.round(longest)} ms`,
  );
  // Changes that leave nearly all or nothing readable test little.
  expect(accepted).toBeGreaterThan(0.02 * inputs);
  expect(accepted).toBeLessThan(0.9 * inputs);
});
