// Wordings and slots -> a row in Alpaca form; what a family of tasks is.
import type { Random } from "../../../src/random.js";
import { pick } from "../world/choice.js";
import { fill, type Slots } from "../world/grammar.js";

/** A way to ask: the instruction alone, or with an input. */
export type Wording = string | readonly [instruction: string, input: string];

export interface Question {
  /** What the question is about: all questions about it are in the same split. */
  readonly about: string;
  /** Where in [0, 1) that is put when the splits are cut; by default anywhere. */
  readonly place?: number;
  readonly wordings: readonly Wording[];
  readonly slots: Slots;
  readonly output: string;
  /** Of answers that are one of a few. */
  readonly label?: string;
}

export interface Family {
  readonly task: string;
  /** Rows in a hundred, about. */
  readonly weight: number;
  /** How many different labels it has: each comes equally often. */
  readonly labels?: number;
  readonly ask: (random: Random) => Question;
}

export interface InstructionRow {
  readonly instruction: string;
  readonly input: string;
  readonly output: string;
  readonly task: string;
  readonly label?: string;
}

export function makeRow(
  task: string,
  { wordings, slots, output, label }: Question,
  random: Random,
): InstructionRow {
  const wording = pick(random, wordings);
  const [instruction, input] = typeof wording === "string" ? [wording, ""] : wording;
  return {
    instruction: fill(instruction, slots, random),
    // Inputs are taken as they are: a list starts with a small letter.
    input: input.replace(/\{(\w+)\}/g, (whole, name: string) => slots[name] ?? whole),
    output,
    task,
    ...(label === undefined ? {} : { label }),
  };
}
