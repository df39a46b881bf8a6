// The sections of a report, with styles, program and curves -> one HTML page that needs nothing else.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Manifest } from "../manifest.js";
import { packageRoot } from "../version.js";
import { type Chart, chartsOf } from "./curves.js";
import { dataSection, optionsSection, originSection, warningList } from "./details.js";
import { header, headline } from "./headline.js";
import { Html, html, scriptJson } from "./html.js";
import { labelsSection } from "./labels.js";
import { metricsTable } from "./metrics_table.js";
import { count, figure } from "./numbers.js";
import { samplesSection } from "./samples.js";
import type { Story } from "./story.js";

const LINKS = [
  ["result", "Result"],
  ["warnings", "Warnings"],
  ["curves", "Curves"],
  ["metrics", "All metrics"],
  ["labels", "Labels"],
  ["samples", "Sample answers"],
  ["data", "Data"],
  ["options", "Options"],
  ["origin", "Origin"],
] as const;

/** The page of a run. */
export function page(story: Story, manifest: Manifest): string {
  const { maxGradNorm = 0 } = manifest.options as { readonly maxGradNorm?: number };
  const charts = chartsOf(story, maxGradNorm);
  return shell({
    title: story.started ? `${story.started.model} on ${story.started.dataset}` : "A run",
    version: manifest.versions.phinetune,
    header: header(story, manifest),
    links: LINKS,
    charts,
    body: html`${headline(story)}
${warningList(story)}
${curvesSection(charts)}
${metricsTable(story)}
${labelsSection(story)}
${samplesSection(story)}
${dataSection(manifest, story)}
${optionsSection(manifest)}
${originSection(manifest, story)}`,
  });
}

/** What pages differ in. */
export interface PageParts {
  readonly title: string;
  readonly version: string;
  readonly header: Html;
  /** Sections that a page can have, in their order: those that it has are linked to. */
  readonly links: readonly (readonly [id: string, title: string])[];
  readonly charts: readonly Chart[];
  readonly body: Html;
}

/** A whole page around its parts. */
export function shell({ title, version, header, links: all, charts, body }: PageParts): string {
  const links = all.filter(([id]) => body.text.includes(`<h2 id="${id}">`));
  const { style, program } = assets();
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy(style, program)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="phinetune ${version}">
<title>${title} – phinetune</title>
<style>${new Html(style)}</style>
</head>
<body>
<a class="skip" href="#main">To the content</a>
${header}
<nav aria-label="Sections"><ul>${links.map(([id, title]) => html`<li><a href="#${id}">${title}</a></li>`)}</ul></nav>
<main id="main">
${body}
</main>
<script type="application/json" id="curves-data">${scriptJson(charts)}</script>
<script>${new Html(program)}</script>
</body>
</html>
`.text;
}

function curvesSection(charts: readonly Chart[]): Html {
  return html`<section aria-labelledby="curves"><h2 id="curves">Curves</h2>${
    charts.length === 0
      ? html`<p class="note">No step was made.</p>`
      : html`<div class="tools" hidden><label><input type="checkbox" id="log"> logarithmic loss and norm</label> <button type="button" id="reset">Show all steps</button></div>
<noscript><p class="note">The curves are drawn by a script; their figures stand in the tables below.</p></noscript>
<p class="note hint">Drag over a curve to look closer, double-click to go back. With the keyboard: arrow keys move along, + and − zoom, Escape shows all.</p>
<div class="charts">${charts.map(chartFigure)}</div>`
  }</section>`;
}

/** Rows of the table that stands for a curve where it cannot be seen. */
const TABLE_ROWS = 12;

function chartFigure({ id, title, unit, series, columns, steps, shown, wide }: Chart): Html {
  const rows = columns[0]!.length;
  const picked = [
    ...new Set(Array.from({ length: TABLE_ROWS }, (_, i) => Math.round((i * (rows - 1)) / (TABLE_ROWS - 1)))),
  ];
  return html`<figure class="chart${wide ? " wide" : ""}"><figcaption><h3 id="chart-${id}">${title}${unit === "" ? undefined : html` <small>${unit}</small>`}</h3>${
    shown < steps
      ? html`<p>${count(shown)} of ${count(steps)} points: the lowest and the highest of each stretch</p>`
      : undefined
  }</figcaption>
<div class="plot" id="plot-${id}"></div>
<details><summary>As a table</summary><table><caption class="hidden">${title} at some steps</caption><thead><tr><th scope="col" class="number">step</th>${series.map(({ label }) => html`<th scope="col" class="number">${label}</th>`)}</tr></thead><tbody>${picked.map(
    (i) =>
      html`<tr><th scope="row" class="number">${count(columns[0]![i]!)}</th>${columns
        .slice(1)
        .map(
          (column) => html`<td class="number">${column[i] === null ? "–" : figure(column[i]!)}</td>`,
        )}</tr>`,
  )}</tbody></table></details></figure>`;
}

/** Nothing may be loaded, and nothing run but the script that was put in here. */
function policy(style: string, program: string): string {
  const hash = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  return `default-src 'none'; style-src ${hash(style)}; script-src ${hash(program)}; base-uri 'none'; form-action 'none'`;
}

/** uPlot as it is installed, with its licence, and what makes it ours. */
function assets(): { readonly style: string; readonly program: string } {
  const require = createRequire(import.meta.url);
  const read = (path: string | URL) => readFileSync(path, "utf8").replaceAll("\r\n", "\n").trim();
  const ofUplot = (name: string) => read(join(dirname(require.resolve("uplot")), name));
  const own = (name: string) => read(new URL(`assets/report/${name}`, packageRoot()));
  return {
    style: `${ofUplot("uPlot.min.css")}\n${own("report.css")}\n${own("curves.css")}`,
    program: `/*\n${ofUplot("../LICENSE")}\n*/\n${ofUplot("uPlot.iife.min.js")}\n${own("report.js")}`,
  };
}
