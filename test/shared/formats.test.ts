// Real weights and data beside the repository, against numbers that Python (safetensors, torch, json) gives for them.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { toFloat32 } from "../../src/formats/dtype.js";
import { readRows } from "../../src/formats/rows.js";
import {
  encodeSafetensors,
  openSafetensors,
  openSafetensorsFolder,
  readTensor,
} from "../../src/formats/safetensors.js";
import type { Tensor } from "../../src/formats/tensor.js";

const shared = process.env.PHINETUNE_SHARED ?? "../shared";

function filesUnder(folder: string, extension: RegExp): string[] {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return names.filter((name) => extension.test(name)).map((name) => join(folder, name));
}

describe("values", () => {
  // [file, tensor, dtype, shape, first value, last value, sum of all values in fp64]
  const cases = [
    [
      "models/stories15M/model.safetensors",
      "model.embed_tokens.weight",
      "F16",
      [32000, 288],
      -0.059814453125,
      -0.0231475830078125,
      34057.735401928425,
    ],
    [
      "models/stories15M/model.safetensors",
      "model.layers.3.self_attn.v_proj.weight",
      "F16",
      [288, 288],
      -0.002117156982421875,
      -0.01690673828125,
      -11.53920429944992,
    ],
    [
      "goldens/01_phi_qv/expected.safetensors",
      "grad/base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight",
      "F32",
      [8, 48],
      -0.0003779119288083166,
      -4.733296009362675e-5,
      -0.005452930903402375,
    ],
    [
      "goldens/02_phi_all_bias_all/adapter/adapter_model.safetensors",
      "base_model.model.lm_head.bias",
      "F32",
      [128],
      0.05124327540397644,
      0.005711140111088753,
      -0.4291863623075187,
    ],
  ] as const;
  test.each(cases)("%s %s", async (file, name, dtype, shape, first, last, sum) => {
    const { entries } = await openSafetensors(join(shared, file));
    const tensor = await readTensor(entries.get(name)!);
    expect(tensor).toMatchObject({ dtype, shape });
    const values = toFloat32(tensor);
    expect([values[0], values.at(-1)]).toEqual([first, last]);
    // The order of addition differs.
    expect(values.reduce((total, value) => total + value, 0)).toBeCloseTo(sum, 6);
  });
});

describe("every file that the reference libraries wrote", () => {
  const files = ["models", "goldens"].flatMap((name) => filesUnder(join(shared, name), /\.safetensors$/));
  test.each(files)("%s: encoded again, byte for byte", async (path) => {
    const { entries, metadata } = await openSafetensors(path);
    const tensors = new Map<string, Tensor>();
    for (const [name, entry] of entries) tensors.set(name, await readTensor(entry));
    const written = readFileSync(path);
    const hasMetadata = written.indexOf('"__metadata__"') >= 0;
    const encoded = encodeSafetensors(tensors, hasMetadata ? metadata : undefined);
    expect(written.equals(encoded)).toBe(true);
  });
});

test("a model folder opens by its header alone", async () => {
  const folder = join(shared, "models/stories15M");
  const { entries, metadata } = await openSafetensorsFolder(folder);
  expect(entries.size).toBe(56);
  expect(metadata).toEqual({ format: "pt" });
  const total = [...entries.values()].reduce((sum, { length }) => sum + length, 0);
  const smallest = Math.min(...[...entries.values()].map(({ offset }) => offset));
  expect(smallest + total).toBe(statSync(join(folder, "model.safetensors")).size);
});

describe("rows", () => {
  const files = filesUnder(join(shared, "data"), /\.jsonl?$/);
  test.each(files)("%s", async (path) => {
    const text = readFileSync(path, "utf8");
    const wanted = path.endsWith(".jsonl")
      ? text
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line) as unknown)
      : (JSON.parse(text) as unknown[]);
    const found: unknown[] = [];
    for await (const { fields } of readRows(path)) found.push(fields);
    expect(found).toEqual(wanted);
  });

  test("the alpaca sample has the rows and characters that Python counts", async () => {
    let rows = 0;
    let characters = 0;
    for await (const { fields } of readRows(join(shared, "data/alpaca_gpt4_sample_999.json"))) {
      rows++;
      for (const text of Object.values(fields)) characters += [...(text as string)].length;
    }
    expect({ rows, characters }).toEqual({ rows: 999, characters: 786622 });
  });
});
