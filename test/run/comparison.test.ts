// What `eval` found out -> its page: every score with its interval, tasks, labels, the rows that changed most.
import { describe, expect, it } from "vitest";
import { type ComparedRow, type CompareResult, changedMost } from "../../src/evaluate/comparison.js";
import { compareAnswers, summarizeAnswers } from "../../src/evaluate/metrics/index.js";
import { resolveEvalOptions } from "../../src/options.js";
import { renderComparison } from "../../src/run/report.js";
import { readHtml } from "./html_check.js";
import { manifest } from "./story.js";

const LABELS = ["yes", "no", "no"];
const answered = (answers: readonly string[]) =>
  answers.map((answer, i) => ({
    reference: LABELS[i]!,
    label: LABELS[i]!,
    answer,
    stopped: true,
    tokens: 1,
  }));
const [before, after] = [answered(["no", "<b>maybe</b>", "no"]), answered(["yes", "no", "yes"])];
const evil = `<script>alert(1)</script>`;

const row = (i: number): ComparedRow => ({
  source: "rows.jsonl",
  line: i + 1,
  prompt: i === 0 ? evil : `Question ${i}?`,
  reference: LABELS[i]!,
  task: "yes_no",
  label: LABELS[i]!,
  losses: [1, 2],
  answers: [before, after].map((list) => ({
    text: list[i]!.answer,
    f1: list[i]!.answer === LABELS[i] ? 1 : 0,
    stopped: true,
  })),
});

function system(name: string, rows: typeof before, changes?: CompareResult["systems"][number]["changes"]) {
  const { metrics, labels } = summarizeAnswers(rows);
  return { name, scores: metrics, labels, changes, tasks: { yes_no: { rows: 3, ...metrics } }, seconds: 1 };
}

const result: CompareResult = {
  rows: [0, 1, 2].map(row),
  trainedTokens: 6,
  statistics: manifest.data as CompareResult["statistics"],
  systems: [
    system("base", before),
    system("runs/my adapter", after, compareAnswers(before, after, { resamples: 200, seed: 1 })),
  ],
};
const options = resolveEvalOptions({ model: "org/base", dataset: evil, adapter: ["runs/my adapter"] });

describe("the page of a comparison", () => {
  const page = renderComparison(result, options);
  const elements = readHtml(page);
  const rows = elements
    .filter(({ name }) => name === "tr")
    .map(({ text }) => text.replace(/\s+/g, " ").trim());

  it("shows scores side by side, and the change with its interval", () => {
    expect(rows.find((text) => text.startsWith("exact_match"))).toMatch(
      /^exact_match0\.3330\.667\+0\.333\S+ to \S+$/,
    );
    expect(rows).toContain("yes_no30.3330.667");
  });

  it("shows precision, recall and F1 of each label, and who answered what", () => {
    expect(rows).toContain("yes10.000 / 0.000 / 0.0000.500 / 1.000 / 0.667");
    expect(rows).toContain("no1·1");
    expect(rows).toContain("no11·");
  });

  it("shows the rows that changed most", () => {
    const titles = elements
      .filter(({ name }) => name === "h3")
      .map(({ text }) => text.replace(/\s+/g, " ").trim());
    expect(titles).toEqual(["Most improved by runs/my adapter", "Most worsened by runs/my adapter"]);
    const { improved, worsened } = changedMost(result.rows, 1, 5);
    expect([improved, worsened].map((list) => list.map(({ line }) => line))).toEqual([[1, 2], [3]]);
  });

  it("lets foreign text be text", () => {
    expect(page).not.toContain("<script>alert");
    expect(page).not.toContain("<b>maybe");
    expect(elements.filter(({ name }) => name === "script")).toHaveLength(2);
  });
});

it("a base alone has scores, but no changes and no rows", () => {
  const page = renderComparison({ ...result, systems: result.systems.slice(0, 1) }, options);
  expect(page).toContain("the base alone");
  expect(page).not.toContain(">change<");
  expect(page).not.toContain('id="rows"');
});
