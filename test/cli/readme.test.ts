// README.md -> its commands name options that exist, its links lead somewhere, and its program runs.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { commandNames } from "../../src/cli/commands.js";
import { readConfigFile } from "../../src/cli/config_file.js";
import { parseCommandLine } from "../../src/options/command_line.js";
import { type OptionSchema, resolveOptions } from "../../src/options/resolve.js";
import type { OptionTable } from "../../src/options/schema.js";
import { schemas } from "../../src/options.js";
import { ROOT } from "../fixtures/binary.js";

const readme = readFileSync(join(ROOT, "README.md"), "utf8");
const blocks = (language: string) =>
  [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, "gm"))].map((match) => match[1]!);

it("gives commands with options that exist", () => {
  const commands = blocks("bash")
    .flatMap((block) => block.split("\n"))
    .filter((line) => line.startsWith("npx phinetune"));
  expect(commands.length).toBeGreaterThanOrEqual(3);
  for (const line of commands) {
    const [, , name, ...words] = line.match(/"[^"]*"|\S+/g)!.map((word) => word.replaceAll('"', ""));
    const command = commandNames.find((known) => known === name)!;
    const schema = schemas[command] as unknown as OptionSchema<OptionTable>;
    const { given, faults } = parseCommandLine(schema.table, words, {}, schema.positional);
    expect(() => resolveOptions(schema, given, { faults }), line).not.toThrow();
  }
});

it.each(["examples/phi-1_5/alpaca.yaml", "examples/phi-1_5/published.yaml"])(
  "%s is a valid configuration",
  async (path) => {
    const given = await readConfigFile(join(ROOT, path), schemas.train.table, {});
    expect(given.length).toBeGreaterThan(10);
    expect(() => resolveOptions(schemas.train, given)).not.toThrow();
  },
);

it("links to files that exist", () => {
  const links = [...readme.matchAll(/\]\(([^)h][^)]*)\)/g)].map((match) => match[1]!);
  expect(links.length).toBeGreaterThan(2);
  expect(links.filter((link) => !existsSync(join(ROOT, link)))).toEqual([]);
});

it("has a program that runs as it stands", () => {
  const [program] = blocks("js");
  const root = mkdtempSync(join(tmpdir(), "phinetune-readme-"));
  const code = program!.replace("runs/library", join(root, "run")).replace("maxSteps: 20", "maxSteps: 3");
  expect(code).not.toBe(program);
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", code], {
    cwd: ROOT,
    encoding: "utf8",
  });
  rmSync(root, { recursive: true, force: true });
  expect(stderr).toBe("");
  expect(status).toBe(0);
  expect(stdout).toMatch(
    /^before training: \d\.\d+\n1 \d\.\d+\n2 \d\.\d+\n3 \d\.\d+\nafter training: \d\.\d+\n$/,
  );
});
