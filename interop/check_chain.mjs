// Three models from training to other programs: train, push, pull elsewhere, merge, export -> a table of how near each program comes to phinetune.
// Run: npm run build && cd interop && npm install && PYTHON=python3 node check_chain.mjs [FOLDER OF A LLAMA MODEL] [FILE OF ALPACA ROWS]
// Every step is a command of phinetune, and the Hub a server on this machine. Without PYTHON (torch, transformers, peft) its
// rows are left out; ONLY=phi,qwen2,llama chooses models; CHAIN_CACHE=FOLDER keeps the qwen2 model that is trained first.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toFloat32 } from "../dist/formats/dtype.js";
import { openSafetensors, readTensor, writeSafetensors } from "../dist/formats/safetensors.js";
import { f32Tensor } from "../dist/formats/tensor.js";
import { finished } from "../dist/hub/progress.js";
import { resolveAdapter, resolveModel } from "../dist/hub/resolve.js";
import { chainModels } from "./chain_models.mjs";
import { environment, inPython, phinetune, startLocalHub } from "./hub.mjs";
import { llamaCpp } from "./llama_cpp.mjs";
import { compare, heldOutRows, NEW_TOKENS, nearness, PROMPTS, reference } from "./scores.mjs";
import { transformersJs } from "./transformers_js.mjs";

const work = mkdtempSync(join(tmpdir(), "phinetune-chain-"));
/** Logits in parts of the largest, equal choices in parts of all, and the change of the loss. */
const EXACT = { logits: 1e-4, choices: 0.99, loss: 1e-3 };
const HALF = { logits: 1e-2, choices: 0.99, loss: 1e-2 };
const EIGHT = { logits: 1, choices: 0.95, loss: 1e-2 };
const FOUR = { logits: 1, choices: 0.8, loss: 5e-2 };
/**
 * llama.cpp looks phi's GELU up in a table of 16-bit numbers. Computed with the same table, transformers is nearer, though
 * not as near as elsewhere: what the table gives jumps where float32's last bit decides to which entry an argument goes.
 */
const TABLE = { ...EXACT, logits: 1e-3 };
const NEAR_TABLE = { ...EXACT, logits: 2e-4 };
const wrong = [];

function require(what, isRight, detail = "") {
  if (isRight) return;
  wrong.push(what);
  console.error(`FAIL  ${what}  ${detail}`);
}

/** One row of the table; what was not measured stays empty. */
function report(name, format, type, { difference, choices, answers, loss, change }, bounds) {
  const cell = (value, show) => (value === undefined ? "" : show(value));
  const signed = (share) => `${share < 0 ? "−" : ""}${Math.abs(100 * share).toFixed(2)} %`;
  const all = PROMPTS * NEW_TOKENS;
  const cells = [
    cell(difference, (parts) => (parts === 0 ? "0" : parts.toExponential(1))),
    cell(choices, (share) => `${Math.round(share * all)} of ${all}`),
    cell(answers, (count) => `${count} of ${PROMPTS}`),
    cell(loss, () => loss.toFixed(4)) + cell(change, () => ` (${signed(change)})`),
  ];
  console.log(`| ${[name, format, type, ...cells].join(" | ")} |`);
  if (!bounds) return;
  const isNear = difference <= bounds.logits && (choices ?? 1) >= bounds.choices && Math.abs(change ?? 0) <= bounds.loss;
  require(`${name} ${format} ${type}`, isNear, "is beyond its bounds");
}

const hub = await startLocalHub(work);
const folderOf = (name) => {
  mkdirSync(join(work, name));
  return join(work, name);
};

