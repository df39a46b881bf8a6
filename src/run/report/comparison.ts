// What `eval` found out -> one HTML page: scores side by side with intervals, tasks, labels, the rows that changed most.
import {
  type ComparedRow,
  type CompareResult,
  changedMost,
  type SystemResult,
} from "../../evaluate/comparison.js";
import { evalSchema } from "../../options/eval.js";
import type { EvalOptions } from "../../options.js";
import { ownVersion } from "../version.js";
import { optionsSection } from "./details.js";
import { breakable, type Html, html } from "./html.js";
import { matrixTable } from "./labels.js";
import { count, plural, score, signed } from "./numbers.js";
import { shell } from "./page.js";
import { quoted } from "./samples.js";

/** Rows of each kind that are shown for an adapter. */
const SHOWN = 10;

const LINKS = [
  ["metrics", "All metrics"],
  ["tasks", "Tasks"],
  ["labels", "Labels"],
  ["rows", "Rows"],
  ["options", "Options"],
] as const;

export function comparisonPage(result: CompareResult, options: EvalOptions): string {
  const { rows, systems, trainedTokens } = result;
  const adapters = systems.slice(1);
  return shell({
    title: `${options.model} on ${options.dataset}`,
    version: ownVersion(),
    links: LINKS,
    charts: [],
    header: html`<header>
<p class="kicker">phinetune comparison</p>
<h1>${breakable(options.model, "/")} <span class="on">on</span> ${breakable(options.dataset, "/")}</h1>
<ul class="facts"><li>${plural(rows.length, "row")}, ${count(trainedTokens)} tokens of answers</li><li>${
      adapters.length === 0 ? "the base alone" : html`the base and ${plural(adapters.length, "adapter")}`
    }</li></ul>
</header>`,
    body: html`${metricsSection(systems)}
${tasksSection(systems)}
${labelsSection(systems)}
${rowsSection(rows, systems)}
${optionsSection({ options }, evalSchema.table)}`,
  });
}

const cell = (value: number | undefined): Html =>
  html`<td class="number">${value === undefined ? "–" : score(value)}</td>`;

function metricsSection(systems: readonly SystemResult[]): Html {
  const about =
    systems.length > 1
      ? " Below a change from the base stands its 95 % interval by paired bootstrap over the rows; when it holds 0, the change may be chance."
      : "";
  return html`<section aria-labelledby="metrics"><h2 id="metrics">All metrics</h2>
<div class="scroll" role="region" aria-labelledby="metrics" tabindex="0"><table class="metrics">
<caption>All on the same rows, answered by greedy decoding.${about}</caption>
<thead><tr><th scope="col">metric</th>${systems.map(({ name, changes }) => html`<th scope="col" class="number">${breakable(name, "/")}</th>${changes && html`<th scope="col" class="number">change</th>`}`)}</tr></thead>
<tbody>${Object.keys(systems[0]!.scores).map(
    (name) =>
      html`<tr><th scope="row">${breakable(name, "_")}</th>${systems.map(
        ({ scores, changes }) =>
          html`${cell(scores[name])}${changes && changeCell(changes[name]?.difference)}`,
      )}</tr>`,
  )}</tbody></table></div></section>`;
}

function changeCell(
  difference: { readonly value: number; readonly low: number; readonly high: number } | undefined,
): Html {
  if (!difference) return html`<td class="number">–</td>`;
  const { value, low, high } = difference;
  return html`<td class="number">${signed(value)}<small>${signed(low)} to ${signed(high)}</small></td>`;
}

function tasksSection(systems: readonly SystemResult[]): Html | undefined {
  const tasks = Object.entries(systems[0]!.tasks);
  if (tasks.length === 0) return undefined;
  const name = tasks[0]![1].exact_match === undefined ? "loss" : "exact_match";
  return html`<section aria-labelledby="tasks"><h2 id="tasks">Tasks</h2>
<div class="scroll" role="region" aria-labelledby="tasks" tabindex="0"><table>
<caption>${name} of the rows of each task.</caption>
<thead><tr><th scope="col">task</th><th scope="col" class="number">rows</th>${systems.map((system) => html`<th scope="col" class="number">${breakable(system.name, "/")}</th>`)}</tr></thead>
<tbody>${tasks.map(
    ([task, { rows }]) =>
      html`<tr><th scope="row">${task}</th><td class="number">${count(rows!)}</td>${systems.map((system) => cell(system.tasks[task]?.[name]))}</tr>`,
  )}</tbody></table></div></section>`;
}

function labelsSection(systems: readonly SystemResult[]): Html | undefined {
  const labelled = systems.flatMap(({ name, labels }) => (labels ? [{ name, labels }] : []));
  if (labelled.length === 0) return undefined;
  return html`<section aria-labelledby="labels"><h2 id="labels">Labels</h2>
<div class="scroll" role="region" aria-label="F1 of each label" tabindex="0"><table>
<caption>Precision / recall / F1 of each label, over the ${count(labelled[0]!.labels.rows)} rows that have one.</caption>
<thead><tr><th scope="col">label</th><th scope="col" class="number">rows</th>${labelled.map(({ name }) => html`<th scope="col" class="number">${breakable(name, "/")}</th>`)}</tr></thead>
<tbody>${labelled[0]!.labels.perClass.map(
    ({ label, support }, k) =>
      html`<tr><th scope="row">${label}</th><td class="number">${count(support)}</td>${labelled.map(
        ({ labels }) => {
          const { precision, recall, f1 } = labels.perClass[k]!;
          return html`<td class="number">${score(precision)} / ${score(recall)} / ${score(f1)}</td>`;
        },
      )}</tr>`,
  )}</tbody></table></div>
${labelled.map(({ name, labels }) => html`<details><summary>What ${breakable(name, "/")} answered</summary>${matrixTable(labels, name)}</details>`)}</section>`;
}

function rowsSection(rows: readonly ComparedRow[], systems: readonly SystemResult[]): Html | undefined {
  const parts = systems.flatMap(({ name }, at) => {
    if (at === 0) return [];
    const { improved, worsened } = changedMost(rows, at, SHOWN);
    return [
      ["Most improved by", improved],
      ["Most worsened by", worsened],
    ].flatMap(([title, list]) =>
      list!.length === 0
        ? []
        : html`<h3>${title as string} ${breakable(name, "/")}</h3>${(list as readonly ComparedRow[]).map((row) => article(row, at))}`,
    );
  });
  return parts.length === 0
    ? undefined
    : html`<section aria-labelledby="rows"><h2 id="rows">Rows</h2>
<p class="note">By the F1 of the words of the answers; the answers of the adapter beside those of the base.</p>
${parts}</section>`;
}

function article({ source, line, prompt, reference, answers }: ComparedRow, at: number): Html {
  return html`<article class="sample"><h4>${breakable(source, "/")}:${count(line)}</h4>
<div class="answers"><div class="prompt"><h4>Prompt</h4>${quoted(prompt)}</div><div class="before"><h4>Base</h4>${quoted(answers[0]!.text)}</div><div class="after"><h4>Adapter</h4>${quoted(answers[at]!.text)}</div><div class="reference"><h4>Reference</h4>${quoted(reference)}</div></div></article>`;
}
