// Plans and then makes short runs of four models, in turns -> expected beside measured peak memory and time, as a Markdown table.
// npm run build; python bench/peft_step.py --make --model DIR --layers 4
// node bench/plan_accuracy.mjs --wide DIR --stories MODEL --rows FILE [--rounds 3] [--steps 30] [--program dist/cli/main.js]
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values: given } = parseArgs({
  options: {
    wide: { type: "string" },
    stories: { type: "string" },
    rows: { type: "string" },
    rounds: { type: "string", default: "3" },
    steps: { type: "string", default: "30" },
    program: { type: "string", default: new URL("../dist/cli/main.js", import.meta.url).pathname },
  },
});
const folder = mkdtempSync(join(tmpdir(), "phinetune-plan-"));
const steps = Number(given.steps);

/** Rows of random token ids, 64 to 256 long, of which the last two thirds are trained. */
function randomRows(vocabSize, count) {
  let state = 1;
  const next = () => (state = (state * 48271) % 2147483647);
  const rows = Array.from({ length: count }, () => {
    const ids = Array.from({ length: 64 + (next() % 193) }, () => next() % vocabSize);
    return JSON.stringify({ input_ids: ids, labels: ids.map((id, t) => (t < ids.length / 3 ? -100 : id)) });
  });
  const path = join(folder, "rows.jsonl");
  writeFileSync(path, rows.join("\n"));
  return path;
}

const jobs = [
  {
    name: "tiny phi (the fixture), 8 x 285",
    words: [
      "--model",
      "test/fixtures/start/model",
      "--dataset",
      "test/fixtures/start/data.jsonl",
      "--max-length",
      "512",
    ],
  },
  {
    name: "tiny-phi, 8 x 70, 100 rows answered before and after",
    words: [
      ...["--model", "assets/tiny-phi", "--dataset", "assets/instructions/train.jsonl"],
      ...[
        "--eval-dataset",
        "assets/instructions/validation.jsonl",
        "--predict-with-generate",
        "--predict-rows",
        "100",
      ],
    ],
  },
  given.stories && {
    name: "stories15M, float16, 8 x 256",
    words: ["--model", given.stories, "--dataset", given.rows, "--max-length", "256"],
  },
  given.wide && {
    name: "4 layers of phi-1.5, float32, 2 x 256",
    words: ["--model", given.wide, "--dataset", randomRows(51200, 400), "--per-device-train-batch-size", "2"],
  },
].filter(Boolean);

const run = (command, words) => {
  const text = execFileSync(process.execPath, [given.program, command, ...words, "--json"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
    maxBuffer: 1 << 28,
  });
  return JSON.parse(text);
};
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

const results = new Map(jobs.map(({ name }) => [name, []]));
for (let round = 0; round < Number(given.rounds); round++) {
  for (const { name, words } of jobs) {
    const all = [...words, "--lora-target-modules", "all-linear", "--max-steps", String(steps)];
    const output = join(folder, "run");
    const analytic = run("plan", [...all, "--output-dir", output, "--calibration-steps", "0"]);
    const plan = run("plan", [...all, "--output-dir", output]);
    const { finished } = run("train", [...all, "--output-dir", output, "--save-steps", "0"]);
    const events = readFileSync(join(output, "events.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const seconds = events.flatMap(({ type, step_seconds }) => (type === "step" ? [step_seconds] : []));
    const evaluated = events.flatMap(({ type, eval_runtime }) =>
      type === "evaluated" ? [eval_runtime] : [],
    );
    rmSync(output, { recursive: true });
    const result = {
      analytic: analytic.memory.expected_peak,
      calibrated: plan.memory.expected_peak,
      peak: finished.peak_memory_bytes,
      expectedStep: plan.time.step_seconds,
      step: seconds.slice(3).reduce((sum, x) => sum + x, 0) / (seconds.length - 3),
      expectedTotal: plan.time.training_seconds,
      total: finished.train_runtime,
      expectedEvaluation: plan.time.evaluation_seconds + plan.time.answering_seconds_at_most,
      evaluation: evaluated.reduce((sum, x) => sum + x, 0),
    };
    console.error(JSON.stringify({ round, name, ...result, timed: plan.time.calibration.steps }));
    results.get(name).push(result);
  }
}
rmSync(folder, { recursive: true });

const mb = (bytes) => `${(bytes / 1e6).toFixed(0)} MB`;
const off = (expected, measured) => {
  const percent = (100 * (expected - measured)) / measured;
  return `${percent < 0 ? "−" : "+"}${Math.abs(percent).toFixed(0)} %`;
};
console.log(
  "| run | peak measured | expected, no calibration | expected, calibrated | step measured | expected | 30 steps measured | expected | evaluations measured | expected |".replace(
    "30",
    String(steps),
  ),
);
console.log("|---|---|---|---|---|---|---|---|---|---|");
for (const [name, list] of results) {
  const of = (key) => median(list.map((result) => result[key]));
  const pair = (key, measured, show) => `${show(of(key))} (${off(of(key), of(measured))})`;
  const seconds = (x) => `${x.toPrecision(3)} s`;
  const total = (x) => `${x.toFixed(1)} s`;
  const evaluation =
    of("evaluation") > 0
      ? `${total(of("evaluation"))} | ${pair("expectedEvaluation", "evaluation", total)}`
      : "none | none";
  console.log(
    `| ${name} | ${mb(of("peak"))} | ${pair("analytic", "peak", mb)} | ${pair("calibrated", "peak", mb)} | ${seconds(of("step"))} | ${pair("expectedStep", "step", seconds)} | ${total(of("total"))} | ${pair("expectedTotal", "total", total)} | ${evaluation} |`,
  );
}
