// `phinetune chat` through the real program -> answers to lines on standard input, by base, adapter or both.
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { BINARY, ROOT, runBinary, START } from "../fixtures/binary.js";
import { temporaryFolder } from "../fixtures/tiny_model.js";

const folder = temporaryFolder();
const adapter = join(folder, "adapter");
const QUESTION = "Name a colour.";
const words = ["chat", "--model", START.model, "--max-new-tokens", "8"];

const talk = (lines: readonly string[], more: readonly string[] = ["--adapter", adapter]) =>
  runBinary([...words, ...more], { input: `${lines.join("\n")}\n` });

/** What `generate` answers to the question. */
async function generated(more: readonly string[]): Promise<string> {
  const asked = ["generate", ...words.slice(1), ...more, "--instruction", QUESTION, "--json"];
  const { stdout } = await runBinary(asked);
  return (JSON.parse(stdout) as { answer: string }).answer;
}

beforeAll(async () => {
  const rows = join(folder, "rows.jsonl");
  writeFileSync(rows, JSON.stringify({ instruction: QUESTION, output: "blue" }));
  const train = ["train", "--model", START.model, "--dataset", rows, "--output-dir", adapter];
  const { code } = await runBinary([...train, "--max-steps", "20", "--learning-rate", "0.03"]);
  expect(code).toBe(0);
}, 60_000);

describe("chat", () => {
  it("answers as generate does, by the adapter, the base, or both", async () => {
    const [tuned, base] = [await generated(["--adapter", adapter]), await generated([])];
    expect(tuned).not.toBe(base);
    const { code, stdout, stderr } = await talk([
      QUESTION,
      "/base",
      QUESTION,
      "",
      "/both",
      QUESTION,
      "/quit",
      "x",
    ]);
    expect(code, stderr).toBe(0);
    expect(stdout).toBe(`adapter: ${tuned}\nbase: ${base}\nbase: ${base}\nadapter: ${tuned}\n`);
  });

  it("forgets on /reset, saves on /save, and says what it does not know", async () => {
    const [first, second] = [join(folder, "first.json"), join(folder, "second.json")];
    const lines = [QUESTION, `/save ${first}`, "/reset", `/save ${second}`, "/save", "/dance", "/both"];
    const { code, stderr } = await talk(lines, []);
    expect(code).toBe(0);
    expect(JSON.parse(readFileSync(first, "utf8"))).toMatchObject({
      options: { model: START.model },
      base: [
        { role: "user", content: QUESTION },
        { role: "assistant", content: await generated([]) },
      ],
    });
    expect(JSON.parse(readFileSync(second, "utf8")).base).toEqual([]);
    expect(stderr).toContain("/save needs the name of a file");
    expect(stderr).toContain("there is no command /dance");
    expect(stderr).toContain("there is no adapter");
  });

  it("stops an answer at Ctrl-C, and goes on", async () => {
    const limit = 300;
    const whole = ["generate", "--model", START.model, "--instruction", "Count.", "--json"];
    const { stdout } = await runBinary([...whole, "--max-new-tokens", String(limit)]);
    const { answer, finish } = JSON.parse(stdout) as { answer: string; finish: string };
    expect(finish).toBe("length");

    const child = spawn(process.execPath, [BINARY, ...words.slice(0, 3), "--max-new-tokens", String(limit)], {
      cwd: ROOT,
    });
    let said = "";
    const ended = new Promise((resolve) => child.once("close", resolve));
    child.stdin.write("Count.\n");
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      if (said === "") {
        child.kill("SIGINT");
        child.stdin.end("/dance\n");
      }
      said += text;
    });
    let complaint = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      complaint += text;
    });
    expect(await ended).toBe(0);
    expect(answer.startsWith(said.trimEnd())).toBe(true);
    expect(said.length).toBeLessThan(answer.length);
    expect(complaint).toContain("/dance");
  });

  it("tells of a question that is too long, and goes on", async () => {
    const { code, stdout, stderr } = await talk(["word ".repeat(3000), QUESTION], []);
    expect(code).toBe(0);
    expect(stderr).toMatch(/the question has \d+ tokens; there is room for \d+/);
    expect(stdout.trim().endsWith((await generated([])).trim())).toBe(true);
  });
});
