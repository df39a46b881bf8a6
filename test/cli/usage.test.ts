// Words given to the real program -> help, faults of usage, and exit codes.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BINARY, ROOT, runBinary, START } from "../fixtures/binary.js";

const START_WORDS = ["--model", START.model, "--dataset", START.dataset];
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "phinetune-cli-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("help", () => {
  it("is what the bare command shows, and lists every command", async () => {
    const [bare, long, word] = await Promise.all([runBinary([]), runBinary(["--help"]), runBinary(["help"])]);
    expect(bare).toEqual({ code: 0, stdout: long.stdout, stderr: "" });
    expect(word).toEqual(bare);
    for (const command of ["train", "data", "generate", "inspect"])
      expect(bare.stdout).toMatch(new RegExp(`^ {2}${command} +\\w`, "m"));
  });

  it("of a command shows the basic options, and with --help-all all of them", async () => {
    const basic = await runBinary(["train", "--help"]);
    const all = await runBinary(["train", "--help-all"]);
    expect([basic.code, all.code]).toEqual([0, 0]);
    expect(basic.stdout).toContain("--lora-r N");
    expect(basic.stdout).not.toContain("--adam-beta1");
    expect(all.stdout).toContain("--adam-beta1 X");
    expect(all.stdout).toContain("[0.999]");
    expect(await runBinary(["help", "train"])).toEqual(basic);
    expect(await runBinary(["help", "train", "--all"])).toEqual(all);
    expect(await runBinary(["train", "-h"])).toEqual(basic);
    for (const line of all.stdout.split("\n"))
      if (!line.includes("phinetune train --model")) expect(line.length).toBeLessThanOrEqual(100);
  });

  it("holds the page of all options in docs/ to the tables", async () => {
    const { stdout } = await runBinary(["help", "--markdown"]);
    const page = readFileSync(join(ROOT, "docs/options.md"), "utf8");
    expect(page, "run: npm run docs:options").toBe(stdout);
  });
});

it("tells its version", async () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { version: string };
  for (const word of ["--version", "-V", "version"])
    expect(await runBinary([word])).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
});

describe("wrong usage ends with code 2 and nothing on standard output", () => {
  it.each([
    [["trian"], 'there is no command "trian" · did you mean train?'],
    [["help", "genrate"], "did you mean generate?"],
    [["--model", "m"], "--model stands before any command"],
    [["train"], "--model is missing"],
    [
      ["train", ...START_WORDS, "--lora-rnk", "4"],
      "there is no option --lora-rnk · did you mean --lora-rank?",
    ],
    [["train", ...START_WORDS, "--confg", "a.yaml"], "did you mean --config?"],
    [["train", ...START_WORDS, "--lora-r", "-3"], '--lora-r is "-3"; expected a whole number of at least 1'],
    [["train", ...START_WORDS, "rows.json"], '"rows.json" belongs to no option'],
    [["generate", "--model", START.model], "standard input is empty"],
    [["inspect", "--model", START.model], "--inputs is missing"],
    [["data", ...START_WORDS, "--start", "9999"], "--start is 9999; there are 300 rows"],
  ])("%j", async (words, message) => {
    const { code, stdout, stderr } = await runBinary(words);
    expect(stderr).toContain(message);
    expect(stderr).toMatch(/^error: /);
    expect(stderr).not.toContain("    at ");
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  });

  it("with --json as one JSON value", async () => {
    const { code, stdout } = await runBinary(["train", "--json", "--lora-r", "0", "--model", "m"]);
    expect(code).toBe(2);
    const { error } = JSON.parse(stdout) as { error: { faults: { code: string; what: string }[] } };
    expect(error.faults.map((fault) => fault.code)).toEqual(["usage", "usage"]);
    expect(error.faults[1]!.what).toContain("--lora-r");
  });
});

