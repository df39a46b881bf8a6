import { mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import type * as fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { PhinetuneError } from "../../src/errors.js";
import { writeFileAtomically } from "../../src/formats/atomic.js";

// The real functions, but writeFile can be told to fail as a full disk does: after a part is written.
let failure: string | undefined;
vi.mock("node:fs/promises", async (original) => {
  const actual = await original<typeof fs>();
  const writeFile: typeof fs.writeFile = async (file, data, options) => {
    if (failure === undefined) return actual.writeFile(file, data, options);
    await actual.writeFile(file, "a part", options);
    throw Object.assign(new Error("write failed"), { code: failure });
  };
  return { ...actual, writeFile };
});

const folder = () => mkdtempSync(join(tmpdir(), "phinetune-atomic-"));

async function messageOf(promise: Promise<void>): Promise<string> {
  const error = await promise.catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(PhinetuneError);
  return (error as PhinetuneError).message;
}

test("text, bytes and pieces; an older file is replaced and nothing else stays behind", async () => {
  const root = folder();
  const path = join(root, "a.txt");
  for (const content of [
    "älter",
    Buffer.from("newer"),
    [Buffer.from("in "), new Uint8Array(), Buffer.from("pieces")],
  ]) {
    await writeFileAtomically(path, content);
    const expected = Array.isArray(content) ? "in pieces" : Buffer.from(content as string).toString();
    expect(readFileSync(path, "utf8")).toBe(expected);
  }
  expect(readdirSync(root)).toEqual(["a.txt"]);
});

test.each([
  ["ENOSPC", "the file cannot be written: the disk is full"],
  ["EDQUOT", "the disk quota is used up"],
  ["EIO", "write failed"],
])("%s: the older file stays, the part is removed", async (code, words) => {
  const root = folder();
  const path = join(root, "a.txt");
  writeFileSync(path, "older");
  failure = code;
  const message = await messageOf(writeFileAtomically(path, "newer")).finally(() => {
    failure = undefined;
  });
  expect(message).toContain(words);
  expect(message).toContain(path);
  expect(readdirSync(root)).toEqual(["a.txt"]);
  expect(readFileSync(path, "utf8")).toBe("older");
});

test("a folder that is missing, a file in its place, a folder under the name", async () => {
  const root = folder();
  writeFileSync(join(root, "file"), "");
  mkdirSync(join(root, "folder"));
  expect(await messageOf(writeFileAtomically(join(root, "none", "a"), ""))).toContain(
    "no such file or folder",
  );
  expect(await messageOf(writeFileAtomically(join(root, "file", "a"), ""))).toContain(
    "is a file, not a folder",
  );
  expect(await messageOf(writeFileAtomically(join(root, "folder"), ""))).toContain(
    "it is a folder, not a file",
  );
  expect(readdirSync(root).sort()).toEqual(["file", "folder"]);
});

test("two writers of one name: one of the two contents, whole", async () => {
  const root = folder();
  const path = join(root, "a");
  const contents = ["1", "2", "3", "4"].map((digit) => digit.repeat(300_000));
  await Promise.all(contents.map((content) => writeFileAtomically(path, content)));
  expect(contents).toContain(readFileSync(path, "utf8"));
  expect(readdirSync(root)).toEqual(["a"]);
});
