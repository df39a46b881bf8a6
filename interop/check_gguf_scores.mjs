// Trained adapters, merged and exported as GGUF in f32, f16 and q8_0 -> how near llama.cpp's logits, choices and losses are to phinetune's.
// Run: npm run build && cd interop && npm install && node check_gguf_scores.mjs [FOLDER OF A LLAMA MODEL] [FILE OF ALPACA ROWS]
// Logits must be within 1e-4 (f32) and 1e-2 (f16) of the largest, losses of held-out rows within 1 % (q8_0); of phi within
// 1e-3 in f32, for llama.cpp looks GELU up in a table of 16-bit numbers.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getLlama, LlamaLogLevel } from "node-llama-cpp";
import { sequentialBatches } from "../dist/data/batches.js";
import { prepareDataset } from "../dist/data/prepare.js";
import { createGenerator } from "../dist/evaluate/generate.js";
import { createLossEvaluator } from "../dist/evaluate/loss.js";
import { exportModel } from "../dist/export.js";
import { loadPeftAdapter } from "../dist/export/peft.js";
import { readRows } from "../dist/formats/rows.js";
import { loadTokenizer } from "../dist/formats/tokenizer.js";
import { fineTune, resolveTrainOptions } from "../dist/index.js";
import { openBaseModel } from "../dist/models/base_model.js";
import { root } from "./models.mjs";

