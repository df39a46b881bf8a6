// Manifest and story of a run -> its model card: what the Hub shows of it, with the metrics and how it was trained.
import { isAbsolute } from "node:path";
import { withoutRevision } from "../hub/name.js";
import { flagOf } from "../options/names.js";
import { trainSchema } from "../options/train.js";
import type { EvaluatedEvent } from "../train/events.js";
import type { Manifest } from "./manifest.js";
import { compareEvaluations, type MetricChange } from "./report/metrics.js";
import { count, duration, percent, score, signed } from "./report/numbers.js";
import type { Story } from "./report/story.js";

/** What a card reads of the options. */
interface CardOptions {
  readonly model: string;
  readonly dataset: string;
  readonly evalDataset?: string;
  readonly method: string;
}

/**
 * The card: YAML front matter as the Hub reads it (base_model, library_name, model-index), then text.
 * Source: https://huggingface.co/docs/hub/model-cards
 */
export function modelCard(story: Story, manifest: Manifest): string {
  const options = manifest.options as CardOptions;
  const isAdapter = options.method !== "full";
  const title = `${nameOf(options.model)} ${isAdapter ? "with a LoRA adapter" : "trained"} on ${nameOf(options.dataset)}`;
  const parts = [
    frontMatter(title, options, isAdapter, story.after),
    `# ${title}`,
    introduction(story, options, isAdapter),
    metricsPart(story),
    useOf(options, isAdapter),
    training(story, manifest),
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

/** The card of a folder that has none. @param base name of the model that it was made from, where that is known */
export function plainCard(title: string, base: string | undefined, isAdapter: boolean): string {
  const isOnHub = base !== undefined && nameOf(base) === withoutRevision(base).id && base.includes("/");
  return `${[
    "---",
    ...(isOnHub ? [`base_model: ${quoted(nameOf(base))}`] : []),
    `library_name: ${isAdapter ? "peft" : "transformers"}`,
    "pipeline_tag: text-generation",
    "tags:",
    ...(isAdapter ? ["  - lora"] : []),
    "  - phinetune",
    "---",
    "",
    `# ${title}`,
    "",
    `Made with [phinetune](https://www.npmjs.com/package/phinetune)${base === undefined ? "" : ` from \`${nameOf(base)}\``}.`,
  ].join("\n")}\n`;
}

/** A card whose commands name the repository in the place of the folder. */
export function addressedTo(card: string, repository: string): string {
  return card
    .replaceAll('"this folder"', quoted(repository))
    .replace(/^(npx phinetune generate .*?)--(adapter|model) \. /m, `$1--$2 ${repository} `);
}

/** The last part of a path, or a name of the Hub without its revision. */
function nameOf(given: string): string {
  const source = withoutRevision(given).id;
  return isAbsolute(source) || source.startsWith(".") || source.split(/[\\/]/).length !== 2
    ? source.split(/[\\/]/).findLast((part) => part !== "")!
    : source;
}

/** JSON strings are YAML strings. */
const quoted = (text: string) => JSON.stringify(text);

function frontMatter(
  title: string,
  { model, dataset, evalDataset }: CardOptions,
  isAdapter: boolean,
  after: EvaluatedEvent | undefined,
): string {
  const lines = [
    "---",
    `base_model: ${quoted(nameOf(model))}`,
    `library_name: ${isAdapter ? "peft" : "transformers"}`,
    "pipeline_tag: text-generation",
    "tags:",
    ...(isAdapter ? ["  - lora"] : []),
    "  - phinetune",
  ];
  const figures = compareEvaluations(undefined, after).filter(({ after: value }) => Number.isFinite(value));
  if (figures.length > 0)
    lines.push(
      "model-index:",
      `  - name: ${quoted(title)}`,
      "    results:",
      "      - task:",
      "          type: text-generation",
      "        dataset:",
      `          name: ${quoted(nameOf(evalDataset ?? dataset))}`,
      `          type: ${quoted(nameOf(evalDataset ?? dataset))}`,
      "          split: held-out",
      "        metrics:",
      ...figures.flatMap(({ name, after: value }) => [
        `          - type: ${name}`,
        `            name: ${name}`,
        `            value: ${value}`,
      ]),
    );
  return [...lines, "---"].join("\n");
}

function introduction({ started }: Story, { dataset }: CardOptions, isAdapter: boolean): string {
  if (!started) return "";
  const { trainable_params: trained, all_params: all, train_rows: rows } = started;
  const share = `${count(trained)} of ${count(all)} parameters (${percent(trained / all)})`;
  const what = isAdapter ? `A LoRA adapter in PEFT's format: ${share} were trained` : `${share} were trained`;
  return `${what} on ${count(rows)} rows of \`${nameOf(dataset)}\`, with [phinetune](https://www.npmjs.com/package/phinetune).`;
}

function metricsPart({ before, after }: Story): string {
  const changes = compareEvaluations(before, after);
  if (changes.length === 0) return "";
  const cell = (value: number | undefined) => (value === undefined ? "–" : score(value));
  const line = ({ name, before: then, after: now, interval }: MetricChange) => {
    const change = then === undefined || now === undefined ? "–" : signed(now - then);
    const bounds = interval ? `${signed(interval[0])} to ${signed(interval[1])}` : "";
    return `| ${name} | ${cell(then)} | ${cell(now)} | ${change} | ${bounds} |`;
  };
  return [
    "## Metrics",
    "",
    "On held-out rows, before and after the training; the interval of the change is a 95 % paired bootstrap over the rows.",
    "",
    "| metric | before | after | change | interval |",
    "|---|---|---|---|---|",
    ...changes.map(line),
  ].join("\n");
}

function useOf({ model }: CardOptions, isAdapter: boolean): string {
  const base = nameOf(model);
  const python = isAdapter
    ? `from peft import PeftModel
from transformers import AutoModelForCausalLM

base = AutoModelForCausalLM.from_pretrained(${quoted(base)})
model = PeftModel.from_pretrained(base, "this folder")`
    : `from transformers import AutoModelForCausalLM

model = AutoModelForCausalLM.from_pretrained("this folder")`;
  const words = isAdapter ? `--model ${base} --adapter .` : "--model .";
  return `## Use

\`\`\`bash
npx phinetune generate ${words} --instruction "…"
\`\`\`

\`\`\`python
${python}
\`\`\``;
}

function training({ steps, end }: Story, { options, versions }: Manifest): string {
  const given = Object.entries(options as Readonly<Record<string, unknown>>).filter(
    ([name, value]) => value !== undefined && !LEFT_OUT.has(name) && isChosen(name, value),
  );
  const words = given.map(([name, value]) => `${flagOf(name)} ${spoken(value)}`.trim());
  const last = steps.at(-1);
  const facts = last
    ? `${count(last.step)} steps, ${count(last.num_tokens)} tokens${end?.type === "finished" ? `, ${duration(end.train_runtime)}` : ""}. `
    : "";
  return `## Training

${facts}phinetune ${versions.phinetune}, onnxruntime ${versions.onnxruntime}, Node ${versions.node}. All options, with the hashes of weights and data, stand in \`run.json\`.

\`\`\`bash
npx phinetune train ${words.join(" ")}
\`\`\``;
}

/** Where things were put on the machine of the training, and what does not change the result. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  "outputDir",
  "overwriteOutputDir",
  "resumeFromCheckpoint",
  "pushToHub",
  "hubPrivateRepo",
]);

/** Whether an option differs from its default. */
function isChosen(name: string, value: unknown): boolean {
  const spec = (trainSchema.table as Readonly<Record<string, { readonly default?: unknown }>>)[name];
  return JSON.stringify(spec?.default) !== JSON.stringify(value);
}

/** A value as a shell takes it; of a path, no more than its name. */
function spoken(value: unknown): string {
  if (Array.isArray(value)) return value.map(spoken).join(" ");
  const text = typeof value !== "string" ? JSON.stringify(value) : isAbsolute(value) ? nameOf(value) : value;
  return /^[\w./:@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
