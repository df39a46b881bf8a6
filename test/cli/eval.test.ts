// `phinetune eval` through the real program -> a table and JSON with the scores of base and adapters on the same rows.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { runBinary, START } from "../fixtures/binary.js";
import { temporaryFolder } from "../fixtures/tiny_model.js";

const folder = temporaryFolder();
const adapter = join(folder, "adapter");
const rows = join(folder, "rows.jsonl");
const words = [
  "eval",
  "--model",
  START.model,
  "--dataset",
  rows,
  "--max-new-tokens",
  "6",
  "--resamples",
  "200",
];

beforeAll(async () => {
  const lines = [
    { instruction: "Is the sky blue?", output: "yes", label: "yes", task: "closed" },
    { instruction: "Is grass red?", output: "no", label: "no", task: "closed" },
    { instruction: "Name a colour.", output: "blue", task: "open" },
  ];
  writeFileSync(rows, lines.map((row) => JSON.stringify(row)).join("\n"));
  const train = ["train", "--model", START.model, "--dataset", rows, "--output-dir", adapter];
  const { code } = await runBinary([
    ...train,
    ..."--max-steps 40 --learning-rate 0.03 --lora-r 8 --lora-target-modules all-linear".split(" "),
  ]);
  expect(code).toBe(0);
}, 60_000);

describe("eval", () => {
  it("shows base and adapter side by side, and writes every answer", async () => {
    const output = join(folder, "eval.json");
    const report = join(folder, "eval.html");
    const { code, stdout } = await runBinary([
      ...words,
      ...["--adapter", adapter, "--likelihood", "--output", output, "--report", report],
    ]);
    expect(code).toBe(0);
    expect(readFileSync(report, "utf8")).toMatch(/likelihood_<wbr>accuracy[\s\S]*<\/html>/);
    expect(stdout).toMatch(/^3 rows, \d+ trained tokens$/m);
    for (const name of [
      "loss",
      "next_token_macro_f1",
      "exact_match",
      "rougeL_f1",
      "macro_f1",
      "likelihood_accuracy",
    ])
      expect(stdout).toMatch(
        new RegExp(`^${name} +[\\d.]+ +[\\d.]+ +[+-][\\d.]+ +[+-][\\d.]+ to [+-][\\d.]+$`, "m"),
      );
    expect(stdout).toMatch(/^closed +2 /m);
    const result = JSON.parse(readFileSync(output, "utf8"));
    const [base, tuned] = result.systems;
    expect([base.name, tuned.name]).toEqual(["base", adapter]);
    expect(tuned.scores.exact_match).toBe(1);
    expect(tuned.scores.loss).toBeLessThan(base.scores.loss);
    expect(tuned.changes.exact_match.difference).toMatchObject({ value: 1, low: 1, high: 1 });
    expect(tuned.labels.confusion).toEqual({
      labels: ["no", "yes"],
      counts: [
        [1, 0, 0],
        [0, 1, 0],
      ],
    });
    expect(tuned.scores.likelihood_accuracy).toBe(1);
    expect(result.rows.map((row: { answers: { text: string }[] }) => row.answers[1]!.text)).toEqual([
      "yes",
      "no",
      "blue",
    ]);
  });

  it("weights the loss by tokens, as training does", async () => {
    const { stdout } = await runBinary([...words, "--adapter", adapter, "--json"]);
    const { rows: compared, systems, trainedTokens } = JSON.parse(stdout);
    const tokens = ["yes", "no", "blue"].map((text) => text.length + 1);
    expect(trainedTokens).toBe(tokens.reduce((a, b) => a + b, 0));
    for (const [i, { scores }] of systems.entries()) {
      const sum = compared.reduce(
        (total: number, row: { losses: number[] }, r: number) => total + row.losses[i]! * tokens[r]!,
        0,
      );
      expect(scores.loss).toBeCloseTo(sum / trainedTokens, 9);
    }
  });

  it("takes the labels' part of an answer, and none but the first rows, when asked", async () => {
    const { stdout } = await runBinary([
      ...words,
      ...[
        "--adapter",
        adapter,
        adapter,
        "--max-rows",
        "2",
        "--answer-pattern",
        "^(..)",
        "--labels",
        "ye",
        "no",
        "yes",
        "--json",
      ],
    ]);
    const { systems } = JSON.parse(stdout);
    expect(systems).toHaveLength(3);
    expect(systems[2].scores).toEqual(systems[1].scores);
    expect(systems[1].labels.confusion.labels).toEqual(["ye", "no", "yes"]);
    // "yes" is cut to "ye", which is another label.
    expect(systems[1].scores.accuracy).toBe(0.5);
  });

  it("refuses what it cannot do, with the reason", async () => {
    const plain = join(folder, "plain.jsonl");
    writeFileSync(plain, '{"instruction":"a","output":"b"}');
    const open = await runBinary([...words, "--dataset", plain, "--likelihood"]);
    expect(open.code).toBe(1);
    expect(open.stderr).toContain("--likelihood needs rows with a label; none has one");
    const pattern = await runBinary([...words, "--answer-pattern", "("]);
    expect(pattern.code).toBeGreaterThan(0);
    expect(pattern.stderr).toMatch(/regular expression/);
    const broken = join(folder, "broken");
    mkdirSync(broken);
    copyFileSync(join(adapter, "adapter_config.json"), join(broken, "adapter_config.json"));
    const missing = await runBinary([...words, "--adapter", broken]);
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain("adapter_model.safetensors");
  });
});
