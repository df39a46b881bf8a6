// Where the time goes: onnxruntime's times of each node of a training step or of generation -> a table by op and one by part of the model.
// npm run build; node bench/profile.mjs --model DIR [--generate] [--batch 2] [--length 256] [--runs 5] [--threads 2] [--load-in-8bit] [--gradient-checkpointing]
// A run is a forward and backward pass, or with --generate one further token after prompts of --length tokens.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { planAdapter } from "../dist/adapters/attach.js";
import { defaultLoraConfig } from "../dist/adapters/config.js";
import { initialValues } from "../dist/adapters/initial.js";
import { createGenerator } from "../dist/evaluate/generate.js";
import { chunksFor } from "../dist/evaluate/loss_head.js";
import { openBaseModel } from "../dist/models/base_model.js";
import { openInStorage } from "../dist/quantize/storage.js";
import { createRandom } from "../dist/random.js";
import { createObjective } from "../dist/train/objective.js";

const { values: given } = parseArgs({
  options: {
    model: { type: "string" },
    generate: { type: "boolean", default: false },
    batch: { type: "string", default: "2" },
    length: { type: "string", default: "256" },
    runs: { type: "string", default: "5" },
    threads: { type: "string", default: "2" },
    r: { type: "string", default: "8" },
    targets: { type: "string", default: "all-linear" },
    "load-in-8bit": { type: "boolean", default: false },
    "gradient-checkpointing": { type: "boolean", default: false },
  },
});
const [B, T, runs, numThreads, r] = [given.batch, given.length, given.runs, given.threads, given.r].map(
  Number,
);
const folder = mkdtempSync(join(tmpdir(), "phinetune-profile-"));
const profile = join(folder, "profile");
const base = await openInStorage(await openBaseModel(given.model), { loadIn8bit: given["load-in-8bit"] });
const random = createRandom(1, "bench");
const tokens = () => random.nextUint32() % base.config.vocabSize;

if (given.generate) {
  const generator = await createGenerator(base, undefined, { numThreads, profile });
  const prompts = Array.from({ length: B }, () => Array.from({ length: T }, tokens));
  await generator.generate(prompts, { maxNewTokens: runs + 2, eosTokenIds: [] });
  await generator.release();
} else {
  const targetModules = given.targets === "all-linear" ? given.targets : given.targets.split(",");
  const plan = planAdapter(base, { ...defaultLoraConfig, r, alpha: 2 * r, targetModules });
  const inputIds = Int32Array.from({ length: B * T }, tokens);
  const attentionMask = new Int32Array(B * T).fill(1);
  const batch = { B, T, inputIds, attentionMask, labels: inputIds, rows: [...Array(B).keys()] };
  const objective = await createObjective(base, plan, {
    numThreads,
    profile,
    gradientCheckpointing: given["gradient-checkpointing"],
    chunks: chunksFor(base, plan, B * (T - 1)),
  });
  const values = await initialValues(base, plan, 1);
  for (let i = 0; i < runs + 2; i++)
    await objective.differentiate(batch, values, { seed: 1, step: i + 1, microBatch: 0 });
  await objective.release();
}

const file = readdirSync(folder).find((name) => name.startsWith("profile"));
const events = JSON.parse(readFileSync(join(folder, file), "utf8"));
rmSync(folder, { recursive: true });
const starts = events.filter(({ name }) => name === "model_run").sort((a, b) => a.ts - b.ts);
// The first runs touch memory, and of a generation the first reads the prompts.
const counted = starts.slice(-runs);
const nodes = events.filter(
  ({ cat, name, ts }) => cat === "Node" && name.endsWith("_kernel_time") && ts >= counted[0].ts,
);
const total = counted.reduce((sum, { dur }) => sum + dur, 0) / runs / 1000;
console.log(`a run takes ${total.toFixed(1)} ms`);

function table(title, keyOf) {
  const sums = new Map();
  for (const event of nodes) {
    const key = keyOf(event);
    const known = sums.get(key) ?? { time: 0, count: 0 };
    sums.set(key, { time: known.time + event.dur, count: known.count + 1 });
  }
  console.log(`\n| ${title} | ms a run | share | nodes |\n|---|---|---|---|`);
  for (const [key, { time, count }] of [...sums].sort(([, x], [, y]) => y.time - x.time).slice(0, 24)) {
    const ms = time / runs / 1000;
    console.log(
      `| ${key} | ${ms.toFixed(1)} | ${((100 * ms) / total).toFixed(1)} % | ${Math.round(count / runs)} |`,
    );
  }
}
table("op", ({ args }) => args.op_name);
// `model.layers.3.mlp.fc1/gemm_2` counts as `mlp.fc1/gemm`.
table("part", ({ name }) =>
  name
    .replace("_kernel_time", "")
    .replace(/^model\.layers\.\d+[./]?/, "")
    .replace(/_\d+(?=\/|$)/g, ""),
);
