// A base, an adapter and held-out rows -> phinetune's own greedy answers and loss, and how near another program comes to them.
import { sequentialBatches } from "../dist/data/batches.js";
import { prepareDataset } from "../dist/data/prepare.js";
import { createGenerator } from "../dist/evaluate/generate.js";
import { createLossEvaluator } from "../dist/evaluate/loss.js";
import { loadPeftAdapter } from "../dist/export/peft.js";
import { readRows } from "../dist/formats/rows.js";
import { loadTokenizer } from "../dist/formats/tokenizer.js";
import { resolveTrainOptions } from "../dist/index.js";
import { openBaseModel } from "../dist/models/base_model.js";

export const PROMPTS = 50;
export const NEW_TOKENS = 16;
/** Tokens whose loss is compared: of each row, and of all rows, which are at least as many as the prompts. */
const SCORED = 30;
const ALL_SCORED = 1500;
const ONE = { numThreads: 1 };

/** Rows of a file as token ids, with the place of the first that is trained. */
export async function heldOutRows(model, dataset, maxLength) {
  const { config } = await openBaseModel(model);
  const options = resolveTrainOptions({ model, dataset, maxLength });
  const tokenizer = await loadTokenizer(model);
  const prepared = await prepareDataset({ ...options, rows: readRows(dataset), tokenizer, vocabSize: config.vocabSize });
  const rows = [];
  let scored = 0;
  for (const row of prepared.encoded) {
    if (rows.length >= PROMPTS && scored >= ALL_SCORED) break;
    const first = row.labels.findIndex((label) => label !== -100);
    const cut = (values) => values.slice(0, first + SCORED);
    const encoded = { ...row, inputIds: cut(row.inputIds), labels: cut(row.labels) };
    rows.push({ first, encoded, end: tokenizer.eosTokenId });
    scored += encoded.inputIds.length - first;
  }
  return rows;
}

/**
 * What phinetune makes of the rows: for the first of them `prompt`, its own greedy answer `tokens` with the `logits` of each
 * choice, and the token ids `followed` by which other programs are led to the same places; and the loss of all.
 */
export async function reference(folder, path, rows) {
  const base = await openBaseModel(folder);
  const adapter = path && (await loadPeftAdapter(path, base));
  const generator = await createGenerator(base, adapter, ONE);
  const answers = [];
  for (const { first, encoded, end } of rows.slice(0, PROMPTS)) {
    const answer = { prompt: [...encoded.inputIds.slice(0, first)], tokens: [], logits: [], end };
    for await (const step of generator.steps([answer.prompt], { maxNewTokens: NEW_TOKENS, eosTokenIds: [] })) {
      answer.tokens.push(step.tokens[0]);
      answer.logits.push(Float32Array.from(step.logits));
    }
    answers.push({ ...answer, followed: [...answer.prompt, ...answer.tokens.slice(0, -1)] });
  }
  await generator.release();
  const evaluator = await createLossEvaluator(base, adapter?.plan, ONE);
  const batches = sequentialBatches(rows.map(({ encoded }) => encoded), { batchSize: 1, padTokenId: 0 });
  const sums = await evaluator.evaluate(batches, adapter?.values ?? new Map());
  await evaluator.release();
  return { rows, answers, loss: sums.loss / sums.tokens };
}

function best(logits) {
  let at = 0;
  for (let id = 1; id < logits.length; id++) if (logits[id] > logits[at]) at = id;
  return at;
}

/** The answer up to its end, as a text to compare. */
const upToEnd = (tokens, end) => (tokens.includes(end) ? tokens.slice(0, tokens.indexOf(end) + 1) : tokens).join(" ");

/** −log p of a token. */
export function lossOf(logits, token) {
  const highest = logits[best(logits)];
  let sum = 0;
  for (let id = 0; id < logits.length; id++) sum += Math.exp(logits[id] - highest);
  return highest + Math.log(sum) - logits[token];
}

/** Largest difference of a logit, and the largest logit, of rows that have logits at each of their places. */
export function distance(rows, others) {
  let [difference, largest] = [0, 0];
  for (const [row, places] of rows.entries())
    for (const [place, wanted] of places.entries()) {
      const found = others[row][place];
      for (let id = 0; id < wanted.length; id++) {
        difference = Math.max(difference, Math.abs(found[id] - wanted[id]));
        largest = Math.max(largest, Math.abs(wanted[id]));
      }
    }
  return { difference, largest };
}

/** Logits of other rows at the places of answers: the largest difference in parts of the largest, and the share of equal choices. */
export function nearness(answers, found) {
  const { difference, largest } = distance(answers.map(({ logits }) => logits), found);
  const equal = answers.flatMap(({ tokens }, row) => found[row].filter((values, i) => best(values) === tokens[i]));
  return { difference: difference / largest, choices: equal.length / (answers.length * NEW_TOKENS) };
}

/** What a program makes of the same rows; without its own continuations where `alone` is false. */
export async function compare(program, { rows, answers, loss }, { alone = true } = {}) {
  const found = [];
  let [equal, sum, count] = [0, 0, 0];
  for (const { prompt, tokens, followed, end } of answers) {
    found.push((await program.logits(followed, prompt.length)).map((values) => Float32Array.from(values)));
    if (alone) equal += upToEnd(await program.continued(prompt, NEW_TOKENS), end) === upToEnd(tokens, end);
  }
  for (const { first, encoded } of rows) {
    const ids = [...encoded.inputIds];
    for (const [i, logits] of (await program.logits(ids.slice(0, -1), first)).entries()) {
      sum += lossOf(logits, ids[first + i]);
      count++;
    }
  }
  await program.close();
  return {
    found,
    ...nearness(answers, found),
    answers: alone ? equal : undefined,
    loss: sum / count,
    change: sum / count / loss - 1,
  };
}
