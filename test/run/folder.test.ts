// A run folder -> the guard of what lies there, and events and manifest as they are on the disk.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { PhinetuneError } from "../../src/errors.js";
import { checkRunFolder, openRunFolder } from "../../src/run/folder.js";
import { createManifest } from "../../src/run/manifest.js";
import { ownVersion } from "../../src/run/version.js";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "phinetune-run-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const step = (n: number) =>
  ({
    type: "step",
    step: n,
    loss: 1.5,
    grad_norm: 0.5,
    learning_rate: 1e-4,
    epoch: 0.1,
    num_tokens: 10,
    step_seconds: 0.1,
  }) as const;

const versions = { phinetune: "1", node: "v20", onnxruntime: "1" };
const manifest = {
  options: {},
  versions,
  device: { kind: "cpu", model: "m", cores: 1 },
  hashes: {},
  data: {},
} as const;

describe("events", () => {
  it("are in the file as soon as they are recorded, one JSON object a line", async () => {
    const run = await openRunFolder(join(root, "deep", "run"), { overwrite: false });
    const lines = () => readFileSync(join(run.folder, "events.jsonl"), "utf8").split("\n").slice(0, -1);
    expect(lines()).toEqual([]);
    expect(run.record(step(1))).toEqual(step(1));
    expect(lines().map((line) => JSON.parse(line) as unknown)).toEqual([step(1)]);
    run.record({ type: "warned", message: "ä\n\u2028" });
    expect(lines().map((line) => JSON.parse(line) as unknown)).toEqual([
      step(1),
      { type: "warned", message: "ä\n\u2028" },
    ]);
    await run.close();
    expect(() => run.record(step(2))).toThrow();
  });
});

describe("the guard", () => {
  it("takes a missing or empty folder", async () => {
    mkdirSync(join(root, "empty"));
    for (const name of ["empty", "missing"]) {
      checkRunFolder(join(root, name), { overwrite: false });
      await (await openRunFolder(join(root, name), { overwrite: false })).close();
    }
  });

  it("refuses another run, any files, and a file", async () => {
    const run = await openRunFolder(join(root, "run"), { overwrite: false });
    await run.writeManifest(manifest);
    await run.close();
    await expect(openRunFolder(join(root, "run"), { overwrite: false })).rejects.toThrow(
      /holds another run .* --overwrite-output-dir/,
    );
    mkdirSync(join(root, "thesis"));
    writeFileSync(join(root, "thesis", "chapter.tex"), "");
    await expect(openRunFolder(join(root, "thesis"), { overwrite: false })).rejects.toThrow(
      /holds 1 file \(chapter\.tex\)/,
    );
    writeFileSync(join(root, "file"), "");
    for (const overwrite of [false, true])
      await expect(openRunFolder(join(root, "file"), { overwrite })).rejects.toThrow(/belongs to a file/);
  });

  it("with overwrite removes what the other run wrote, and nothing else", async () => {
    const first = await openRunFolder(join(root, "run"), { overwrite: false });
    await first.writeManifest(manifest);
    first.record(step(1));
    await first.close();
    writeFileSync(join(root, "run", "adapter_model.safetensors"), "old");
    writeFileSync(join(root, "run", "notes.txt"), "mine");
    const second = await openRunFolder(join(root, "run"), { overwrite: true });
    expect(readdirSync(join(root, "run")).sort()).toEqual(["events.jsonl", "notes.txt"]);
    expect(readFileSync(join(root, "run", "events.jsonl"), "utf8")).toBe("");
    await second.close();
  });

  it("tells in words that the folder cannot be made", async () => {
    writeFileSync(join(root, "file"), "");
    const error = await openRunFolder(join(root, "file", "run"), { overwrite: false }).catch(
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(PhinetuneError);
    expect((error as PhinetuneError).message).toContain("the output folder cannot be made");
  });
});

describe("the manifest", () => {
  it("holds options, versions, machine and hashes of files and of folders of files", async () => {
    writeFileSync(join(root, "a.bin"), "abc");
    mkdirSync(join(root, "parts", "below"), { recursive: true });
    writeFileSync(join(root, "parts", "b.bin"), "");
    const made = await createManifest({ loraR: 8 }, [join(root, "a.bin"), join(root, "parts")], { rows: 3 });
    // The SHA-256 of "abc" and of nothing, from FIPS 180-2.
    expect(made.hashes).toEqual({
      [join(root, "a.bin")]: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
      [join(root, "parts", "b.bin")]: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    });
    expect(made.options).toEqual({ loraR: 8 });
    expect(made.versions.phinetune).toBe(ownVersion());
    expect(made.versions.node).toBe(process.version);
    expect(made.versions.onnxruntime).toMatch(/^\d+\.\d+\.\d+/);
    expect(made.device.cores).toBeGreaterThan(0);
    const run = await openRunFolder(join(root, "run"), { overwrite: false });
    await run.writeManifest(made);
    await run.close();
    expect(JSON.parse(readFileSync(join(run.folder, "run.json"), "utf8"))).toEqual(made);
    expect(readdirSync(run.folder).sort()).toEqual(["events.jsonl", "run.json"]);
  });

  it("names the file that cannot be read", async () => {
    await expect(createManifest({}, [join(root, "none")], {})).rejects.toThrow(/cannot be read.*none/s);
  });
});
