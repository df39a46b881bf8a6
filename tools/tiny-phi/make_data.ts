// A folder and a number of documents -> the corpus, the instruction rows and the tokenizer of tiny-phi, in that folder.
// Run: npx tsc -p tsconfig.tools.json && node dist-tools/tools/tiny-phi/make_data.js OUT_DIR [--documents N] [--vocabulary N]
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { alpacaPrompt } from "../../src/data/alpaca.js";
import { writeCorpus } from "./corpus.js";
import { writeInstructions } from "./instructions.js";
import { tokenizerConfig, trainTokenizer, withNumbersApart } from "./train_bpe.js";

const SEED = 1;
const CONTEXT_LENGTH = 512;
/** Documents that the tokenizer is trained on. */
const SAMPLE = 12_000;

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    documents: { type: "string", default: "60000" },
    vocabulary: { type: "string", default: "3072" },
  },
});
const [folder] = positionals;
const documents = Number(values.documents);
const vocabulary = Number(values.vocabulary);
if (folder === undefined || !Number.isInteger(documents) || !Number.isInteger(vocabulary)) {
  console.error("usage: make_data.js OUT_DIR [--documents N] [--vocabulary N]");
  process.exit(2);
}

const lines = (rows: Iterable<unknown>): string => {
  let text = "";
  for (const row of rows) text += `${JSON.stringify(row)}\n`;
  return text;
};
function* asRows(texts: Iterable<string>): Generator<{ readonly text: string }> {
  for (const text of texts) yield { text };
}

const rows = writeInstructions(SEED);
/** What the tokenizer sees: plain text, and the words around an instruction; not the instructions themselves. */
function* tokenizerTexts(): Generator<string> {
  for (const document of writeCorpus(SEED, SAMPLE)) {
    yield document;
    yield alpacaPrompt("", "text");
  }
}

mkdirSync(join(folder, "instructions"), { recursive: true });
for (const split of ["train", "validation", "test"] as const)
  writeFileSync(join(folder, "instructions", `${split}.jsonl`), lines(rows[split]));
const json = (value: unknown): string => `${JSON.stringify(value, null, 1)}\n`;
const tokenizer = trainTokenizer(tokenizerTexts(), vocabulary);
writeFileSync(join(folder, "tokenizer.json"), json(tokenizer));
writeFileSync(join(folder, "corpus_tokenizer.json"), json(withNumbersApart(tokenizer)));
writeFileSync(join(folder, "tokenizer_config.json"), json(tokenizerConfig(CONTEXT_LENGTH)));
writeFileSync(join(folder, "corpus.jsonl"), lines(asRows(writeCorpus(SEED, documents))));
console.log(
  `${folder}: ${documents} documents, ${Object.values(rows).reduce((sum, { length }) => sum + length, 0)} rows`,
);
