// Evaluations before and after the training -> the table of all their metrics.
import { breakable, type Html, html } from "./html.js";
import { compareEvaluations, type MetricChange, verdictClass } from "./metrics.js";
import { score, signed } from "./numbers.js";
import type { Story } from "./story.js";

const GROUPS = [
  ["loss", "Next token"],
  ["labels", "Labels"],
  ["answers", "Answers"],
] as const;

/** All metrics with the intervals of their changes; undefined when nothing was evaluated. */
export function metricsTable({ before, after }: Story): Html | undefined {
  if (!before && !after) return undefined;
  const changes = compareEvaluations(before, after);
  const judged = changes.some(({ interval }) => interval);
  const about = judged
    ? ". Below a change stands its 95 % interval by paired bootstrap over the rows; when it holds 0, the change may be chance"
    : "";
  return html`<section aria-labelledby="metrics"><h2 id="metrics">All metrics</h2>
<div class="scroll" role="region" aria-labelledby="metrics" tabindex="0"><table class="metrics">
<caption>Held-out rows before and after the training${about}.</caption>
<thead><tr><th scope="col">metric</th><th scope="col" class="number">before</th><th scope="col" class="number">after</th><th scope="col" class="number">change</th>${
    judged ? html`<th scope="col">verdict</th>` : undefined
  }</tr></thead>
${GROUPS.map(([group, title]) => {
  const rows = changes.filter((change) => change.group === group);
  if (rows.length === 0) return undefined;
  return html`<tbody><tr class="group"><th colspan="${judged ? 5 : 4}" scope="rowgroup">${title}</th></tr>${rows.map((change) => rowOf(change, judged))}</tbody>`;
})}</table></div></section>`;
}

function rowOf({ name, says, before, after, interval, verdict }: MetricChange, judged: boolean): Html {
  const cell = (value: number | undefined) =>
    html`<td class="number">${value === undefined ? "–" : score(value)}</td>`;
  const change = before === undefined || after === undefined ? "–" : signed(after - before);
  const bounds = interval && html`<small>${signed(interval[0])} to ${signed(interval[1])}</small>`;
  return html`<tr><th scope="row">${breakable(name, "_")}<small>${says}</small></th>${cell(before)}${cell(after)}<td class="number">${change}${bounds}</td>${
    judged ? html`<td class="${verdictClass(verdict)}">${verdict ?? "–"}</td>` : undefined
  }</tr>`;
}