/** Trains by the base's name, and pulls base and adapter into another, empty cache. */
async function trainAndPull({ name, make, train, options, maxLength }) {
  const [here, elsewhere] = [folderOf(`${name}-here`), folderOf(`${name}-elsewhere`)];
  const token = { HF_TOKEN: hub.token };
  const [model, adapter, run] = [`org/${name}`, `org/${name}-adapter`, join(work, `${name}-run`)];
  await phinetune(environment(hub, here, token), "push", await make(), model, "--yes");
  await phinetune(
    environment(hub, here),
    ...["train", "--model", model, "--dataset", train, "--max-length", `${maxLength}`, ...options],
    ...["--sample-rows", "0", "--save-steps", "0", "--num-threads", "1", "--output-dir", run],
  );
  await phinetune(environment(hub, here, token), "push", run, adapter, "--yes");

  const inputs = join(work, `${name}-inputs.json`);
  writeFileSync(inputs, JSON.stringify({ input_ids: [Array.from({ length: 24 }, (_, i) => (37 * i + 11) % 470)] }));
  const logits = async (home, used) => {
    const output = join(work, `${name}-inspected.safetensors`);
    const given = ["--model", model, "--adapter", used, "--inputs", inputs, "--output", output, "--num-threads", "1"];
    await phinetune(environment(hub, home), "inspect", ...given);
    return readFileSync(output);
  };
  const before = await logits(here, run);
  require(`${name}: the same logits with what was pulled by name`, before.equals(await logits(elsewhere, adapter)));
  const control = { env: environment(hub, elsewhere, { HF_HUB_OFFLINE: "1" }) };
  const pulled = await finished(resolveAdapter(adapter, control));
  const tensors = "adapter_model.safetensors";
  const isSame = readFileSync(join(pulled, tensors)).equals(readFileSync(join(run, tensors)));
  require(`${name}: the pulled adapter is the saved one`, isSame);
  return { model, adapter, env: control.env, base: await finished(resolveModel(model, control)), pulled };
}

/** PEFT on what was pulled, and transformers on what was merged. @returns of phi, the answers with the logits of llama.cpp's GELU */
async function checkPython({ name, env, adapter, model }, merged, { answers }) {
  if (!process.env.PYTHON) return undefined;
  const [task, logits] = [join(work, `${name}-python.json`), join(work, `${name}-logits.safetensors`)];
  const V = answers[0].logits[0].length;
  const values = new Float32Array(PROMPTS * NEW_TOKENS * V);
  for (const [i, place] of answers.flatMap((answer) => answer.logits).entries()) values.set(place, i * V);
  await writeSafetensors(logits, new Map([["logits", f32Tensor([PROMPTS, NEW_TOKENS, V], values)]]));
  const table = name === "phi" ? join(work, "table.safetensors") : null;
  writeFileSync(task, JSON.stringify({ adapter, merged, rows: answers.map(({ followed }) => followed), logits, table }));
  const found = await inPython(env, [join(import.meta.dirname, "check_chain.py"), task]);
  console.error(`${name}: Python with ${JSON.stringify(found.versions)}`);
  require(`${name}: the adapter's configuration names its base`, found.base === model, found.base);
  report(name, "PEFT", "base and adapter", { difference: found.peft }, EXACT);
  report(name, "transformers", "merged, float32", { difference: found.float32 }, EXACT);
  report(name, "transformers", "merged, stored type", { difference: found.stored }, HALF);
  if (!table) return undefined;
  const withTable = toFloat32(await readTensor((await openSafetensors(table)).entries.get("logits")));
  const place = (i) => withTable.subarray(i * V, (i + 1) * V);
  return answers.map((answer, row) => ({ ...answer, logits: answer.logits.map((_, i) => place(row * NEW_TOKENS + i)) }));
}

/** GGUF of the merged model, and of the adapter on its base. */
async function checkGguf({ name, env, adapter, model }, merged, wanted, withTable) {
  const write = async (file, ...given) => {
    const output = join(work, `${name}-${file}.gguf`);
    await phinetune(env, "export", "--format", "gguf", ...given, "--output", output);
    return output;
  };
  const base = await write("base", "--model", model, "--outtype", "f32");
  const lora = await write("lora", "--model", model, "--adapter", adapter, "--what", "adapter", "--outtype", "f32");
  const exact = name === "phi" ? TABLE : EXACT;
  const hold = (type, found, bounds) => {
    report(name, "GGUF", type, found, bounds);
    if (!type.includes("f32") || !withTable) return;
    report(name, "GGUF", `${type}, against GELU from a table`, nearness(withTable, found.found), NEAR_TABLE);
  };
  hold("adapter on base, f32", await compare(await llamaCpp(base, lora), wanted), exact);
  for (const [type, bounds] of Object.entries({ f32: exact, f16: HALF, q8_0: EIGHT })) {
    const file = await write(type, "--model", merged, "--outtype", type);
    hold(type, await compare(await llamaCpp(file), wanted), bounds);
  }
}

