// Seeds -> instruction rows: splits without overlap, and answers that hold when computed in another way.
import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { createRandom } from "../../src/random.js";
import { families, type Split, splitSizes, writeInstructions } from "../../tools/tiny-phi/instructions.js";
import { opposites } from "../../tools/tiny-phi/world/words.js";

const rows = writeInstructions(1);
const splits = Object.keys(splitSizes) as Split[];
const all = splits.flatMap((split) => rows[split]);
const ofTask = (task: string) => all.filter((row) => row.task === task);
const wholeText = ({ instruction, input }: { instruction: string; input: string }) =>
  `${instruction} ${input}`;
const numbersOf = (text: string): number[] => (text.match(/\d+/g) ?? []).map(Number);

test("a seed gives the same rows", () => {
  expect(createHash("sha256").update(JSON.stringify(rows)).digest("hex")).toMatchInlineSnapshot(
    `"102850b5a7dc6fa51501053d30addd1f19fbff50967f4ed0c2d7d7871fd4ddbc"`,
  );
});

test("each split has its size, and no question comes twice", () => {
  for (const split of splits) expect(rows[split]).toHaveLength(splitSizes[split]);
  expect(new Set(all.map(({ instruction, input }) => JSON.stringify([instruction, input]))).size).toBe(
    all.length,
  );
});

test("there are many families, each in every split and with many wordings", () => {
  expect(families.length).toBeGreaterThanOrEqual(14);
  for (const { task, ask } of families) {
    for (const split of splits)
      expect(rows[split].filter((row) => row.task === task).length, task).toBeGreaterThan(5);
    const random = createRandom(1, task);
    const wordings = new Set(Array.from({ length: 400 }, () => ask(random).wordings.map(String)).flat());
    expect(wordings.size, task).toBeGreaterThanOrEqual(6);
  }
});

test("rows have text without left-over slots", () => {
  for (const row of all) {
    expect(wholeText(row) + row.output).not.toMatch(/[{}[\]|]|undefined| {2}/);
    expect(row.output).toBe(row.output.trim());
    expect(row.output.length).toBeGreaterThan(0);
    expect(row.input.split(" ").length).toBeLessThanOrEqual(50);
  }
});

test("a label is the answer", () => {
  for (const { label, output } of all) if (label !== undefined) expect(output).toBe(label);
  const labels = new Set(rows.test.flatMap(({ label }) => label ?? []));
  for (const label of ["Yes", "No", "Positive", "Negative", "bird", "tool"]) expect(labels).toContain(label);
});

test("yes and no are about as many, and so are positive and negative", () => {
  for (const [task, answer] of [
    ["yes_no", "Yes"],
    ["sentiment", "Positive"],
  ] as const) {
    const share = ofTask(task).filter(({ output }) => output === answer).length / ofTask(task).length;
    expect(share).toBeGreaterThan(0.4);
    expect(share).toBeLessThan(0.6);
  }
});

test("numbers are right", () => {
  for (const row of ofTask("addition")) {
    const [a, b] = numbersOf(wholeText(row));
    expect(Number(row.output)).toBe(a! + b!);
  }
  for (const row of ofTask("subtraction")) {
    const [a, b] = numbersOf(wholeText(row));
    expect(Number(row.output)).toBe(Math.abs(a! - b!));
  }
  for (const row of ofTask("larger_number"))
    expect(Number(row.output)).toBe(Math.max(...numbersOf(wholeText(row))));
  for (const row of ofTask("sort_numbers"))
    expect(numbersOf(row.output)).toEqual([...numbersOf(wholeText(row))].sort((a, b) => a - b));
});

test("lists are sorted and counted right", () => {
  const list = (row: { instruction: string; input: string }) =>
    (row.input || /(?:: |of the list )([a-z, ]+)[.?]$/.exec(row.instruction)![1]!).split(", ");
  for (const row of ofTask("counting")) expect(Number(row.output)).toBe(list(row).length);
  for (const row of ofTask("sort_words"))
    expect(row.output).toBe(`The order is ${[...list(row)].sort().join(", ")}.`);
  for (const row of ofTask("list_item")) {
    const [, which, word] = /^The (\w+) word is (\w+)\.$/.exec(row.output)!;
    expect(list(row).at({ first: 0, second: 1, last: -1 }[which!]!)).toBe(word);
  }
});

test("what is extracted is in the text", () => {
  for (const { input, output } of ofTask("extraction"))
    expect(input.toLowerCase()).toContain(output.toLowerCase().replace(/^(?:the|an?) /, ""));
});

test("no pair of opposites is in two splits", () => {
  const pairsOf = (split: Split) =>
    new Set(
      rows[split]
        .filter(({ task }) => task === "opposite")
        .map(({ output }) =>
          opposites.findIndex(
            ([a, b]) =>
              (output.includes(` ${a} `) && output.endsWith(` ${b}.`)) ||
              (output.includes(` ${b} `) && output.endsWith(` ${a}.`)),
          ),
        ),
    );
  const [train, test] = [pairsOf("train"), pairsOf("test")];
  expect(train.has(-1) || test.has(-1)).toBe(false);
  expect([...test].filter((pair) => train.has(pair))).toEqual([]);
});
