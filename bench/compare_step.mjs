// phinetune beside transformers + PEFT: the same training step, in turns, as ratios. Prints each measurement and a summary.
// node bench/compare_step.mjs --model DIR --python PYTHON [--rounds 3] [--steps 5] [--bf16]
// DIR is made by: PYTHON bench/peft_step.py --make --model DIR --layers 4
import { execFileSync } from "node:child_process";
import { parseArgs } from "node:util";

const { values: given } = parseArgs({
  options: {
    model: { type: "string" },
    python: { type: "string", default: "python3" },
    rounds: { type: "string", default: "3" },
    steps: { type: "string", default: "5" },
    bf16: { type: "boolean", default: false },
  },
});
const here = new URL(".", import.meta.url).pathname;
const run = (program, args) => {
  const lines = execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })
    .trim()
    .split("\n");
  console.log(lines.at(-1));
  return JSON.parse(lines.at(-1));
};
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const MiB = 2 ** 20;

const pairs = [];
for (let round = 0; round < Number(given.rounds); round++) {
  const ours = run(process.execPath, [
    `${here}phinetune_step.mjs`,
    "--model",
    given.model,
    "--steps",
    given.steps,
  ]);
  const theirs = run(given.python, [
    `${here}peft_step.py`,
    "--model",
    given.model,
    "--steps",
    given.steps,
    ...(given.bf16 ? ["--bf16"] : []),
  ]);
  pairs.push({
    speed: ours.tokens_per_second / theirs.tokens_per_second,
    memory: ours.peak_rss_bytes / MiB / theirs.peak_rss_mib,
    ours,
    theirs,
  });
}
const show = (name, values) =>
  console.log(
    `${name}: median ${median(values).toFixed(2)}, ${Math.min(...values).toFixed(2)} to ${Math.max(...values).toFixed(2)}`,
  );
show(
  "tokens/s, phinetune / PEFT",
  pairs.map(({ speed }) => speed),
);
show(
  "peak memory, phinetune / PEFT",
  pairs.map(({ memory }) => memory),
);
