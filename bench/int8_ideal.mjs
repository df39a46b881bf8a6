// How fast 8-bit products are on this machine when nothing else is to be done -> the share of a training step that they would take.
// npm run build; node bench/int8_ideal.mjs --model DIR [--batch 2] [--length 256] [--threads 2] [--runs 15] [--rounds 3]
// Each shape of the model is multiplied alone, forward and backward, with weights that are packed in advance, and then a step
// of phinetune_step.mjs is made: in turns. The ideal step is the sum of the products, each at its best median.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openSafetensors, writeSafetensors } from "../dist/formats/safetensors.js";
import { createGraph } from "../dist/graph/graph.js";
import { apply, input, weight } from "../dist/graph/value.js";
import { openBaseModel } from "../dist/models/base_model.js";
import { createSession } from "../dist/runtime/session.js";

const { values: given } = parseArgs({
  options: {
    model: { type: "string" },
    batch: { type: "string", default: "2" },
    length: { type: "string", default: "256" },
    threads: { type: "string", default: "2" },
    runs: { type: "string", default: "15" },
    rounds: { type: "string", default: "3" },
  },
});
const [B, T, threads, runs, rounds] = [
  given.batch,
  given.length,
  given.threads,
  given.runs,
  given.rounds,
].map(Number);
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** The first row of u8 [N, K] times i8 [K, M], a weight: what is returned would be copied. */
const product = {
  name: "product",
  weights: "packed",
  infer: ([_x, w]) => [{ dtype: "int32", shape: [1, w.shape[1]] }],
  vjp: [null, null],
  onnx: (emit, inputs, outputs) => {
    emit.node("MatMulInteger", inputs, ["all"]);
    emit.node("Slice", ["all", emit.int64([0]), emit.int64([1]), emit.int64([0])], outputs);
  },
};
const folder = mkdtempSync(join(tmpdir(), "phinetune-ideal-"));

/** Median seconds of one product. */
async function time(N, K, M) {
  const path = join(folder, `${K}x${M}.safetensors`);
  if (!existsSync(path)) {
    const bytes = new Uint8Array(Int8Array.from({ length: K * M }, (_, i) => ((i * 31) % 255) - 127).buffer);
    await writeSafetensors(path, new Map([["w", { dtype: "I8", shape: [K, M], bytes }]]), {});
  }
  const w = weight("w", (await openSafetensors(path)).entries.get("w"));
  const graph = createGraph({ y: apply(product, [input("x", "uint8", [N, K]), w]) });
  const session = await createSession(graph, { numThreads: threads });
  const x = { dims: [N, K], data: Uint8Array.from({ length: N * K }, (_, i) => (i * 7) % 256) };
  const seconds = [];
  for (let i = 0; i < runs + 3; i++) {
    const started = performance.now();
    await session.run({ x });
    if (i >= 3) seconds.push((performance.now() - started) / 1000);
  }
  await session.release();
  return median(seconds);
}

const base = await openBaseModel(given.model);
const { config } = base;
const shapes = new Map();
const linears = base.modules.filter(({ kind }) => kind === "linear");
// Nothing flows back from the first layer's queries, keys, values and fc1: below them nothing is trained.
const last = linears.filter(({ path }) =>
  /layers\.0\..*(q_proj|k_proj|v_proj|fc1|gate_proj|up_proj)$/.test(path),
);
for (const module of linears) {
  const rows = module.path === "lm_head" ? B * (T - 1) : B * T;
  for (const [K, M] of [
    [module.in, module.out],
    ...(last.includes(module) ? [] : [[module.out, module.in]]),
  ]) {
    const key = [rows, K, M].join(" ");
    shapes.set(key, (shapes.get(key) ?? 0) + 1);
  }
}
const best = new Map();
const steps = [];
for (let round = 0; round < rounds; round++) {
  for (const key of shapes.keys()) {
    const seconds = await time(...key.split(" ").map(Number));
    best.set(key, Math.min(best.get(key) ?? Number.POSITIVE_INFINITY, seconds));
  }
  const words = ["--model", given.model, "--load-in-8bit", "--batch", B, "--length", T, "--threads", threads];
  const text = execFileSync(
    process.execPath,
    [new URL("phinetune_step.mjs", import.meta.url).pathname, ...words.map(String)],
    { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] },
  );
  steps.push(JSON.parse(text.trim().split("\n").at(-1)).step_seconds_median);
}
console.log("| product | times a step | ms | GOP/s |\n|---|---|---|---|");
let ideal = 0;
let operations = 0;
for (const [key, count] of shapes) {
  const [N, K, M] = key.split(" ").map(Number);
  const seconds = best.get(key);
  ideal += count * seconds;
  operations += count * 2 * N * K * M;
  console.log(
    `| [${N}, ${K}] x [${K}, ${M}] | ${count} | ${(1000 * seconds).toFixed(1)} | ${((2 * N * K * M) / seconds / 1e9).toFixed(0)} |`,
  );
}
rmSync(folder, { recursive: true });
const step = Math.min(...steps);
console.log(
  `\n${config.layers} layers: products ${ideal.toFixed(3)} s (${(operations / ideal / 1e9).toFixed(0)} GOP/s), step ${step.toFixed(3)} s (median ${median(steps).toFixed(3)}): ${((100 * ideal) / step).toFixed(0)} % of a step is products at their best`,
);
