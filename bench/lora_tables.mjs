// LoRA settings, each trained and scored with several seeds on the embedded model -> the measured tables of docs/lora.md.
// npm run build; node bench/lora_tables.mjs [--only GROUP]… [--seeds 3] [--steps 150] [--eval-rows 200] [--output docs/lora.md] [--tables-only]
// What is finished is kept in runs/lora_tables and not done again (after a change of src, remove it); --tables-only writes the tables of what is there.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { percentile } from "../dist/evaluate/metrics/bootstrap.js";
import { exactMatch } from "../dist/evaluate/metrics/exact_match.js";
import { createRandom } from "../dist/random.js";

const { values: given } = parseArgs({
  options: {
    only: { type: "string", multiple: true, default: [] },
    seeds: { type: "string", default: "3" },
    steps: { type: "string", default: "150" },
    "eval-rows": { type: "string", default: "200" },
    folder: { type: "string", default: "runs/lora_tables" },
    output: { type: "string", default: "docs/lora.md" },
    "tables-only": { type: "boolean", default: false },
  },
});
const PROGRAM = new URL("../dist/cli/main.js", import.meta.url).pathname;
const MODEL = "assets/tiny-phi";
const TRAIN_ROWS = "assets/instructions/train.jsonl";
const HELD_ROWS = "assets/instructions/validation.jsonl";
/** Adapters that are scored in one call, beside the base. */
const SCORED_AT_ONCE = 7;
const RESAMPLES = 2000;

/** What all runs share; learning rate, its schedule and the batch are those of examples/start/train.yaml. */
const TRAINING = {
  "learning-rate": 0.01,
  "lr-scheduler-type": "cosine",
  "warmup-ratio": 0.05,
  "max-steps": Number(given.steps),
  "per-device-train-batch-size": 16,
};
const SCORING = {
  "max-rows": Number(given["eval-rows"]),
  "max-new-tokens": 40,
  "per-device-eval-batch-size": 50,
};

const setting = (name, { r = 8, alpha = r, more = [] } = {}) => ({
  name,
  words: ["--lora-r", String(r), "--lora-alpha", String(alpha), ...more],
});
const BASELINE = setting("");
const modules = (name, ...words) => setting(name, { more: ["--lora-target-modules", ...words] });

const GROUPS = [
  {
    name: "r",
    column: "r",
    title: "Rank, with alpha = r",
    settings: [1, 2, 4, 8, 16, 32].map((r) => setting(`${r}`, { r })),
  },
  {
    name: "alpha",
    column: "alpha/r",
    title: "Scale alpha/r, at r 8",
    settings: [0.5, 1, 2, 4].map((scale) => setting(`${scale} (alpha ${8 * scale})`, { alpha: 8 * scale })),
  },
  {
    name: "rslora",
    column: "setting",
    title: "alpha 8 at a large rank: alpha/r and alpha/√r",
    settings: [
      setting("r 8, scale 1"),
      setting("r 32, scale 0.25", { r: 32, alpha: 8 }),
      setting("r 32, rsLoRA, scale 1.41", { r: 32, alpha: 8, more: ["--use-rslora"] }),
    ],
  },
  {
    name: "dropout",
    column: "dropout",
    title: "Dropout",
    settings: [
      setting("0"),
      ...[0.05, 0.1, 0.2].map((p) => setting(`${p}`, { more: ["--lora-dropout", `${p}`] })),
    ],
  },
  {
    name: "bias",
    column: "bias",
    title: "Bias",
    settings: [
      setting("none"),
      ...["lora_only", "all"].map((mode) => setting(mode, { more: ["--lora-bias", mode] })),
    ],
  },
  {
    name: "modules",
    column: "target modules",
    title: "Target modules",
    settings: [
      modules("q_proj v_proj", "q_proj", "v_proj"),
      modules("q_proj k_proj v_proj dense (attention)", "q_proj", "k_proj", "v_proj", "dense"),
      modules("fc1 fc2 (MLP)", "fc1", "fc2"),
      setting("q_proj v_proj fc1 fc2 (default of phi)"),
      modules("all-linear", "all-linear"),
    ],
  },
  {
    name: "initial",
    column: "first values",
    title: "First values of A",
    settings: [setting("default"), setting("gaussian", { more: ["--init-lora-weights", "gaussian"] })],
  },
];

const readJson = (path) => JSON.parse(readFileSync(path, "utf8"));
const writeJson = (path, value) => writeFileSync(path, `${JSON.stringify(value)}\n`);
const hashOf = (bytes) => createHash("sha256").update(bytes).digest("hex");
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const flags = (options) => Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
const keyOf = ({ words }, seed) => `${words.join("_").replaceAll("--", "")}_seed_${seed}`;