const ROWS = 50;
const NEW_TOKENS = 16;
const MAX_LENGTH = 160;
/** Tokens of each row whose loss is compared. */
const SCORED = 30;
const work = mkdtempSync(join(tmpdir(), "phinetune-gguf-scores-"));
const llama = await getLlama({ build: "never", gpu: false, logLevel: LlamaLogLevel.error });
const wrong = [];
/** llama.cpp keeps keys and values in 16 bits unless told otherwise. */
const EXACT_CACHE = { experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32", flashAttention: false };

/** An adapter after 60 steps, and held-out rows as token ids with the number of those that are the prompt. */
async function train(model, dataset, heldOut) {
  const output = mkdtempSync(join(work, "run-"));
  const options = resolveTrainOptions({
    ...{ model, dataset, maxLength: MAX_LENGTH, maxSteps: 60, learningRate: 2e-3, sampleRows: 0 },
    ...{ loraTargetModules: "all-linear", outputDir: output, overwriteOutputDir: true, saveSteps: 0 },
  });
  for await (const _ of fineTune(options));
  const { config } = await openBaseModel(model);
  const tokenizer = await loadTokenizer(model);
  const rows = readRows(heldOut);
  const { encoded } = await prepareDataset({ ...options, rows, tokenizer, vocabSize: config.vocabSize });
  const firsts = encoded.slice(0, ROWS).map(({ labels }) => labels.findIndex((label) => label !== -100));
  const held = firsts.map((first, i) => ({
    ...encoded[i],
    inputIds: encoded[i].inputIds.slice(0, first + SCORED),
    labels: encoded[i].labels.slice(0, first + SCORED),
  }));
  const texts = held.map(({ inputIds }, i) => ({ ids: [...inputIds], first: firsts[i] }));
  return { adapter: output, held, texts };
}

/** Greedy continuations with the logits of each choice, and the loss of the trained tokens. */
async function ours(folder, path, held, texts) {
  const base = await openBaseModel(folder);
  const adapter = await loadPeftAdapter(path, base);
  const generator = await createGenerator(base, adapter);
  const answers = [];
  for (const { ids, first } of texts) {
    const answer = { tokens: [], logits: [] };
    const given = { maxNewTokens: NEW_TOKENS, eosTokenIds: [] };
    for await (const step of generator.steps([ids.slice(0, first)], given)) {
      answer.tokens.push(step.tokens[0]);
      answer.logits.push(Float32Array.from(step.logits));
    }
    answers.push(answer);
  }
  await generator.release();
  const evaluator = await createLossEvaluator(base, adapter.plan);
  const batches = sequentialBatches(held, { batchSize: 1, padTokenId: 0 });
  const sums = await evaluator.evaluate(batches, adapter.values);
  await evaluator.release();
  return { answers, loss: sums.loss / sums.tokens };
}

/** What llama.cpp makes of the same tokens. */
async function theirs(file, texts, answers) {
  const model = await llama.loadModel({ modelPath: file });
  const context = await model.createContext({ contextSize: 512, threads: 1, ...EXACT_CACHE });
  const sequence = context.getSequence();
  let [difference, largest, agreed, chosen, loss, tokens] = [0, 0, 0, 0, 0, 0];
  for (const [row, { ids, first }] of texts.entries()) {
    await sequence.clearHistory();
    const all = [...ids.slice(0, first), ...answers[row].tokens.slice(0, -1)];
    const wanted = all.map((id, t) => (t < first - 1 ? id : [id, { generateNext: { logits: true } }]));
    const found = (await sequence.controlledEvaluate(wanted)).slice(first - 1);
    for (const [i, { next }] of found.entries()) {
      let best = -1;
      for (const [id, logit] of next.logits) {
        if (best < 0) best = id;
        const own = answers[row].logits[i][id];
        difference = Math.max(difference, Math.abs(own - logit));
        largest = Math.max(largest, Math.abs(own));
      }
      agreed += best === answers[row].tokens[i];
      chosen++;
    }
    await sequence.clearHistory();
    const scored = ids
      .slice(0, -1)
      .map((id, t) => (t < first - 1 ? id : [id, { generateNext: { logits: true } }]));
    for (const [i, { next }] of (await sequence.controlledEvaluate(scored)).slice(first - 1).entries()) {
      const [highest] = next.logits.values();
      let sum = 0;
      for (const logit of next.logits.values()) sum += Math.exp(logit - highest);
      loss += highest + Math.log(sum) - next.logits.get(ids[first + i]);
      tokens++;
    }
  }
  await context.dispose();
  await model.dispose();
  return { difference: difference / largest, agreed, chosen, loss: loss / tokens };
}

const BOUNDS = { f32: { logits: 1e-4, loss: 1e-4 }, f16: { logits: 1e-2, loss: 1e-2 }, q8_0: { loss: 1e-2 } };

async function check(name, model, trainRows, heldOut, { exact = BOUNDS.f32.logits } = {}) {
  const { adapter, held, texts } = await train(model, trainRows, heldOut);
  const { answers, loss } = await ours(model, adapter, held, texts);
  for (const [outtype, bound] of Object.entries(BOUNDS)) {
    const output = join(work, `${name}-${outtype}.gguf`);
    await exportModel({ format: "gguf", model, adapter, what: "merged", outtype, tokenizer: true, output });
    const found = await theirs(output, texts, answers);
    const change = found.loss / loss - 1;
    console.log(
      `| ${name} | ${outtype} | ${found.difference.toExponential(1)} | ${found.agreed} of ${found.chosen} | ${loss.toFixed(4)} | ${found.loss.toFixed(4)} (${(100 * change).toFixed(2)} %) |`,
    );
    const allowed = outtype === "f32" ? exact : (bound.logits ?? 1);
    if (found.difference > allowed || Math.abs(change) > bound.loss) wrong.push(`${name} ${outtype}`);
  }
}

console.log("| model | type | largest difference of a logit, of the largest | choices equal | loss | llama.cpp's loss |\n|---|---|---|---|---|---|");
const instructions = (part) => join(root, `assets/instructions/${part}.jsonl`);
await check("tiny-phi", join(root, "assets/tiny-phi"), instructions("train"), instructions("test"), {
  exact: 1e-3,
});
const [llamaModel, rows] = process.argv.slice(2);
if (llamaModel && rows) {
  const all = JSON.parse(readFileSync(rows, "utf8"));
  const [seen, unseen] = [join(work, "seen.json"), join(work, "unseen.json")];
  writeFileSync(seen, JSON.stringify(all.slice(100)));
  writeFileSync(unseen, JSON.stringify(all.slice(0, 100)));
  await check("llama", llamaModel, seen, unseen);
}
rmSync(work, { recursive: true, force: true });
console.log(wrong.length === 0 ? "all within their bounds" : `beyond their bounds: ${wrong.join(", ")}`);
process.exit(wrong.length === 0 ? 0 : 1);