describe("other failures end with code 1", () => {
  it("and say what is missing", async () => {
    const { code, stderr } = await runBinary([
      "data",
      "--model",
      "test/fixtures/start/modle",
      "--dataset",
      START.dataset,
    ]);
    expect(code).toBe(1);
    expect(stderr).toContain("did you mean");
    expect(stderr).toContain("test/fixtures/start/model");
  });

  it("with PHINETUNE_DEBUG=1, and where in the code", async () => {
    const words = ["data", "--model", "nowhere", "--dataset", START.dataset];
    expect((await runBinary(words)).stderr).not.toContain("    at ");
    expect((await runBinary(words, { env: { PHINETUNE_DEBUG: "1" } })).stderr).toContain("    at ");
  });
});

describe("a configuration file", () => {
  const config = (text: string) => {
    const path = join(folder, `${Math.random()}.yaml`);
    writeFileSync(path, text);
    return path;
  };

  it("gives options that the command line overrides; keys that only training has are passed over by data", async () => {
    const path = config(
      `model: ${START.model}\ndataset: ${START.dataset}\nmax-length: 200\ncompletionOnlyLoss: false\nlora_r: 4\n`,
    );
    const from = async (...words: string[]) => {
      const { stdout, stderr, code } = await runBinary(["data", "--config", path, "--json", ...words]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      return JSON.parse(stdout) as {
        statistics: { rows: number; kept: number };
        rows: { tokens: number; trained_tokens: number }[];
      };
    };
    const plain = await from();
    expect(plain.statistics.rows).toBe(300);
    // Rows with an input have a longer prompt than 200 bytes.
    expect(plain.statistics.kept).toBeLessThan(200);
    expect(plain.rows.map((row) => row.trained_tokens)).toEqual(plain.rows.map((row) => row.tokens - 1));
    expect(plain.rows.length).toBe(3);
    const overridden = await from("--max-length", "500", "--rows", "1", "--completion-only-loss");
    expect(overridden.statistics.kept).toBe(300);
    expect(overridden.rows.length).toBe(1);
    expect(overridden.rows[0]!.trained_tokens).toBeLessThan(10);
  });

  it.each([
    ["lora_rr: 3\n", 2, ":1 · did you mean lora_r?"],
    ["\nloraAlfa: 3\n", 2, ":2 · did you mean loraAlpha?"],
    ["json: true\n", 2, "there is no option json"],
    ["seed: [1\n", 2, "is not valid YAML"],
    ["seed: 1\nseed: 2\n", 2, "is not valid YAML"],
    ["- seed\n", 2, "holds no map of options"],
    ["lora_r: {a: 1}\n", 2, 'lora_r is {"a":1}; expected a whole number'],
    ["a: &a [x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nlora_r: *b\n", 2, "there is no option a"],
  ])("is refused when it is %j", async (text, code, message) => {
    const answer = await runBinary(["train", ...START_WORDS, "--config", config(text)]);
    expect(answer.stderr).toContain(message);
    expect(answer.stderr).not.toContain("unexpected");
    expect(answer.code).toBe(code);
  });

  it("that is not there is named", async () => {
    const { code, stderr } = await runBinary(["train", "--config", join(folder, "none.yaml")]);
    expect(stderr).toContain("none.yaml");
    expect(code).toBe(1);
  });

  it("of npm start is a valid one", async () => {
    const { code } = await runBinary(["data", "--config", "examples/start/train.yaml", "--rows", "0"]);
    expect(code).toBe(0);
  });
});

it("ends quietly when the reader of standard output goes away", async () => {
  const { code, stderr } = await new Promise<{ code: number | null; stderr: string }>((done) => {
    const words = [BINARY, "data", ...START_WORDS, "--rows", "300"];
    const child = spawn(process.execPath, words, { cwd: ROOT });
    let stderr = "";
    child.stderr.on("data", (text) => {
      stderr += String(text);
    });
    child.stdout.destroy();
    child.on("close", (code) => done({ code, stderr }));
  });
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
});