/** Options and files -> a folder of their own, so that results of other models or lengths are never mixed in. */
function protocolFolder() {
  const files = [join(MODEL, "model.safetensors"), TRAIN_ROWS, HELD_ROWS].map((path) =>
    hashOf(readFileSync(path)),
  );
  return join(given.folder, hashOf(JSON.stringify([TRAINING, SCORING, files])).slice(0, 8));
}

/** Groups -> each setting once a seed: all with seed 1, then all with seed 2, … */
function jobsOf(groups, folder) {
  const settings = [BASELINE, ...groups.flatMap((group) => group.settings)];
  const unique = [...new Map(settings.map((one) => [one.words.join(" "), one])).values()];
  return Array.from({ length: Number(given.seeds) }, (_, i) => i + 1).flatMap((seed) =>
    unique.map(({ words }) => {
      const path = join(folder, keyOf({ words }, seed));
      return { words, seed, path, result: `${path}.json` };
    }),
  );
}

/** Words of a command -> nothing, when it has ended well. @throws with what it wrote to stderr */
function phinetune(words) {
  execFileSync(process.execPath, [PROGRAM, ...words], { stdio: ["ignore", "ignore", "pipe"] });
}

/** The folder of a run -> its size and time; undefined when it has not ended. */
function trainedRun(path) {
  if (!existsSync(join(path, "events.jsonl"))) return undefined;
  const events = readFileSync(join(path, "events.jsonl"), "utf8").trim().split("\n");
  const all = events.map((line) => JSON.parse(line));
  const finished = all.find(({ type }) => type === "finished");
  if (!finished || finished.interrupted) return undefined;
  return {
    trained_parameters: all.find(({ type }) => type === "started").trainable_params,
    adapter_bytes: statSync(join(path, "adapter_model.safetensors")).size,
    train_seconds: finished.train_runtime,
  };
}

/** A job -> its run folder, with the adapter. Without held-out rows nothing is evaluated before the training. */
function train({ words, seed, path }) {
  const output = [
    "--seed",
    String(seed),
    "--save-steps",
    "0",
    "--output-dir",
    path,
    "--overwrite-output-dir",
  ];
  phinetune(["train", "--model", MODEL, "--dataset", TRAIN_ROWS, ...flags(TRAINING), ...words, ...output]);
}

/** Trained jobs -> for the base and each of them whether each held-out row was answered exactly, and the loss. */
function score(jobs, folder) {
  const output = join(folder, "scored.json");
  const adapters = ["--adapter", ...jobs.map(({ path }) => path)];
  const files = ["--model", MODEL, ...adapters, "--dataset", HELD_ROWS, "--output", output];
  phinetune(["eval", ...files, ...flags(SCORING), "--resamples", "1", "--shown-rows", "0"]);
  const { rows, systems } = readJson(output);
  return systems.map(({ scores }, i) => ({
    exact: rows.map(({ answers, reference }) => exactMatch(answers[i].text, reference)),
    loss: scores.loss,
  }));
}

/** Jobs -> their results as files, chunk by chunk. */
function runAll(jobs, folder) {
  const pending = jobs.filter(({ result }) => !existsSync(result));
  const started = performance.now();
  const minutes = () => ((performance.now() - started) / 60_000).toFixed(1);
  let done = jobs.length - pending.length;
  for (let at = 0; at < pending.length; at += SCORED_AT_ONCE) {
    const chunk = pending.slice(at, at + SCORED_AT_ONCE);
    for (const job of chunk) {
      if (!trainedRun(job.path)) train(job);
      const { train_seconds } = trainedRun(job.path);
      const what = `seed ${job.seed} ${job.words.join(" ")}`;
      console.log(`${++done}/${jobs.length} ${what}: ${train_seconds.toFixed(1)} s (${minutes()} min)`);
    }
    const [base, ...scored] = score(chunk, folder);
    writeJson(join(folder, "base.json"), base);
    for (const [i, { words, seed, path, result }] of chunk.entries())
      writeJson(result, { words, seed, ...trainedRun(path), ...scored[i] });
    const shares = scored.map(({ exact }) => percent(mean(exact))).join(", ");
    console.log(
      `scored (${minutes()} min): exact match ${shares} %; the base ${percent(mean(base.exact))} %`,
    );
  }
}

/** Values [seed][row] -> their mean, and between what means lie when seeds and rows are both drawn anew. */
function estimate(values) {
  const random = createRandom(0, "lora tables");
  const draw = (n) => Array.from({ length: n }, () => Math.floor((random.nextUint32() / 2 ** 32) * n));
  const means = Array.from({ length: RESAMPLES }, () => {
    const rows = draw(values[0].length);
    return mean(draw(values.length).map((seed) => mean(rows.map((row) => values[seed][row]))));
  }).sort((a, b) => a - b);
  return { value: mean(values.map(mean)), low: percentile(means, 0.025), high: percentile(means, 0.975) };
}

