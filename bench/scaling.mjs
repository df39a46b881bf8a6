// How the cost of a training step grows with length, batch, rank and layers -> a table of seconds, tokens a second and peak memory.
// npm run build; node bench/scaling.mjs --models DIR4,DIR8 [--rounds 3] [--steps 3] [words of phinetune_step.mjs, such as --load-in-8bit]
// The first model is varied in length, batch and rank; the others, with other numbers of layers, are measured once each.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values: given, tokens } = parseArgs({
  options: {
    models: { type: "string" },
    rounds: { type: "string", default: "3" },
    steps: { type: "string", default: "3" },
  },
  strict: false,
  tokens: true,
});
const own = ["models", "rounds", "steps"];
const passed = tokens.flatMap(({ kind, name }) =>
  kind === "option" && !own.includes(name) ? [`--${name}`] : [],
);
const models = given.models.split(",");
const program = new URL("phinetune_step.mjs", import.meta.url).pathname;
const standard = { model: models[0], batch: 2, length: 256, r: 8 };
const cases = [
  standard,
  ...[64, 128, 512, 1024].map((length) => ({ ...standard, length })),
  ...[1, 4, 8].map((batch) => ({ ...standard, batch })),
  ...[1, 32, 128].map((r) => ({ ...standard, r })),
  ...models.slice(1).map((model) => ({ ...standard, model })),
];
const layersOf = (model) => JSON.parse(readFileSync(join(model, "config.json"), "utf8")).num_hidden_layers;

/** One process, one measurement. */
function measure(settings) {
  const words = Object.entries({ ...settings, steps: given.steps, warmup: 1 }).flatMap(([name, value]) => [
    `--${name}`,
    `${value}`,
  ]);
  const text = execFileSync(process.execPath, [program, ...words, ...passed], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  return JSON.parse(text.trim().split("\n").at(-1));
}

const results = cases.map(() => []);
for (let round = 0; round < Number(given.rounds); round++)
  for (const [i, settings] of cases.entries()) results[i].push(measure(settings));

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
console.log(
  "| layers | rows | tokens a row | r | seconds a step | tokens/s | peak |\n|---|---|---|---|---|---|---|",
);
for (const [i, { model, batch, length, r }] of cases.entries()) {
  const of = (key) => median(results[i].map((result) => result[key]));
  console.log(
    `| ${layersOf(model)} | ${batch} | ${length} | ${r} | ${of("step_seconds_median").toFixed(2)} | ${of("tokens_per_second").toFixed(0)} | ${(of("peak_rss_bytes") / 2 ** 20).toFixed(0)} MiB |`,
  );
}
