// Real rows, real tokens: `phinetune train` beside TRL's SFTTrainer, in turns; and the time from the command to the end of the first step.
// npm run build; node bench/compare_rows.mjs --model DIR --data rows.json --python PYTHON [--rounds 3] [--steps 6]
//   [--programs int8,fp32,trl-defaults,trl-best] [--targets q_proj,k_proj,…]
// DIR must hold a tokenizer. All train r=8 on the same modules with 8 rows a batch and at most 512 tokens a row.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values: given } = parseArgs({
  options: {
    model: { type: "string" },
    data: { type: "string" },
    python: { type: "string", default: "python3" },
    rounds: { type: "string", default: "3" },
    steps: { type: "string", default: "6" },
    targets: { type: "string", default: "q_proj,k_proj,v_proj,dense,fc1,fc2" },
    programs: { type: "string", default: "int8,fp32,trl-defaults,trl-best" },
  },
});
const steps = Number(given.steps);
const path = (name) => new URL(name, import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), "phinetune-rows-"));
const output = join(folder, "run");
const common = ["--model", given.model];
const ours = [process.execPath, path("../dist/cli/main.js"), "train", ...common];
const settings = {
  dataset: given.data,
  "max-length": 512,
  "per-device-train-batch-size": 8,
  "lora-r": 8,
  "lora-alpha": 16,
  "lora-target-modules": given.targets,
  "max-steps": steps + 1,
  "save-steps": 0,
  "sample-rows": 0,
  "logging-steps": 1,
  "output-dir": output,
};
const train = [...ours, ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, `${value}`])];
const trl = [given.python, path("trl_rows.py"), ...common, "--data", given.data, "--steps", given.steps];
const theirs = [...trl, "--targets", given.targets];
const programs = {
  int8: [...train, "--load-in-8bit"],
  fp32: train,
  "trl-defaults": [...theirs, "--setting", "defaults"],
  "trl-best": [...theirs, "--setting", "best"],
};

/** Runs one program to its end. */
async function measure(name) {
  rmSync(output, { recursive: true, force: true });
  const [program, ...words] = programs[name];
  const started = performance.now();
  const child = spawn(program, words, { stdio: ["ignore", "pipe", "pipe"] });
  let text = "";
  let firstStep;
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (piece) => {
      text += piece;
      // Ours writes `step 1/7 …`, the other one says so.
      if (firstStep === undefined && /first step|(^|\n)\s*step 1\/|\b1\/\d+ .*loss/.test(text))
        firstStep = (performance.now() - started) / 1000;
    });
  const code = await new Promise((resolve) => child.on("close", resolve));
  if (code !== 0) throw new Error(`${name} ended with ${code}\n${text}`);
  const result = name.startsWith("trl")
    ? JSON.parse(
        text
          .trim()
          .split("\n")
          .findLast((line) => line.startsWith('{"program')),
      )
    : ownResult();
  console.log(JSON.stringify({ name, first_step: firstStep, ...result }));
  return { speed: result.tokens_per_second, memory: result.peak_rss_mib, firstStep };
}

/** What the events of our run tell; the first step does not count. */
function ownResult() {
  const events = readFileSync(join(output, "events.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const made = events.filter(({ type }) => type === "step");
  const tokens = made.at(-1).num_tokens - made[0].num_tokens;
  const seconds = made.slice(1).reduce((sum, { step_seconds }) => sum + step_seconds, 0);
  const { peak_memory_bytes } = events.find(({ type }) => type === "finished");
  return {
    real_tokens: tokens,
    seconds,
    tokens_per_second: tokens / seconds,
    peak_rss_mib: peak_memory_bytes / 2 ** 20,
  };
}

const names = given.programs.split(",");
// The first run of a program fills caches and does not count.
for (const name of names) await measure(name);
const rounds = [];
for (let round = 0; round < Number(given.rounds); round++) {
  const results = {};
  for (const name of names) results[name] = await measure(name);
  rounds.push(results);
}
rmSync(folder, { recursive: true });

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const spread = (values, digits) =>
  `${median(values).toFixed(digits)} (${Math.min(...values).toFixed(digits)} to ${Math.max(...values).toFixed(digits)})`;
for (const name of names) {
  const of = (key) => rounds.map((round) => round[name][key]);
  console.log(
    `${name}: ${spread(of("speed"), 0)} real tokens/s, first step after ${spread(of("firstStep"), 1)} s, peak ${spread(of("memory"), 0)} MiB`,
  );
}
for (const name of names.filter((each) => !each.startsWith("trl"))) {
  for (const other of names.filter((each) => each.startsWith("trl"))) {
    const ratios = (key) => rounds.map((round) => round[name][key] / round[other][key]);
    console.log(
      `${name} / ${other}: tokens/s ${spread(ratios("speed"), 2)}, first step ${spread(ratios("firstStep"), 3)}, peak memory ${spread(ratios("memory"), 2)}`,
    );
  }
}
