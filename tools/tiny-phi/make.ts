// Nothing but a seed -> the assets of the package: corpus, tokenizer and instructions, and tiny-phi trained on them by phinetune itself.
//
//   node dist-tools/tools/tiny-phi/make.js [--work DIR] [--output assets] [--documents 115000] [--steps N]
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { fineTune } from "../../src/fine-tune.js";
import { resolveTrainOptions } from "../../src/options.js";
import { tinyPhiConfig } from "./config.js";
import { modelCard, type Trained } from "./model_card.js";

const { values: given } = parseArgs({
  options: {
    work: { type: "string", default: "runs/tiny-phi" },
    output: { type: "string", default: "assets" },
    documents: { type: "string", default: "115000" },
    steps: { type: "string", default: "-1" },
    epochs: { type: "string", default: "1" },
  },
});

const work = given.work;
const data = join(work, "data");
const model = join(data, "model");
const pretrained = join(work, "pretrained");

console.log(`making ${given.documents} documents, instructions and tokenizer in ${data}`);
const makeData = fileURLToPath(new URL("make_data.js", import.meta.url));
execFileSync(process.execPath, [makeData, data, "--documents", given.documents], { stdio: "inherit" });
mkdirSync(model, { recursive: true });
copyFileSync(join(data, "corpus_tokenizer.json"), join(model, "tokenizer.json"));
copyFileSync(join(data, "tokenizer_config.json"), join(model, "tokenizer_config.json"));
writeFileSync(join(model, "config.json"), `${JSON.stringify(tinyPhiConfig, null, 2)}\n`);
writeFileSync(
  join(model, "generation_config.json"),
  `${JSON.stringify({ bos_token_id: 0, eos_token_id: 0, pad_token_id: 0 }, null, 2)}\n`,
);

const trained = await pretrain();
const assets = { model: join(given.output, "tiny-phi"), rows: join(given.output, "instructions") };
for (const folder of Object.values(assets)) mkdirSync(folder, { recursive: true });
for (const name of ["config.json", "generation_config.json", "model.safetensors", "tokenizer_config.json"])
  copyFileSync(join(pretrained, name), join(assets.model, name));
copyFileSync(join(data, "tokenizer.json"), join(assets.model, "tokenizer.json"));
writeFileSync(join(assets.model, "README.md"), modelCard(trained));
for (const name of ["train.jsonl", "validation.jsonl", "test.jsonl"])
  copyFileSync(join(data, "instructions", name), join(assets.rows, name));
const bytes = statSync(join(assets.model, "model.safetensors")).size;
console.log(`written to ${given.output}: the weights are ${(bytes / 1e6).toFixed(1)} MB`);

/** Trains from scratch on the corpus, a 1000th of it held out; goes on where an earlier try was stopped. */
async function pretrain(): Promise<Trained> {
  const isStarted = existsSync(join(pretrained, "run.json")) && existsSync(join(pretrained, "events.jsonl"));
  const options = resolveTrainOptions({
    model,
    dataset: join(data, "corpus.jsonl"),
    method: "full",
    fromScratch: true,
    saveDtype: "float16",
    evalSize: 0.001,
    evalStrategy: "steps",
    evalSteps: 500,
    sampleRows: 3,
    maxNewTokens: 60,
    maxLength: 256,
    perDeviceTrainBatchSize: 16,
    groupByLength: true,
    perDeviceEvalBatchSize: 32,
    learningRate: 3e-3,
    lrSchedulerType: "cosine",
    warmupSteps: 300,
    weightDecay: 0.1,
    adamBeta2: 0.98,
    numTrainEpochs: Number(given.epochs),
    maxSteps: Number(given.steps),
    saveSteps: 1000,
    saveTotalLimit: 1,
    seed: 1,
    outputDir: pretrained,
    ...(isStarted ? { resumeFromCheckpoint: "last" } : {}),
  });
  let figures = { parameters: 0, documents: 0, tokens: 0, steps: 0, seconds: 0, loss: Number.NaN };
  for await (const event of fineTune(options)) {
    if (event.type === "started")
      figures = { ...figures, parameters: event.all_params, documents: event.train_rows };
    if (event.type === "step") {
      figures = { ...figures, tokens: event.num_tokens, steps: event.step };
      if (event.step % 100 === 0)
        console.log(
          `step ${event.step}  loss ${event.loss.toFixed(4)}  ${(event.num_tokens / 1e6).toFixed(2)} M tokens`,
        );
    }
    if (event.type === "evaluated") {
      figures = { ...figures, loss: event.eval_loss };
      console.log(`${event.phase}: held-out loss ${event.eval_loss.toFixed(4)}`);
    }
    if (event.type === "sampled") console.log(`${event.prompt.slice(-60)} ⟶ ${event.answer}`);
    if (event.type === "finished") figures = { ...figures, seconds: event.train_runtime };
  }
  return figures;
}
