// Tokens a second of greedy generation by phinetune, as one JSON line. Run `npm run build` first.
// node bench/phinetune_generate.mjs --model DIR [--batch 1] [--prompt 64] [--new 64] [--threads 2] [--load-in-8bit]
import { parseArgs } from "node:util";
import { createGenerator } from "../dist/evaluate/generate.js";
import { openBaseModel } from "../dist/models/base_model.js";
import { openInStorage } from "../dist/quantize/storage.js";
import { createRandom } from "../dist/random.js";

const { values: given } = parseArgs({
  options: {
    model: { type: "string" },
    batch: { type: "string", default: "1" },
    prompt: { type: "string", default: "64" },
    new: { type: "string", default: "64" },
    threads: { type: "string", default: "2" },
    "load-in-8bit": { type: "boolean", default: false },
  },
});
const [batch, length, count, numThreads] = [given.batch, given.prompt, given.new, given.threads].map(Number);
const loadIn8bit = given["load-in-8bit"];
const base = await openInStorage(await openBaseModel(given.model), { loadIn8bit });
const generator = await createGenerator(base, undefined, { numThreads });
const random = createRandom(1, "bench");
const prompts = Array.from({ length: batch }, () =>
  Array.from({ length }, () => random.nextUint32() % base.config.vocabSize),
);
const generate = async (maxNewTokens) => {
  const started = performance.now();
  await generator.generate(prompts, { maxNewTokens, eosTokenIds: [] });
  return (performance.now() - started) / 1000;
};
await generate(8);
const seconds = await generate(count);
await generator.release();
console.log(
  JSON.stringify({
    program: "phinetune",
    weights: loadIn8bit ? "int8" : "float32",
    batch,
    seconds,
    tokens_per_second: (batch * count) / seconds,
    peak_rss_mib: Math.round(process.resourceUsage().maxRSS / 1024),
  }),
);
