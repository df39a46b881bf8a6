// phinetune beside transformers + PEFT: the same training step in several programs, in turns. Prints each measurement and a summary.
// node bench/compare_step.mjs --model DIR --python PYTHON [--rounds 3] [--steps 5] [--programs fp32,int8,nf4,peft-fp32,peft-bf16]
// Each program also with gradient checkpointing: fp32+c, int8+c, nf4+c, peft-fp32+c, peft-bf16+c.
// DIR is made by: PYTHON bench/peft_step.py --make --model DIR --layers 4
import { execFileSync } from "node:child_process";
import { parseArgs } from "node:util";

const { values: given } = parseArgs({
  options: {
    model: { type: "string" },
    python: { type: "string", default: "python3" },
    rounds: { type: "string", default: "3" },
    steps: { type: "string", default: "5" },
    programs: { type: "string", default: "fp32,int8,nf4,peft-fp32,peft-bf16" },
  },
});
const here = new URL(".", import.meta.url).pathname;
const ours = [process.execPath, `${here}phinetune_step.mjs`];
const theirs = [given.python, `${here}peft_step.py`];
const plain = {
  fp32: ours,
  int8: [...ours, "--load-in-8bit"],
  nf4: [...ours, "--load-in-4bit"],
  "peft-fp32": theirs,
  "peft-bf16": [...theirs, "--bf16"],
};
const checkpointed = Object.entries(plain).map(([name, words]) => [
  `${name}+c`,
  [...words, "--gradient-checkpointing"],
]);
const programs = { ...plain, ...Object.fromEntries(checkpointed) };
const MiB = 2 ** 20;

/** One process, one measurement. */
function measure(name) {
  const [program, ...words] = [...programs[name], "--model", given.model, "--steps", given.steps];
  const lines = execFileSync(program, words, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
  const last = lines.trim().split("\n").at(-1);
  console.log(last);
  const result = JSON.parse(last);
  return {
    speed: result.tokens_per_second,
    memory: result.peak_rss_mib ?? result.peak_rss_bytes / MiB,
    seconds: result.median_step_seconds ?? result.step_seconds_median,
  };
}

const names = given.programs.split(",");
const rounds = [];
// The first run of a program fills its caches, on the disk and of files in memory, and does not count.
for (const name of names) measure(name);
for (let round = 0; round < Number(given.rounds); round++)
  rounds.push(Object.fromEntries(names.map((name) => [name, measure(name)])));

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const spread = (values, digits) =>
  `${median(values).toFixed(digits)} (${Math.min(...values).toFixed(digits)} to ${Math.max(...values).toFixed(digits)})`;
for (const name of names) {
  const of = (key) => rounds.map((round) => round[name][key]);
  console.log(
    `${name}: step ${spread(of("seconds"), 2)} s, ${spread(of("speed"), 0)} tokens/s, peak ${spread(of("memory"), 0)} MiB`,
  );
}
// Ratios of the same round, for the machine is not the same in another one.
for (const name of names.filter((each) => programs[each][0] === ours[0])) {
  for (const other of names.filter((each) => programs[each][0] !== ours[0])) {
    const ratios = (key) => rounds.map((round) => round[name][key] / round[other][key]);
    console.log(
      `${name} / ${other}: tokens/s ${spread(ratios("speed"), 2)}, peak memory ${spread(ratios("memory"), 2)}`,
    );
  }
}
