// The result of `phinetune eval` -> tables of scores, tasks and labels, and the rows that changed most.
import {
  type ComparedRow,
  type CompareResult,
  changedMost,
  type SystemResult,
} from "../evaluate/comparison.js";
import { count, plural } from "./quantities.js";
import { type Output, printable } from "./terminal.js";

const DIGITS = 4;
const number = (x: number | undefined) => (x === undefined ? "" : x.toFixed(DIGITS));
const signed = (x: number) => `${x < 0 ? "-" : "+"}${Math.abs(x).toFixed(DIGITS)}`;

/** Everything for a terminal. @param shown rows to show of each kind */
export function comparisonText(result: CompareResult, shown: number, out: Output): string {
  const { rows, trainedTokens, systems } = result;
  const parts = [
    `${plural(rows.length, "row")}, ${count(trainedTokens)} trained tokens`,
    scoreTable(systems, out),
    ...taskTable(systems, out),
    ...systems.flatMap((system) => confusionTable(system, out)),
    ...systems.slice(1).flatMap((system, i) => changedRows(rows, system, i + 1, shown, out)),
  ];
  return `${parts.join("\n\n")}\n`;
}

/** A line a score: base, each adapter, and its distance from the base with the 95 % interval. */
function scoreTable(systems: readonly SystemResult[], out: Output): string {
  const [base] = systems;
  const header = [
    "",
    ...systems.flatMap(({ name }, i) => (i === 0 ? [name] : [name, "change", "95 % interval"])),
  ];
  const lines = Object.keys(base!.scores).map((score) => [
    score,
    ...systems.flatMap(({ scores, changes }) => {
      const difference = changes?.[score]?.difference;
      const cells = [number(scores[score])];
      if (difference)
        cells.push(signed(difference.value), `${signed(difference.low)} to ${signed(difference.high)}`);
      return cells;
    }),
  ]);
  return table([header, ...lines], out);
}

/** Exact match, F1 and loss of each task. */
function taskTable(systems: readonly SystemResult[], out: Output): string[] {
  const tasks = Object.keys(systems[0]!.tasks);
  if (tasks.length === 0) return [];
  const score = systems[0]!.tasks[tasks[0]!]!.exact_match === undefined ? "loss" : "exact_match";
  const header = [`task: ${score}`, "rows", ...systems.map(({ name }) => name)];
  const lines = tasks.map((task) => [
    task,
    count(systems[0]!.tasks[task]!.rows!),
    ...systems.map(({ tasks: of }) => number(of[task]![score])),
  ]);
  return [table([header, ...lines], out)];
}

/** Above this many labels only their scores are shown. */
const MAX_MATRIX = 12;

function confusionTable({ name, labels }: SystemResult, out: Output): string[] {
  if (!labels) return [];
  const { confusion, perClass } = labels;
  const header = [`labels: ${name}`, "precision", "recall", "F1", "rows"];
  const isSmall = confusion.labels.length <= MAX_MATRIX;
  if (isSmall) header.push(...confusion.labels.map((label) => `→ ${label}`), "→ none");
  const lines = perClass.map(({ label, precision, recall, f1, support }, k) => [
    label,
    number(precision),
    number(recall),
    number(f1),
    count(support),
    ...(isSmall ? confusion.counts[k]!.map((n) => (n === 0 ? "·" : count(n))) : []),
  ]);
  return [table([header, ...lines], out)];
}

function changedRows(
  rows: readonly ComparedRow[],
  { name }: SystemResult,
  at: number,
  shown: number,
  out: Output,
): string[] {
  const { improved, worsened } = changedMost(rows, at, shown);
  const show = (row: ComparedRow) =>
    [
      out.paint(`${row.source}:${row.line}`, "dim"),
      quoted("prompt", row.prompt, out),
      quoted("reference", row.reference, out),
      quoted("base", row.answers[0]!.text, out),
      quoted("adapter", row.answers[at]!.text, out),
    ].join("\n");
  const parts: string[] = [];
  if (improved.length > 0) parts.push(out.paint(`Most improved by ${name}`, "bold"), ...improved.map(show));
  if (worsened.length > 0) parts.push(out.paint(`Most worsened by ${name}`, "bold"), ...worsened.map(show));
  return parts;
}

const MAX_SHOWN = 600;

function quoted(name: string, text: string, out: Output): string {
  const cut = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)} …` : text;
  return printable(cut.trim())
    .split("\n")
    .map((line, i) => `  ${out.paint((i === 0 ? name : "").padEnd(10), "dim")}| ${line}`)
    .join("\n");
}

/** Columns as wide as their widest cell; the first to the left, numbers to the right; the first line is the heading. */
function table(lines: readonly (readonly string[])[], out: Output): string {
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => (line[column] ?? "").length)));
  return lines
    .map((line, row) => {
      const text = line
        .map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)))
        .join("  ")
        .trimEnd();
      return row === 0 ? out.paint(text, "bold") : text;
    })
    .join("\n");
}