const percent = (share) => (100 * share).toFixed(1);
const signed = (share) => `${share < 0 ? "−" : "+"}${percent(Math.abs(share))}`;
const interval = ({ value, low, high }, show) => `${show(value)} (${show(low)} to ${show(high)})`;
const cells = (values) => `| ${values.join(" | ")} |`;

/** A setting -> its results by seed, as far as they are there. */
function resultsOf(one, folder) {
  const paths = Array.from({ length: Number(given.seeds) }, (_, i) =>
    join(folder, `${keyOf(one, i + 1)}.json`),
  );
  return paths.filter((path) => existsSync(path)).map(readJson);
}

/** A setting's results and the baseline's -> a row of its table. */
function tableRow({ name }, results, baseline) {
  const pairs = results.flatMap(({ seed, words, exact }) => {
    const other = baseline.find((one) => one.seed === seed && one.words.join() !== words.join());
    return other ? [exact.map((value, row) => value - other.exact[row])] : [];
  });
  const losses = results.map(({ loss }) => loss);
  const [{ trained_parameters, adapter_bytes }] = results;
  const wanted = Number(given.seeds);
  return cells([
    results.length < wanted ? `${name}, ${results.length} of ${wanted} seeds` : name,
    interval(estimate(results.map(({ exact }) => exact)), percent),
    pairs.length > 0 ? interval(estimate(pairs), signed) : "the baseline",
    interval({ value: mean(losses), low: Math.min(...losses), high: Math.max(...losses) }, (loss) =>
      loss.toFixed(3),
    ),
    trained_parameters.toLocaleString("en-US"),
    `${Math.round(adapter_bytes / 1000).toLocaleString("en-US")} kB`,
    `${median(results.map(({ train_seconds }) => train_seconds)).toFixed(1)} s`,
  ]);
}

/** A group -> its table, with the settings that have results. */
function tableOf({ column, title, settings }, folder) {
  const baseline = resultsOf(BASELINE, folder);
  const measured = settings
    .map((one) => [one, resultsOf(one, folder)])
    .filter(([, results]) => results.length);
  if (measured.length === 0) return [];
  const head = [
    column,
    "exact match, %",
    "change from the baseline",
    "held-out loss",
    "trained parameters",
    "adapter file",
    "training",
  ];
  const rows = measured.map(([one, results]) => tableRow(one, results, baseline));
  return [`### ${title}`, [cells(head), cells(head.map(() => "---")), ...rows].join("\n")];
}

/** What was measured and on what -> a paragraph. */
function conditions(folder) {
  const { exact, loss } = readJson(join(folder, "base.json"));
  const batch = TRAINING["per-device-train-batch-size"];
  return [
    `Each run: ${given.steps} steps of ${batch} rows; seeds 1 to ${given.seeds}; scored on ${exact.length} held-out rows.`,
    `The base without an adapter: exact match ${interval(estimate([exact]), percent)} %, held-out loss ${loss.toFixed(3)}.`,
    `${cpus().length} cores (${cpus()[0].model.trim()}), Node ${process.version}.`,
  ].join(" ");
}

/** Results -> the tables, between the markers of the document. */
function writeTables(folder) {
  if (!existsSync(join(folder, "base.json"))) throw new Error(`nothing has been scored yet in ${folder}`);
  const tables = GROUPS.flatMap((group) => tableOf(group, folder));
  const text = [conditions(folder), ...tables].join("\n\n");
  const document = readFileSync(given.output, "utf8");
  const marked = /(<!-- tables -->).*(<!-- \/tables -->)/s;
  if (!marked.test(document)) throw new Error(`${given.output} has no <!-- tables --> … <!-- /tables -->`);
  writeFileSync(
    given.output,
    document.replace(marked, (_, open, close) => `${open}\n\n${text}\n\n${close}`),
  );
}

const unknown = given.only.filter((name) => !GROUPS.some((group) => group.name === name));
if (unknown.length > 0)
  throw new Error(
    `--only ${unknown.join(", ")}: the groups are ${GROUPS.map(({ name }) => name).join(", ")}`,
  );
const folder = protocolFolder();
mkdirSync(folder, { recursive: true });
const groups = GROUPS.filter(({ name }) => given.only.length === 0 || given.only.includes(name));
if (!given["tables-only"]) runAll(jobsOf(groups, folder), folder);
writeTables(folder);
console.log(`tables written to ${given.output}`);
