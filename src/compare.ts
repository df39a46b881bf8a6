// A base model, adapters and rows -> all of them side by side: losses, scored answers, intervals of the differences, the rows that changed most.
import type { Trained } from "./adapters/plan.js";
import { sequentialBatches } from "./data/batches.js";
import { lengthLimit, paddingId } from "./data/encode.js";
import { prepareDataset } from "./data/prepare.js";
import type { Batch, Encoded } from "./data/types.js";
import { fail } from "./errors.js";
import type { ComparedRow, CompareResult, SystemResult } from "./evaluate/comparison.js";
import { createGenerator } from "./evaluate/generate.js";
import { candidateLabels, mostProbableLabels } from "./evaluate/likelihood.js";
import { createLossEvaluator, type ExampleScore } from "./evaluate/loss.js";
import { type Extractor, extractors, regexExtractor, squadScores } from "./evaluate/metrics/index.js";
import { type Question, questionOf } from "./evaluate/questions.js";
import { type Response, respond } from "./evaluate/respond.js";
import { changesOf, type Scores, scoresOf, type Work } from "./evaluate/scorecard.js";
import { loadPeftAdapter } from "./export/peft.js";
import { loadTokenizer, type Tokenizer } from "./formats/tokenizer.js";
import { openDataset, testSplits } from "./hub/dataset.js";
import type { Transfer, TransferControl, TransferProgress } from "./hub/progress.js";
import { resolveAdapter, resolveModel } from "./hub/resolve.js";
import { type BaseModel, openBaseModel } from "./models/base_model.js";
import type { EvalOptions } from "./options.js";
import { inStorage } from "./quantize/storage.js";

/** Files are on their way. */
export interface CompareDownload extends TransferProgress {
  readonly part: "downloading";
}

/** How far the work on one model is. */
export interface CompareProgress {
  readonly system: string;
  readonly part: "rounding" | "loss" | "answers" | "likelihood";
  readonly done: number;
  readonly rows: number;
}

interface System {
  readonly name: string;
  readonly trained: Trained | undefined;
}

/** Yields progress, and returns everything. @throws PhinetuneError before any work when model, adapters or rows do not fit */
export async function* compareModels(
  options: EvalOptions,
  control: TransferControl = {},
): AsyncGenerator<CompareProgress | CompareDownload, CompareResult> {
  const extract = extractorOf(options);
  const opened = await openBaseModel(yield* told(resolveModel(options.model, control)));
  const tokenizer = await loadTokenizer(opened.folder);
  const systems: System[] = [{ name: "base", trained: undefined }];
  for (const name of options.adapter ?? []) {
    const folder = yield* told(resolveAdapter(name, control));
    systems.push({ name, trained: await loadPeftAdapter(folder, opened) });
  }
  const { datasetSplit: split, datasetConfig: config } = options;
  const choice = { split, config, preferred: testSplits };
  const dataset = yield* told(openDataset(options.dataset, choice, control));
  const prepared = await prepareDataset({
    ...options,
    maxLength: lengthLimit(options.maxLength, opened.config.maxPositions),
    rows: dataset.rows(),
    tokenizer,
    vocabSize: opened.config.vocabSize,
  });
  const count =
    options.maxRows > 0 ? Math.min(options.maxRows, prepared.encoded.length) : prepared.encoded.length;
  const encoded = prepared.encoded.slice(0, count);
  const questions = encoded.map((example, i) => questionOf(prepared.rows[i]!, example, tokenizer));

  const base = yield* rounded(opened, options);
  const settings = { labels: options.labels, extract, resamples: options.resamples, seed: options.seed };
  const works: Work[] = [];
  const results: SystemResult[] = [];
  for (const { name, trained } of systems) {
    const started = performance.now();
    const work = yield* workOf(name, trained, { base, tokenizer, encoded, questions, options });
    works.push(work);
    results.push({
      name,
      ...scoresOf(work, settings),
      changes: works.length > 1 ? changesOf(works[0]!, work, settings) : undefined,
      tasks: scoresByTask(work, questions, settings),
      seconds: (performance.now() - started) / 1000,
    });
  }
  return {
    rows: encoded.map((example, i) => comparedRow(example, questions[i]!, works, i)),
    trainedTokens: works[0]!.examples.reduce((sum, { tokens }) => sum + tokens, 0),
    statistics: prepared.statistics,
    systems: results,
  };
}

async function* told<Result>(transfer: Transfer<Result>): AsyncGenerator<CompareDownload, Result> {
  for (;;) {
    const { done, value } = await transfer.next();
    if (done) return value;
    yield { part: "downloading", ...value };
  }
}

async function* rounded(base: BaseModel, options: EvalOptions): AsyncGenerator<CompareProgress, BaseModel> {
  const rounding = inStorage(base, options);
  for (;;) {
    const { done, value } = await rounding.next();
    if (done) return value;
    yield { system: "base", part: "rounding", done: value.done, rows: value.modules };
  }
}

