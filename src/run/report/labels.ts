// Evaluations before and after the training -> precision, recall and F1 of each label, and what was answered for what.
import type { LabelSummary } from "../../evaluate/metrics/index.js";
import { type Html, html } from "./html.js";
import { count, score } from "./numbers.js";
import type { Story } from "./story.js";

/** The labels of closed rows; undefined when no row has one. */
export function labelsSection({ before, after }: Story): Html | undefined {
  const [then, now] = [before?.eval_labels, after?.eval_labels];
  const last = now ?? then;
  if (!last) return undefined;
  return html`<section aria-labelledby="labels"><h2 id="labels">Labels</h2>
${scoresTable(then, now, last)}
${matrixTable(last, `${now ? "after" : "before"} the training`)}
${now && then ? html`<details><summary>Before the training</summary>${matrixTable(then, "before the training")}</details>` : undefined}</section>`;
}

const SCORES = ["precision", "recall", "f1"] as const;

function scoresTable(
  then: LabelSummary | undefined,
  now: LabelSummary | undefined,
  { perClass, rows }: LabelSummary,
): Html {
  const scoreOf = (summary: LabelSummary | undefined, label: string, name: (typeof SCORES)[number]) => {
    const value = summary?.perClass.find((one) => one.label === label)?.[name];
    return value === undefined ? "–" : score(value);
  };
  return html`<div class="scroll" role="region" aria-label="Scores of each label" tabindex="0"><table>
<caption>Scores of each label, before → after the training, over the ${count(rows)} held-out rows that have one.</caption>
<thead><tr><th scope="col">label</th>${SCORES.map((name) => html`<th scope="col" class="number">${name === "f1" ? "F1" : name}</th>`)}<th scope="col" class="number">rows</th></tr></thead>
<tbody>${perClass.map(
    ({ label, support }) =>
      html`<tr><th scope="row">${label}</th>${SCORES.map(
        (name) => html`<td class="number">${scoreOf(then, label, name)} → ${scoreOf(now, label, name)}</td>`,
      )}<td class="number">${count(support)}</td></tr>`,
  )}</tbody></table></div>`;
}

/** The confusion matrix. @param of whose answers, or when they were given */
export function matrixTable({ confusion: { labels, counts } }: LabelSummary, of: string): Html {
  const columns = [...labels, "none of them"];
  return html`<div class="scroll" role="region" aria-label="Confusion matrix: ${of}" tabindex="0"><table class="confusion">
<caption>How often each label (a line) was answered with which (a column): ${of}.</caption>
<thead><tr><td></td>${columns.map((label) => html`<th scope="col" class="number">${label}</th>`)}</tr></thead>
<tbody>${labels.map(
    (label, truth) =>
      html`<tr><th scope="row">${label}</th>${counts[truth]!.map((n, guess) => cell(n, truth === guess))}</tr>`,
  )}</tbody></table></div>`;
}

function cell(n: number, isRight: boolean): Html {
  const look = n === 0 ? "empty" : isRight ? "good" : "bad";
  return html`<td class="number ${look}">${n === 0 ? "·" : count(n)}</td>`;
}
