// A seed -> rows of instructions for training, validation and test, each split about other things than the others.
import { createRandom } from "../../src/random.js";
import { closedFamilies } from "./instructions/closed.js";
import { openFamilies } from "./instructions/open.js";
import { type Family, type InstructionRow, makeRow, type Question } from "./instructions/task.js";
import { shareOf } from "./world/choice.js";

export const splitSizes = { train: 3000, validation: 300, test: 600 } as const;
export type Split = keyof typeof splitSizes;
export type { InstructionRow } from "./instructions/task.js";

export const families: readonly Family[] = [...closedFamilies, ...openFamilies];

/** Questions about the same thing are in the same split. */
function splitOf(task: string, { about, place }: Question): Split {
  const share = place ?? shareOf(`${task}: ${about}`);
  return share < 0.18 ? "test" : share < 0.28 ? "validation" : "train";
}

export function writeInstructions(seed: number | string): Readonly<Record<Split, readonly InstructionRow[]>> {
  const rows: Record<Split, InstructionRow[]> = { train: [], validation: [], test: [] };
  const seen = new Set<string>();
  for (const [i, { task, ask, labels = 1 }] of families.entries()) {
    const random = createRandom(seed, "instructions", task);
    const wanted = {
      train: quota("train", i),
      validation: quota("validation", i),
      test: quota("test", i),
    };
    const labelled = new Map<string, number>();
    const atMost = (split: Split): number => Math.ceil(quota(split, i) / labels);
    for (let attempts = 0; Object.values(wanted).some((count) => count > 0); attempts++) {
      if (attempts > 100_000) throw new Error(`${task}: too few different questions`);
      const question = ask(random);
      const split = splitOf(task, question);
      const row = makeRow(task, question, random);
      const key = JSON.stringify([row.instruction, row.input]);
      if (wanted[split] === 0 || seen.has(key)) continue;
      const ofLabel = `${split} ${row.label}`;
      const count = labelled.get(ofLabel) ?? 0;
      if (row.label !== undefined && count >= atMost(split)) continue;
      labelled.set(ofLabel, count + 1);
      seen.add(key);
      rows[split].push(row);
      wanted[split]--;
    }
  }
  const random = createRandom(seed, "order");
  return {
    train: random.shuffle(rows.train),
    validation: random.shuffle(rows.validation),
    test: random.shuffle(rows.test),
  };
}

/** Rows of a family in a split; the shares are rounded so that they add up to the size of the split. */
function quota(split: Split, family: number): number {
  const total = families.reduce((sum, { weight }) => sum + weight, 0);
  const upTo = (count: number): number =>
    Math.round(
      (splitSizes[split] * families.slice(0, count).reduce((sum, { weight }) => sum + weight, 0)) / total,
    );
  return upTo(family + 1) - upTo(family);
}
