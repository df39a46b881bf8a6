// Manifest and warnings of a run -> the sections of its report that tell how it was made.
import type { DatasetStatistics } from "../../data/statistics.js";
import { flagOf } from "../../options/names.js";
import type { OptionSpec } from "../../options/schema.js";
import { trainSchema } from "../../options/train.js";
import type { Manifest } from "../manifest.js";
import { breakable, type Html, html } from "./html.js";
import { count, percent } from "./numbers.js";
import type { Story } from "./story.js";

const MAX_WARNINGS = 100;

/** What a reader should know before believing the figures. */
export function warningList({ warnings }: Story): Html | undefined {
  if (warnings.length === 0) return undefined;
  const times = new Map<string, number>();
  for (const warning of warnings) times.set(warning, (times.get(warning) ?? 0) + 1);
  const more = times.size - MAX_WARNINGS;
  return html`<section aria-labelledby="warnings"><h2 id="warnings">Warnings</h2><ul class="warnings">${[
    ...times,
  ]
    .slice(0, MAX_WARNINGS)
    .map(([text, n]) => html`<li>${text}${n > 1 ? ` (${n} times)` : ""}</li>`)}</ul>${
    more > 0 ? html`<p class="note">${count(more)} more stand in events.jsonl.</p>` : undefined
  }</section>`;
}

/** Rows, tokens, mask, and lengths. */
export function dataSection({ data }: Manifest, { started }: Story): Html | undefined {
  const figures = data as Partial<DatasetStatistics>;
  if (figures.rows === undefined || figures.kept === undefined) return undefined;
  const { rows, kept, dropped = {}, tokens, trainedTokens, answers, length, histogram = [] } = figures;
  const facts: readonly (readonly [string, string | undefined])[] = [
    ["rows read", count(rows)],
    ["rows kept", `${count(kept)}${rows > 0 ? ` (${percent(kept / rows)})` : ""}`],
    ...Object.entries(dropped).map(([reason, n]) => [`left out: ${reason}`, count(n)] as const),
    ["to train on", started && count(started.train_rows)],
    ["held out", started && count(started.eval_rows)],
    ["tokens", tokens === undefined ? undefined : count(tokens)],
    [
      "trained tokens",
      trainedTokens === undefined
        ? undefined
        : `${count(trainedTokens)}${tokens ? ` (${percent(trainedTokens / tokens)})` : ""}`,
    ],
    ["answers", answers === undefined ? undefined : count(answers)],
    [
      "answers that end with a trained end token",
      figures.answersEndingInEos === undefined ? undefined : percent(figures.answersEndingInEos),
    ],
    [
      "rows cut to --max-length",
      figures.truncatedRows === undefined
        ? undefined
        : `${count(figures.truncatedRows)}${figures.truncatedRows > 0 ? `, by ${count(figures.truncatedTokens ?? 0)} tokens` : ""}`,
    ],
    [
      "length in tokens",
      length &&
        `${count(length.min)} to ${count(length.max)}, median ${count(length.median)}, mean ${count(length.mean)}`,
    ],
  ];
  return html`<section aria-labelledby="data"><h2 id="data">Data</h2><div class="columns">
<table class="facts"><caption>Rows as they were read for training</caption><tbody>${facts.map(
    ([name, value]) =>
      value === undefined ? undefined : html`<tr><th scope="row">${name}</th><td>${value}</td></tr>`,
  )}</tbody></table>
${lengths(histogram)}</div></section>`;
}

function lengths(histogram: DatasetStatistics["histogram"]): Html | undefined {
  const first = histogram.findIndex(({ rows }) => rows > 0);
  if (first < 0) return undefined;
  const most = Math.max(...histogram.map(({ rows }) => rows));
  return html`<table class="histogram"><caption>Rows by length in tokens</caption><thead><tr><th scope="col" class="number">tokens</th><th scope="col" class="number">rows</th><td></td></tr></thead><tbody>${histogram
    .slice(first)
    .map(({ upTo, rows }, i) => {
      const from = (histogram[first + i - 1]?.upTo ?? 0) + 1;
      return html`<tr><th scope="row" class="number">${count(from)}–${count(upTo)}</th><td class="number">${count(rows)}</td><td class="bar"><svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"><rect width="${((100 * rows) / most).toFixed(2)}" height="10"/></svg></td></tr>`;
    })}</tbody></table>`;
}

/** Options that differ from their defaults, then the others. */
export function optionsSection(
  { options }: Pick<Manifest, "options">,
  table: Readonly<Record<string, OptionSpec>> = trainSchema.table,
): Html {
  const rows = Object.entries(options as Readonly<Record<string, unknown>>).flatMap(([name, value]) => {
    if (value === undefined) return [];
    const spec = table[name];
    const normal = spec && "default" in spec ? spec.default : undefined;
    const isDefault = JSON.stringify(value) === JSON.stringify(normal);
    return { name, value, normal, help: spec?.help, isDefault };
  });
  const body = (isDefault: boolean) =>
    rows
      .filter((row) => row.isDefault === isDefault)
      .map(
        ({ name, value, normal, help }) =>
          html`<tr><th scope="row"><code>${flagOf(name)}</code><small>${help}</small></th><td>${shown(value)}</td>${
            isDefault ? undefined : html`<td>${normal === undefined ? "–" : shown(normal)}</td>`
          }</tr>`,
      );
  return html`<section aria-labelledby="options"><h2 id="options">Options</h2>
<div class="scroll" role="region" aria-labelledby="options" tabindex="0"><table class="options"><caption>Options that differ from their defaults, or have none</caption><thead><tr><th scope="col">option</th><th scope="col">value</th><th scope="col">default</th></tr></thead><tbody>${body(false)}</tbody></table></div>
<details><summary>Options at their defaults (${rows.filter(({ isDefault }) => isDefault).length})</summary>
<table class="options"><caption class="hidden">Options at their defaults</caption><thead><tr><th scope="col">option</th><th scope="col">value</th></tr></thead><tbody>${body(true)}</tbody></table></details></section>`;
}

function shown(value: unknown): Html {
  return html`<code>${typeof value === "string" ? value : JSON.stringify(value)}</code>`;
}

/** What is needed to do the run again. */
export function originSection({ versions, device, hashes }: Manifest, { end }: Story): Html {
  const facts: readonly (readonly [string, string | undefined])[] = [
    ...Object.entries(versions),
    ["device", `${device.kind}: ${device.model}, ${device.cores} threads`],
    ["output folder", end?.type === "finished" ? end.output_dir : undefined],
  ];
  return html`<section aria-labelledby="origin"><h2 id="origin">Origin</h2>
<table class="facts"><caption>Versions and device</caption><tbody>${facts.map(([name, value]) =>
    value === undefined ? undefined : html`<tr><th scope="row">${name}</th><td>${value}</td></tr>`,
  )}</tbody></table>
<div class="scroll" role="region" aria-label="Hashes" tabindex="0"><table class="hashes"><caption>SHA-256 of the files that the run read</caption><thead><tr><th scope="col">file</th><th scope="col">hash</th></tr></thead><tbody>${Object.entries(
    hashes,
  ).map(
    ([path, hash]) =>
      html`<tr><th scope="row">${breakable(path, "/")}</th><td><code>${hash}</code></td></tr>`,
  )}</tbody></table></div></section>`;
}
