// Times training steps of phinetune on random tokens; prints one JSON line. Run `npm run build` first.
// node bench/phinetune_step.mjs --model DIR [--batch 2] [--length 256] [--steps 5] [--warmup 2] [--threads 2] [--r 8] [--load-in-8bit | --load-in-4bit] [--gradient-checkpointing]
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { planAdapter } from "../dist/adapters/attach.js";
import { defaultLoraConfig } from "../dist/adapters/config.js";
import { initialValues } from "../dist/adapters/initial.js";
import { chunksFor } from "../dist/evaluate/loss_head.js";
import { openBaseModel } from "../dist/models/base_model.js";
import { openInStorage } from "../dist/quantize/storage.js";
import { createRandom } from "../dist/random.js";
import { createTrainState, trainingLoop } from "../dist/train/loop.js";
import { createObjective } from "../dist/train/objective.js";

const { values: given } = parseArgs({
  options: {
    model: { type: "string" },
    batch: { type: "string", default: "2" },
    length: { type: "string", default: "256" },
    steps: { type: "string", default: "5" },
    warmup: { type: "string", default: "2" },
    threads: { type: "string", default: "2" },
    r: { type: "string", default: "8" },
    "load-in-8bit": { type: "boolean", default: false },
    "load-in-4bit": { type: "boolean", default: false },
    "gradient-checkpointing": { type: "boolean", default: false },
  },
});
const [B, T, steps, warmup, numThreads, r] = [
  given.batch,
  given.length,
  given.steps,
  given.warmup,
  given.threads,
  given.r,
].map(Number);
const started = performance.now();
const [loadIn8bit, loadIn4bit] = [given["load-in-8bit"], given["load-in-4bit"]];
const base = await openInStorage(await openBaseModel(given.model), { loadIn8bit, loadIn4bit });
const plan = planAdapter(base, {
  ...defaultLoraConfig,
  r,
  alpha: 2 * r,
  targetModules: ["q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2"],
});
const gradientCheckpointing = given["gradient-checkpointing"];
const chunks = chunksFor(base, plan, B * (T - 1));
const objective = await createObjective(base, plan, { numThreads, gradientCheckpointing, chunks });
const loadSeconds = (performance.now() - started) / 1000;

const random = createRandom(1, "bench");
const inputIds = Int32Array.from({ length: B * T }, () => random.nextUint32() % base.config.vocabSize);
const batch = {
  B,
  T,
  inputIds,
  attentionMask: new Int32Array(B * T).fill(1),
  labels: inputIds,
  rows: [...Array(B).keys()],
};
const state = createTrainState(await initialValues(base, plan, 1));
const seconds = [];
const schedule = { name: "constant", learningRate: 1e-4, warmupSteps: 0, totalSteps: warmup + steps };
const loop = {
  schedule,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0,
  decayAll: false,
  maxGradNorm: 1,
  gradientAccumulationSteps: 1,
  stepsPerEpoch: 1,
  seed: 1,
};
let firstLoss;
for await (const event of trainingLoop(plan, objective, () => [batch], state, loop)) {
  firstLoss ??= event.loss;
  if (event.step > warmup) seconds.push(event.step_seconds);
}
const sorted = [...seconds].sort((a, b) => a - b);
const median = sorted[Math.floor(sorted.length / 2)];
const status = Object.fromEntries(
  [...readFileSync("/proc/self/status", "utf8").matchAll(/^(VmHWM|RssAnon|RssFile):\s+(\d+)/gm)].map(
    ([, key, kb]) => [key, Number(kb) * 1024],
  ),
);
console.log(
  JSON.stringify({
    program: "phinetune",
    weights: base.storage?.name ?? "float32",
    gradient_checkpointing: gradientCheckpointing,
    step_seconds_median: median,
    step_seconds_min: sorted[0],
    tokens_per_second: (B * T) / median,
    load_seconds: loadSeconds,
    peak_rss_bytes: status.VmHWM,
    anonymous_bytes: status.RssAnon,
    mapped_bytes: status.RssFile,
    threads: numThreads,
    first_loss: firstLoss,
  }),
);