/** ONNX of the merged model, and of the base with the adapter as inputs. */
async function checkOnnx({ name, env, adapter, model }, merged, wanted) {
  const outside = join(work, `${name}-onnx-inputs`);
  await phinetune(
    env,
    ...["export", "--format", "onnx", "--model", model, "--adapter", adapter, "--lora-inputs", "required"],
    ...["--dtype", "fp32", "--output", outside],
  );
  const { entries } = await openSafetensors(join(outside, "onnx/adapter.safetensors"));
  const inputs = {};
  for (const [path, entry] of entries) inputs[path] = { data: toFloat32(await readTensor(entry)), shape: entry.shape };
  const beside = await compare(await transformersJs(outside, "fp32", inputs), wanted, { alone: false });
  report(name, "ONNX", "adapter as inputs, fp32", beside, EXACT);
  const types = { fp32: EXACT, fp16: HALF, q8: EIGHT, q4: FOUR, q4f16: FOUR };
  const output = join(work, `${name}-onnx`);
  const dtypes = ["--dtype", ...Object.keys(types)];
  await phinetune(env, "export", "--format", "onnx", "--model", merged, ...dtypes, "--output", output);
  for (const [type, bounds] of Object.entries(types))
    report(name, "ONNX", type, await compare(await transformersJs(output, type), wanted), bounds);
}

/** mlx-lm's form and back; the program itself is run by check_mlx.py. */
async function checkMlx({ name, env, adapter, model, base }, wanted) {
  const [mlx, back] = [join(work, `${name}-mlx`), join(work, `${name}-back`)];
  await phinetune(env, "export", "--format", "mlx", "--model", model, "--adapter", adapter, "--output", mlx);
  await phinetune(env, "export", "--format", "peft", "--model", model, "--adapter", mlx, "--output", back);
  const { answers, loss } = await reference(base, back, wanted.rows);
  const found = nearness(wanted.answers, answers.map(({ logits }) => logits));
  report(name, "MLX", "adapter, and back to PEFT", { ...found, loss, change: loss / wanted.loss - 1 }, EXACT);
}

try {
  console.log("| model | format | type | logits | choices | answers | loss |\n|---|---|---|---|---|---|---|");
  for (const each of chainModels(work, ...process.argv.slice(2))) {
    const { name, heldOut, maxLength } = each;
    if (process.env.ONLY && !process.env.ONLY.split(",").includes(name)) continue;
    const made = { name, ...(await trainAndPull(each)) };
    const rows = await heldOutRows(made.base, heldOut, maxLength);
    const wanted = await reference(made.base, made.pulled, rows);
    const plain = await reference(made.base, undefined, rows);
    report(name, "phinetune", "base", { loss: plain.loss });
    report(name, "phinetune", "base and adapter", { loss: wanted.loss });
    const merged = {};
    for (const dtype of ["float32", "stored"]) {
      merged[dtype] = join(work, `${name}-${dtype}`);
      const given = ["--model", made.model, "--adapter", made.adapter, "--dtype", dtype];
      await phinetune(made.env, "merge", ...given, "--output-dir", merged[dtype]);
    }
    const withTable = await checkPython(made, merged, wanted);
    await checkGguf(made, merged.float32, wanted, withTable);
    await checkOnnx(made, merged.float32, wanted);
    await checkMlx(made, wanted);
    for (const folder of readdirSync(work)) if (folder.startsWith(`${name}-`)) rmSync(join(work, folder), { recursive: true });
  }
} finally {
  await hub.close();
  rmSync(work, { recursive: true, force: true });
}
console.log(wrong.length === 0 ? "all within their bounds" : `beyond their bounds: ${wrong.join("; ")}`);
process.exit(wrong.length === 0 ? 0 : 1);
