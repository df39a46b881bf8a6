// The real program on the model that the repository holds -> runs, interrupts, answers, and what is on standard output.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Answer, runBinary, START } from "../fixtures/binary.js";

const SMALL = [
  ...["--model", START.model, "--dataset", START.dataset, "--eval-size", "6", "--max-length", "384"],
  ...[
    "--max-steps",
    "3",
    "--max-new-tokens",
    "5",
    "--logging-steps",
    "2",
    "--per-device-train-batch-size",
    "2",
    "--sample-rows",
    "1",
  ],
];
let root: string;
let first: Answer;
let folder: string;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "phinetune-train-"));
  folder = join(root, "first run");
  first = await runBinary(["train", ...SMALL, "--output-dir", folder, "--lora-r", "4"]);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const events = (path: string) =>
  readFileSync(join(path, "events.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { type: string; step?: number; phase?: string });

describe("a run", () => {
  it("ends with a summary on standard output", () => {
    expect(first.stderr).not.toContain("error");
    expect(first.code).toBe(0);
    // 4 linear layers are PEFT's default for phi, each r*(in+out), in 2 layers: 4*(2*(64+64) + 2*(64+256))*2.
    expect(first.stdout).toMatch(
      /^trainable params: 7,168 \|\| all params: 141,064 \|\| trainable%: 5\.0814$/m,
    );
    expect(first.stdout).toMatch(/^held-out loss +\d+\.\d{4} -> \d+\.\d{4}$/m);
    expect(first.stdout).toMatch(/^perplexity +[\d.]+ -> [\d.]+$/m);
    expect(first.stdout).toMatch(/^before +\| /m);
    expect(first.stdout).toMatch(/^after +\| /m);
    expect(first.stdout).toContain(`folder            ${folder}`);
    expect(first.stdout).toContain(
      `phinetune generate --model ${START.model} --adapter '${folder}' --instruction`,
    );
    // biome-ignore lint/suspicious/noControlCharactersInRegex: no escape sequence may stand in a pipe
    expect(first.stdout + first.stderr).not.toMatch(/\u001b/);
  });

  it("tells its progress in plain lines on standard error: the first, every loggingSteps, and the last", () => {
    const steps = first.stderr.match(/^step \d+\/3 {2}loss \d+\.\d{4} .*tokens\/s.*ETA.*$/gm) ?? [];
    expect(steps.map((line) => line.split(" ")[1])).toEqual(["1/3", "2/3", "3/3"]);
  });

  it("leaves adapter, events and manifest", () => {
    expect(readdirSync(folder).sort()).toEqual(
      expect.arrayContaining([
        "adapter_config.json",
        "adapter_model.safetensors",
        "events.jsonl",
        "report.html",
        "run.json",
      ]),
    );
    expect(readdirSync(folder).filter((name) => name.endsWith(".tmp"))).toEqual([]);
    const types = events(folder).map(({ type }) => type);
    expect(types.filter((type) => type === "step").length).toBe(3);
    expect([types[0], types.at(-1)]).toEqual(["started", "finished"]);
    const { options, hashes } = JSON.parse(readFileSync(join(folder, "run.json"), "utf8")) as {
      options: Record<string, unknown>;
      hashes: Record<string, string>;
    };
    expect(options).toMatchObject({ loraR: 4, loraAlpha: 8, maxSteps: 3, learningRate: 2e-4 });
    expect(Object.keys(hashes).length).toBe(3);
  });

  it("does not go into the folder of another one", async () => {
    const before = readFileSync(join(folder, "adapter_model.safetensors"));
    const { code, stdout, stderr } = await runBinary(["train", ...SMALL, "--output-dir", folder]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain("holds another run");
    expect(readFileSync(join(folder, "adapter_model.safetensors")).equals(before)).toBe(true);
  });

  it("with --json prints one JSON value, goes on from an adapter, and tells which options then have no effect", async () => {
    const output = join(root, "second");
    const words = [
      "train",
      ...SMALL,
      "--json",
      "--adapter",
      folder,
      "--lora_r",
      "16",
      "--output-dir",
      output,
    ];
    const { code, stdout, stderr } = await runBinary(words);
    expect(code).toBe(0);
    expect(stderr).toContain(`warning: --lora-r has no effect: the adapter in ${folder}`);
    const result = JSON.parse(stdout) as {
      eval_before: { eval_loss: number };
      eval_after: { eval_loss: number };
      started: { trainable_params: number };
      finished: { step: number; interrupted: boolean; output_dir: string };
      samples: { phase: string }[];
    };
    expect(result.started.trainable_params).toBe(7168);
    expect(result.finished).toMatchObject({ step: 3, interrupted: false, output_dir: output });
    expect(result.samples.map(({ phase }) => phase)).toEqual(["before", "after"]);
    const former = events(folder).find(({ type, phase }) => type === "evaluated" && phase === "after");
    expect(result.eval_before.eval_loss).toBeCloseTo(
      (former as unknown as { eval_loss: number }).eval_loss,
      5,
    );
  });
});

describe("an interrupt", () => {
  it("saves the adapter, tells how to go on, and ends with code 130", async () => {
    const output = join(root, "interrupted");
    let sent = false;
    const { code, stdout, stderr } = await runBinary(
      ["train", ...SMALL, "--max-steps", "2000", "--output-dir", output],
      {
        onStderr: (child, text) => {
          if (sent || !text.includes("step 2/2000")) return;
          sent = true;
          child.kill("SIGINT");
        },
      },
    );
    expect(stderr).toContain("interrupted: a checkpoint is saved");
    expect(stdout).toMatch(/^Interrupted after step \d+ of 2000\.$/m);
    expect(stdout).toContain(`--output-dir ${output} --resume-from-checkpoint`);
    const steps = events(output).filter(({ type }) => type === "step").length;
    expect(existsSync(join(output, `checkpoint-${steps}`, "trainer_state.json"))).toBe(true);
    expect(existsSync(join(output, "adapter_model.safetensors"))).toBe(true);
    expect(events(output).at(-1)).toMatchObject({ type: "finished", interrupted: true });
    expect(code).toBe(130);
  });

  it("that comes twice ends the process at once, with nothing half-written", async () => {
    const output = join(root, "twice");
    let sent = 0;
    const { code, stdout } = await runBinary(
      ["train", ...SMALL, "--max-steps", "2000", "--output-dir", output],
      {
        onStderr: (child, text) => {
          if (sent === 0 && text.includes("step 1/2000")) {
            sent = 1;
            child.kill("SIGINT");
            child.kill("SIGTERM");
          }
        },
      },
    );
    expect(code).toBe(130);
    expect(stdout === "" || stdout.includes("Interrupted")).toBe(true);
    for (const event of events(output)) expect(event.type).toBeTypeOf("string");
  });
});

describe("generate", () => {
  const words = ["generate", "--model", START.model, "--max-new-tokens", "6"];

  it("answers with the adapter and with the base, the same each time", async () => {
    const ask = async (...more: string[]) => {
      const { code, stdout } = await runBinary([
        ...words,
        "--instruction",
        "Add the two numbers.",
        "--input",
        "1 and 2",
        "--json",
        ...more,
      ]);
      expect(code).toBe(0);
      return JSON.parse(stdout) as { prompt: string; answer: string; finish: string; new_tokens: number };
    };
    const [base, again] = [await ask(), await ask("--adapter", folder)];
    expect(base.prompt).toMatch(
      /### Instruction:\nAdd the two numbers\.\n\n### Input:\n1 and 2\n\n### Response:\n$/,
    );
    expect(base.new_tokens).toBeLessThanOrEqual(6);
    expect(["stop", "length"]).toContain(again.finish);
    expect((await ask()).answer).toBe(base.answer);
  });

  it("continues a text from standard input as it stands", async () => {
    const piped = await runBinary([...words, "--json"], { input: "one two\n" });
    const given = await runBinary([...words, "--json", "--prompt", "one two"]);
    const { prompt, answer } = JSON.parse(piped.stdout) as { prompt: string; answer: string };
    expect(prompt).toBe("one two");
    expect((JSON.parse(given.stdout) as { answer: string }).answer).toBe(answer);
    const streamed = await runBinary([...words, "--prompt", "one two"]);
    expect(streamed).toEqual({ code: 0, stdout: `${answer}\n`, stderr: "" });
  });

  it("refuses a prompt that does not fit, with the numbers", async () => {
    const { code, stderr } = await runBinary([...words, "--prompt", "x".repeat(600)]);
    expect(stderr).toMatch(/600 tokens.*512 positions/);
    expect(code).toBe(1);
  });
});

it("inspect writes the tensors that it names", async () => {
  const inputs = join(root, "inputs.json");
  writeFileSync(inputs, JSON.stringify({ input_ids: [[1, 2, 3]], labels: [[-100, 2, 3]] }));
  const output = join(root, "out.safetensors");
  const words = [
    "inspect",
    "--model",
    START.model,
    "--adapter",
    folder,
    "--inputs",
    inputs,
    "--output",
    output,
  ];
  const { code, stdout } = await runBinary(words);
  expect(code).toBe(0);
  const header = readFileSync(output);
  const length = Number(header.readBigUInt64LE(0));
  const names = Object.keys(JSON.parse(header.subarray(8, 8 + length).toString("utf8")) as object);
  expect(names).toEqual(expect.arrayContaining(["logits", "logits_base", "loss"]));
  expect(names.filter((name) => name.startsWith("grad/")).length).toBe(16);
  for (const name of names.filter((name) => name !== "__metadata__"))
    expect(stdout).toContain(`\n${name}  [`.trimStart());
});
