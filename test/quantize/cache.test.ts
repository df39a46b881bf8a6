// The cache of rounded weights: made once, found again, made again where it is damaged or belongs to other weights.
import { readdirSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openSafetensors } from "../../src/formats/safetensors.js";
import { openBaseModel } from "../../src/models/base_model.js";
import { openCache } from "../../src/quantize/cache.js";
import { int8Form } from "../../src/quantize/int8_form.js";
import { nestedNf4Form, plainNf4Form } from "../../src/quantize/nf4_form.js";
import { finish } from "../fixtures/gradient_error.js";
import { createTinyModel, temporaryFolder } from "../fixtures/tiny_model.js";

async function setUp(seed = 1) {
  const base = await openBaseModel(await createTinyModel("phi", { seed }));
  const cache = temporaryFolder();
  const weights = base.modules.flatMap(({ kind, path }) =>
    kind === "linear" ? [{ path, entry: base.tensors.get(`${path}.weight`)! }] : [],
  );
  const open = (unsigned = false, of = base) =>
    finish(openCache(of, weights, int8Form({ unsigned }), { PHINETUNE_CACHE: cache }));
  const open4 = (form: typeof nestedNf4Form | typeof plainNf4Form) =>
    finish(openCache(base, weights, form as typeof plainNf4Form, { PHINETUNE_CACHE: cache }));
  return { base, cache, weights, open, open4 };
}

const folderOf = (cache: string) => join(cache, "int8", readdirSync(join(cache, "int8"))[0]!);

describe("the cache", () => {
  it("is made once, a file a layer, and then found", async () => {
    const { cache, weights, open } = await setUp();
    const first = await open();
    expect(first.yielded.map(({ done }) => done)).toEqual(weights.map((_, i) => i));
    expect(first.yielded.every(({ repaired }) => repaired === undefined)).toBe(true);
    const folder = folderOf(cache);
    expect(readdirSync(folder).length).toBe(weights.length);
    const { yielded, result } = await open();
    expect(yielded).toEqual([]);
    expect(result).toEqual(first.result);
    const { forward, backward_scale } = result.get("lm_head")!;
    expect(forward).toMatchObject({ dtype: "I8", shape: [16, 32] });
    expect(backward_scale).toMatchObject({ dtype: "F32", shape: [16] });
  });

  const damages: readonly (readonly [string, (file: string) => void])[] = [
    ["cut", (file) => truncateSync(file, 300)],
    ["of another format", (file) => writeFileSync(file, "no safetensors")],
    [
      "changed in one bit",
      (file) => {
        const bytes = readFileSync(file);
        bytes[bytes.length - 5]! ^= 4;
        writeFileSync(file, bytes);
      },
    ],
  ];
  it.each(damages)("makes a file again that is %s, and says so", async (_, damage) => {
    const { cache, open } = await setUp();
    const { result } = await open();
    const file = result.get("model.layers.0.mlp.fc1")!.forward.file;
    const good = readFileSync(file);
    damage(file);
    const { yielded } = await open();
    expect(yielded.map(({ repaired }) => repaired)).toEqual([expect.stringContaining(file)]);
    expect(readFileSync(file).equals(good)).toBe(true);
    expect((await open()).yielded).toEqual([]);
    expect(readdirSync(folderOf(cache)).some((name) => name.endsWith(".tmp"))).toBe(false);
  });

  it("makes only what is missing, and removes what was left half-written long ago", async () => {
    const { cache, open } = await setUp();
    const { result } = await open();
    rmSync(result.get("lm_head")!.forward.file);
    const names = ["old", "new"].map((_, i) =>
      join(folderOf(cache), `.lm_head.safetensors.0000000${i}-0000-0000-0000-000000000000.tmp`),
    );
    for (const name of names) writeFileSync(name, "");
    utimesSync(names[0]!, new Date(2000, 1, 1), new Date(2000, 1, 1));
    const { yielded } = await open();
    expect(yielded.length).toBe(1);
    expect(yielded[0]!.repaired).toBeUndefined();
    const left = readdirSync(folderOf(cache)).filter((name) => name.endsWith(".tmp"));
    expect(left.length).toBe(1);
  });

  it("keeps weights of another model, and unsigned numbers, apart", async () => {
    const { cache, open } = await setUp();
    const { result: signed } = await open();
    const { result: unsigned } = await open(true);
    const { open: openOther } = await setUp(2);
    expect((await openOther()).yielded.length).toBeGreaterThan(0);
    expect(readdirSync(join(cache, "int8")).length).toBe(2);
    const bytes = (file: string, offset: number, length: number) =>
      readFileSync(file).subarray(offset, offset + length);
    const [a, b] = [signed.get("lm_head")!.forward, unsigned.get("lm_head")!.forward];
    const values = [...bytes(b.file, b.offset, b.length)].map((x) => x - 128);
    expect(values).toEqual([...new Int8Array(bytes(a.file, a.offset, a.length))]);
  });

  it("keeps other forms of the same weights apart", async () => {
    const { cache, weights, open, open4 } = await setUp();
    await open();
    for (const form of [nestedNf4Form, plainNf4Form]) {
      expect((await open4(form)).yielded.length).toBe(weights.length);
      expect((await open4(form)).yielded).toEqual([]);
    }
    expect((await open()).yielded).toEqual([]);
    expect(readdirSync(cache).sort()).toEqual(["int8", "nf4"]);
    expect(readdirSync(join(cache, "nf4")).length).toBe(2);
  });

  it("tells in each file what it belongs to", async () => {
    const { result } = await (await setUp()).open();
    const { metadata } = await openSafetensors(result.get("lm_head")!.forward.file);
    expect(metadata).toMatchObject({ format: "phinetune-int8", module: "lm_head", version: "1" });
    expect(metadata.base).toMatch(/^[0-9a-f]{64}$/);
  });
});
