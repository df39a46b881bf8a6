// Hashes of files: right, kept between processes, and never those of a file that has changed.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, renameSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../fixtures/tiny_model.js";

const work = temporaryFolder();
const cache = join(work, "cache");
const kept = join(cache, "hashes.json");
const large = (fill: number) => new Uint8Array(2 ** 20 + 5).fill(fill);
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** By a process of its own, which knows only what is kept. */
function hashOf(path: string, start = 0): string {
  const program = `import("./dist/formats/hash.js").then(({ hashFile }) =>
    hashFile(process.argv[1], { start: Number(process.argv[2]) }).then((hash) => process.stdout.write(hash)))`;
  return execFileSync(process.execPath, ["-e", program, path, `${start}`], {
    encoding: "utf8",
    env: { ...process.env, PHINETUNE_CACHE: cache },
  });
}

/** A file that was written long enough ago. */
async function settled(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(work, name);
  writeFileSync(path, bytes);
  await sleep(150);
  return path;
}

describe("the hash of a file", () => {
  it("is SHA-256, from any byte on, and is kept for large files", async () => {
    const path = await settled("a", large(1));
    expect(hashOf(path)).toBe(sha256(large(1)));
    expect(hashOf(path, 7)).toBe(sha256(large(1).subarray(7)));
    const small = await settled("small", large(1).subarray(0, 100));
    expect(hashOf(small)).toBe(sha256(large(1).subarray(0, 100)));
    const names = Object.keys(JSON.parse(readFileSync(kept, "utf8")) as object);
    expect(names).toEqual([`${path}@0`, `${path}@7`]);
    // What is kept is believed: this one is changed by hand.
    const text = readFileSync(kept, "utf8");
    writeFileSync(kept, text.replace(sha256(large(1)), "0".repeat(64)));
    expect(hashOf(path)).toBe("0".repeat(64));
    writeFileSync(kept, text);
  });

  it("is found anew when the file was written again, replaced, or given back its old time", async () => {
    const path = await settled("b", large(2));
    expect(hashOf(path)).toBe(sha256(large(2)));
    const { atime, mtime } = statSync(path);
    await settled("b", large(3));
    utimesSync(path, atime, mtime);
    expect(hashOf(path)).toBe(sha256(large(3)));
    renameSync(await settled("c", large(4)), path);
    expect(hashOf(path)).toBe(sha256(large(4)));
    expect(hashOf(path)).toBe(sha256(large(4)));
  });

  it("is not kept while a change might not show", () => {
    const path = join(work, "now");
    writeFileSync(path, large(5));
    utimesSync(path, new Date(), new Date(Date.now() + 60_000));
    const before = readFileSync(kept, "utf8");
    // A clock that is behind that of the disk: the file was changed in the future.
    const program = `Date.now = () => ${Date.now() - 60_000};
      import("./dist/formats/hash.js").then(({ hashFile }) => hashFile(process.argv[1]))`;
    execFileSync(process.execPath, ["-e", program, path], {
      env: { ...process.env, PHINETUNE_CACHE: cache },
    });
    expect(readFileSync(kept, "utf8")).toBe(before);
  });

  it.each([
    ["no JSON", "{"],
    ["a list", "[1]"],
    ["other values", JSON.stringify({ "/a@0": 3, "/b@0": { stamp: 1, sha256: "x" }, "/c@0": null })],
  ])("does not depend on what is kept: %s", async (_, text) => {
    const path = await settled("d", large(6));
    writeFileSync(kept, text);
    expect(hashOf(path)).toBe(sha256(large(6)));
  });

  it("does without a cache that cannot be written", async () => {
    const path = await settled("e", large(7));
    const blocked = join(work, "blocked");
    writeFileSync(blocked, "a file where a folder should be");
    const program = `import("./dist/formats/hash.js").then(({ hashFile }) => hashFile(process.argv[1]).then((hash) => process.stdout.write(hash)))`;
    const env = { ...process.env, PHINETUNE_CACHE: join(blocked, "cache") };
    expect(execFileSync(process.execPath, ["-e", program, path], { encoding: "utf8", env })).toBe(
      sha256(large(7)),
    );
  });
});