function extractorOf({ answerExtractor, answerPattern }: EvalOptions): Extractor {
  return answerPattern === undefined ? extractors[answerExtractor] : regexExtractor(answerPattern);
}

interface Subject {
  readonly base: BaseModel;
  readonly tokenizer: Tokenizer;
  readonly encoded: readonly Encoded[];
  readonly questions: readonly Question[];
  readonly options: EvalOptions;
}

/** Everything that one model has to do. */
async function* workOf(
  system: string,
  trained: Trained | undefined,
  { base, tokenizer, encoded, questions, options }: Subject,
): AsyncGenerator<CompareProgress, Work> {
  const rows = encoded.length;
  const values = trained?.values ?? new Map<string, Float32Array>();
  const batches = (examples: readonly Encoded[]): Iterable<Batch> =>
    sequentialBatches(examples, {
      batchSize: options.perDeviceEvalBatchSize,
      padTokenId: paddingId(tokenizer),
    });
  const examples = new Array<ExampleScore>(rows);
  let likeliest: Work["likeliest"] = [];
  const evaluator = await createLossEvaluator(base, trained?.plan, options);
  try {
    let done = 0;
    for await (const scores of evaluator.score(batches(encoded), values)) {
      for (const score of scores) examples[score.row] = score;
      done += scores.length;
      yield { system, part: "loss", done, rows };
    }
    if (options.likelihood) {
      const end = tokenizer.eosTokenId === undefined ? [] : [tokenizer.eosTokenId];
      const encode = (label: string) => [
        ...tokenizer.encode(label, { addSpecialTokens: false, continuation: true }),
        ...end,
      ];
      const closed = questions.filter(({ label }) => label !== undefined);
      if (closed.length === 0)
        fail("data", "--likelihood needs rows with a label; none has one", {
          where: options.dataset,
          fix: "add a column named label, or leave --likelihood out",
        });
      const labelsOf = candidateLabels(closed, options.labels);
      const choosing = mostProbableLabels(evaluator, values, closed, labelsOf, encode, batches);
      for (;;) {
        const next = await choosing.next();
        if (next.done) {
          likeliest = closed.map(({ label }, i) => ({ label: label!, found: next.value[i] }));
          break;
        }
        yield { system, part: "likelihood", done: next.value, rows: closed.length };
      }
    }
  } finally {
    await evaluator.release();
  }
  return {
    examples,
    likeliest,
    responses: yield* answersOf(system, trained, { base, tokenizer, encoded, questions, options }),
  };
}

async function* answersOf(
  system: string,
  trained: Trained | undefined,
  { base, tokenizer, questions, options }: Subject,
): AsyncGenerator<CompareProgress, readonly Response[]> {
  const { maxNewTokens } = options;
  if (maxNewTokens === 0) return [];
  const longest = questions.reduce((most, { prompt }) => Math.max(most, prompt.length), 0);
  const generator = await createGenerator(base, trained, {
    ...options,
    maxPositions: longest + maxNewTokens,
  });
  try {
    const answering = respond(generator, tokenizer, questions, {
      maxNewTokens,
      eosTokenIds: [...new Set([...tokenizer.stopTokenIds, ...base.eosTokenIds])],
      batchSize: options.perDeviceEvalBatchSize,
    });
    for (;;) {
      const next = await answering.next();
      if (next.done) return next.value;
      yield { system, part: "answers", done: next.value, rows: questions.length };
    }
  } finally {
    await generator.release();
  }
}

function scoresByTask(
  work: Work,
  questions: readonly Question[],
  settings: Parameters<typeof scoresOf>[1],
): Record<string, Scores> {
  const tasks = [...new Set(questions.flatMap(({ task }) => (task === undefined ? [] : [task])))].sort();
  return Object.fromEntries(
    tasks.map((task) => {
      const isOfTask = (_: unknown, i: number) => questions[i]!.task === task;
      const part = {
        examples: work.examples.filter(isOfTask),
        responses: work.responses.filter(isOfTask),
        likeliest: [],
      };
      return [task, { rows: part.examples.length, ...scoresOf(part, settings).scores }];
    }),
  );
}

function comparedRow(
  { source, line }: Encoded,
  { text, reference, task, label }: Question,
  works: readonly Work[],
  i: number,
): ComparedRow {
  return {
    source,
    line,
    prompt: text,
    reference,
    task,
    label,
    losses: works.map(({ examples }) => examples[i]!.loss / examples[i]!.tokens),
    answers: works.flatMap(({ responses }) => {
      const response = responses[i];
      if (!response) return [];
      const { answer, stopped } = response;
      return [{ text: answer, f1: squadScores(answer, reference).f1, stopped }];
    }),
  };
}
