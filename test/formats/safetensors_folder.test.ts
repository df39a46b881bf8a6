import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { PhinetuneError } from "../../src/errors.js";
import { fromFloat32, toFloat32 } from "../../src/formats/dtype.js";
import { encodeSafetensors, openSafetensorsFolder, readTensor } from "../../src/formats/safetensors.js";

const root = mkdtempSync(join(tmpdir(), "phinetune-folder-"));
let folders = 0;

/** A folder with these files: an object is written as JSON, a list of numbers by name as safetensors. */
function folderWith(files: Readonly<Record<string, Uint8Array | object | string>>): string {
  const folder = join(root, String(folders++));
  mkdirSync(folder);
  for (const [name, content] of Object.entries(files)) {
    const raw = content instanceof Uint8Array || typeof content === "string";
    writeFileSync(join(folder, name), raw ? content : JSON.stringify(content));
  }
  return folder;
}

function shard(tensors: Readonly<Record<string, readonly number[]>>): Uint8Array {
  const map = Object.entries(tensors).map(
    ([name, values]) => [name, fromFloat32(Float32Array.from(values), "F32", [values.length])] as const,
  );
  return encodeSafetensors(new Map(map), { format: "pt" });
}

const index = (weight_map: unknown) => ({ metadata: { total_size: 1 }, weight_map });

async function faultsOf(folder: string): Promise<string> {
  const error = await openSafetensorsFolder(folder).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(PhinetuneError);
  return (error as PhinetuneError).message;
}

test("one file", async () => {
  const { entries, metadata } = await openSafetensorsFolder(
    folderWith({ "model.safetensors": shard({ a: [1] }) }),
  );
  expect([...entries.keys()]).toEqual(["a"]);
  expect(metadata).toEqual({ format: "pt" });
});

test("shards: every tensor comes from the file that the index names", async () => {
  const folder = folderWith({
    "1.safetensors": shard({ a: [1], both: [10] }),
    "2.safetensors": shard({ b: [2], both: [20] }),
    "model.safetensors.index.json": index({ a: "1.safetensors", b: "2.safetensors", both: "2.safetensors" }),
  });
  const { entries, metadata } = await openSafetensorsFolder(folder);
  const values: Record<string, number[]> = {};
  for (const [name, entry] of entries) values[name] = [...toFloat32(await readTensor(entry))];
  expect(values).toEqual({ a: [1], b: [2], both: [20] });
  expect(metadata).toEqual({ format: "pt" });
});

test("every fault of an index and its shards is told at once", async () => {
  const folder = folderWith({
    "1.safetensors": shard({ "model.layer.weight": [1] }),
    "2.safetensors": shard({ b: [2] }).subarray(0, 20),
    "model.safetensors.index.json": index({
      "model.layers.weight": "1.safetensors",
      b: "2.safetensors",
      c: "3.safetensors",
      d: "../4.safetensors",
      e: "/etc/passwd",
      f: 7,
      g: "..\\5.safetensors",
      h: ".",
    }),
  });
  const lines = (await faultsOf(folder)).split("\n");
  expect(lines).toHaveLength(8);
  expect(lines[0]).toContain(
    "tensor model.layers.weight is listed for 1.safetensors, which does not hold it",
  );
  expect(lines[0]).toContain("it holds model.layer.weight");
  expect(lines[1]).toContain("the file is truncated");
  expect(lines[2]).toContain("shard 3.safetensors with 1 tensors (c, …) is missing");
  expect(lines[3]).toContain('shard "../4.safetensors" lies outside the model\'s folder');
  expect(lines[4]).toContain('shard "/etc/passwd" lies outside');
  expect(lines[5]).toContain("the file of tensor f is 7, not a name");
  expect(lines[6]).toContain("lies outside");
  expect(lines[7]).toContain("lies outside");
});

const deep = `{"weight_map": {"a": ${"[".repeat(5000)}${"]".repeat(5000)}}}`;
test.each([[{}], [{ weight_map: ["a"] }], ["{"], [deep]])("a broken index: %j", async (content) => {
  expect(await faultsOf(folderWith({ "model.safetensors.index.json": content }))).toMatch(/index/);
});

test("pickle is refused with the reason and what to do", async () => {
  const message = await faultsOf(folderWith({ "pytorch_model.bin": new Uint8Array(4), "config.json": {} }));
  expect(message).toContain("pickle (pytorch_model.bin), which runs code when read");
  expect(message).toContain("safe_serialization=True");
});

test("a folder without weights tells what it holds", async () => {
  expect(await faultsOf(folderWith({ "adapter_model.safetensors": new Uint8Array() }))).toContain(
    "it holds adapter_model.safetensors",
  );
  expect(await faultsOf(folderWith({}))).toContain("the folder holds neither model.safetensors nor");
  expect(await faultsOf(join(root, "none"))).toContain("there is no such file or folder");
});
