// A model of real size -> what each export of it takes in time, memory and disk, and how near llama.cpp and transformers.js come to phinetune.
// Run: npm run build && cd interop && npm install && node check_size.mjs FOLDER
// The adapter has random values. Peak memory is read from /proc, so Linux only.
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createGenerator } from "../dist/evaluate/generate.js";
import { loadPeftAdapter } from "../dist/export/peft.js";
import { loadTokenizer } from "../dist/formats/tokenizer.js";
import { openBaseModel } from "../dist/models/base_model.js";
import { llamaCpp } from "./llama_cpp.mjs";
import { randomAdapter, root } from "./models.mjs";
import { nearness } from "./scores.mjs";
import { transformersJs } from "./transformers_js.mjs";

const [model] = process.argv.slice(2);
if (model === undefined) {
  console.error("usage: node check_size.mjs FOLDER");
  process.exit(2);
}
const PROMPT = "Below is an instruction that describes a task. Write a response that appropriately completes the request.";
const work = mkdtempSync(join(tmpdir(), "phinetune-size-"));
const adapter = await randomAdapter(work, model, { targetModules: "all-linear", r: 8, alpha: 16 }, 0.02);

/** Seconds and peak of memory of the command. */
function phinetune(...words) {
  const start = performance.now();
  const child = spawn(process.execPath, [join(root, "dist/cli/main.js"), ...words], { stdio: ["ignore", "ignore", "inherit"] });
  let peak = 0;
  const timer = setInterval(() => {
    try {
      const found = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, "utf8"));
      if (found) peak = 1024 * Number(found[1]);
    } catch {
      // It has just ended.
    }
  }, 50);
  return new Promise((resolve, reject) => {
    child.on("exit", (code) => {
      clearInterval(timer);
      if (code !== 0) reject(new Error(`${words[0]} ended with ${code}`));
      else resolve({ seconds: (performance.now() - start) / 1000, peak });
    });
  });
}

/** Bytes of a file, or of all files of a folder. */
const sizeOf = (path) =>
  statSync(path).isDirectory()
    ? readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0)
    : statSync(path).size;

/** phinetune's own greedy answer, in the form that `nearness` takes: 16 tokens with the logits of each choice. */
async function ownAnswer() {
  const base = await openBaseModel(model);
  const prompt = (await loadTokenizer(model)).encode(PROMPT, { addSpecialTokens: true });
  const generator = await createGenerator(base, await loadPeftAdapter(adapter, base));
  const answer = { prompt, tokens: [], logits: [] };
  for await (const step of generator.steps([prompt], { maxNewTokens: 16, eosTokenIds: [] })) {
    answer.tokens.push(step.tokens[0]);
    answer.logits.push(Float32Array.from(step.logits));
  }
  await generator.release();
  return { ...answer, followed: [...prompt, ...answer.tokens.slice(0, -1)] };
}

const answer = await ownAnswer();
const gigabytes = (bytes) => `${(bytes / 1e9).toFixed(2)} GB`;
console.log("| export | time | peak memory | on disk | largest difference of a logit, of the largest | choices equal |\n|---|---|---|---|---|---|");
async function check(name, words, output, open) {
  const { seconds, peak } = await phinetune(...words, "--model", model, "--adapter", adapter);
  let compared = ["", ""];
  if (open) {
    const program = await open(output);
    const found = await program.logits(answer.followed, answer.prompt.length);
    const { difference, choices } = nearness([answer], [found]);
    compared = [difference.toExponential(1), `${Math.round(16 * choices)} of 16`];
    await program.close();
  }
  console.log(`| ${[name, `${seconds.toFixed(0)} s`, gigabytes(peak), gigabytes(sizeOf(output)), ...compared].join(" | ")} |`);
  rmSync(output, { recursive: true, force: true });
}

const to = (name) => join(work, name);
for (const outtype of ["f16", "q8_0"]) {
  const output = to(`${outtype}.gguf`);
  const words = ["export", "--format", "gguf", "--outtype", outtype, "--output", output];
  await check(`GGUF ${outtype}`, words, output, llamaCpp);
}
for (const dtype of ["fp16", "q8", "q4"]) {
  const output = to(`onnx-${dtype}`);
  const words = ["export", "--format", "onnx", "--dtype", dtype, "--output", output];
  await check(`ONNX ${dtype}`, words, output, (folder) => transformersJs(folder, dtype));
}
await check("merge", ["merge", "--output-dir", to("merged")], to("merged"));
rmSync(work, { recursive: true, force: true });
