// A random stream -> paragraphs with sums, comparisons, sorted numbers and things counted.
import type { Random } from "../../../src/random.js";
import { between, chance, pick, sample } from "../world/choice.js";
import { capitalize, fill, joinWords, regularPlural } from "../world/grammar.js";
import { carried, people } from "../world/people.js";
import { numberWords } from "../world/words.js";

/** Two numbers whose sum is at most `limit`. */
export function addends(random: Random, limit: number): readonly [number, number] {
  const sum = between(random, 1, limit);
  const a = between(random, 0, sum);
  return [a, sum - a];
}

export const LARGEST_SUM = 30;

/** Numbers in figures, or sometimes all of them in words. */
function writeNumbers(random: Random, template: string, values: readonly number[]): readonly string[] {
  const words = !/[-+=] /.test(template) && values.every((value) => value <= 20) && chance(random, 0.15);
  return values.map((value) => (words ? numberWords[value]! : String(value)));
}

const pluralOf = (noun: string): string => (noun === "scarf" ? "scarves" : regularPlural(noun));

function personSlots(random: Random) {
  const { name, he, his, him } = pick(random, people);
  return { name, he, his, him };
}

export function addNumbers(random: Random): string {
  const [a, b] = addends(random, LARGEST_SUM);
  const thing = pluralOf(pick(random, carried));
  const template = pick(random, [
    "{a} + {b} = {sum}",
    "{a} + {b} = {sum}.",
    "{a} plus {b} is {sum}.",
    "{a} and {b} make {sum}.",
    "If you add {a} and {b}, you get {sum}.",
    "The sum of {a} and {b} is {sum}.",
    "Adding {b} to {a} gives {sum}.",
    "{name} had {a} of the {thing} and got {b} more. Now {he} has {sum}.",
    "Of the {thing}, {a} lay on the table and {b} on the chair: {sum} in all.",
    "{name} [was told to|had to] add {a} and {b} and wrote {sum}.",
    "[The teacher asked|{name} asked] how much {a} plus {b} is. It is {sum}.",
  ]);
  const [first, second, sum] = writeNumbers(random, template, [a, b, a + b]);
  return fill(template, { ...personSlots(random), a: first!, b: second!, sum: sum!, thing }, random);
}

export function subtractNumbers(random: Random): string {
  const [rest, b] = addends(random, LARGEST_SUM);
  const a = rest + b;
  const thing = pluralOf(pick(random, carried));
  const template = pick(random, [
    "{a} - {b} = {rest}",
    "{a} - {b} = {rest}.",
    "{a} minus {b} is {rest}.",
    "If you take {b} from {a}, you get {rest}.",
    "The difference between {a} and {b} is {rest}.",
    "{a} less {b} leaves {rest}.",
    "{name} had {a} of the {thing} and gave {b} away. Now {he} has {rest}.",
    "{name} counted {a} of the {thing} and lost {b}, so {he} has {rest} left.",
    "{name} [was told to|had to] subtract {b} from {a} and wrote {rest}.",
    "[The teacher asked|{name} asked] how much {a} minus {b} is. It is {rest}.",
  ]);
  const [first, second, left] = writeNumbers(random, template, [a, b, rest]);
  return fill(template, { ...personSlots(random), a: first!, b: second!, rest: left!, thing }, random);
}

/** Some sums in a row. */
export function doSums(random: Random): string {
  const lines = Array.from({ length: between(random, 3, 8) }, () =>
    pick(random, [addNumbers, subtractNumbers])(random),
  );
  const lead = pick(random, [
    "",
    "",
    "",
    "Some sums. ",
    "{name} did these sums: ",
    "From the book of numbers. ",
  ]);
  return (
    fill(lead, personSlots(random), random) +
    lines.map((line) => (/[.]$/.test(line) ? line : `${line}.`)).join(" ")
  );
}

/** Sums with one on each line. */
export function writeSums(random: Random): string {
  const lines = Array.from({ length: between(random, 4, 9) }, () => {
    const [a, b] = addends(random, LARGEST_SUM);
    return chance(random, 0.5) ? `${a} + ${b} = ${a + b}` : `${a + b} - ${b} = ${a}`;
  });
  return [`The sums of ${pick(random, people).name}:`, ...lines].join("\n");
}

/** Two different numbers below 100. */
export function unequalPair(random: Random): readonly [number, number] {
  const a = between(random, 0, 99);
  const b = chance(random, 0.4)
    ? Math.max(0, Math.min(99, a + between(random, -9, 9)))
    : between(random, 0, 99);
  return a === b ? unequalPair(random) : [a, b];
}

export function compareNumbers(random: Random): string {
  return Array.from({ length: between(random, 3, 6) }, () => {
    const [a, b] = unequalPair(random);
    const [large, small] = [Math.max(a, b), Math.min(a, b)];
    return fill(
      pick(random, [
        "{large} is larger than {small}.",
        "{small} is smaller than {large}.",
        "Of {a} and {b}, the larger number is {large}.",
        "Between {a} and {b}, the larger one is {large}.",
        "Take {a} and {b}: {large} is larger.",
        "Of {a} and {b}, the smaller number is {small}.",
        "The larger of the two numbers {a} and {b} is {large}.",
        "The numbers are {a} and {b}. The larger one is {large}.",
        "{name} is {a} years old and {friend} is {b}. The older one is {large}.",
        "{name} had to choose the larger number, {a} or {b}, and chose {large}.",
      ]),
      {
        ...personSlots(random),
        friend: pick(random, people).name,
        a: `${a}`,
        b: `${b}`,
        large: `${large}`,
        small: `${small}`,
      },
      random,
    );
  }).join(" ");
}

/** Three different numbers below 50. */
export function threeNumbers(random: Random): readonly number[] {
  return sample(
    random,
    Array.from({ length: 50 }, (_, i) => i),
    3,
  );
}

export const ascending = (numbers: readonly number[]): number[] => [...numbers].sort((a, b) => a - b);

export function sortNumbers(random: Random): string {
  return Array.from({ length: between(random, 2, 4) }, () => {
    const numbers = threeNumbers(random);
    const sorted = ascending(numbers);
    const slots = {
      ...personSlots(random),
      list: numbers.join(", "),
      and: joinWords(numbers.map(String)),
      sorted: sorted.join(", "),
      first: `${sorted[0]}`,
      last: `${sorted[2]}`,
      ends: numbers.map((n) => `${n}`).join(" "),
    };
    return fill(
      pick(random, [
        "The numbers {list} in order are {sorted}.",
        "{name} has the numbers {list}. From the smallest to the largest: {sorted}.",
        "Sorted from small to large, {and} become {sorted}.",
        "{name} sorted the numbers {list}. The order is {sorted}.",
        "Unsorted: {list}. Sorted: {sorted}.",
        "{name} had to put {list} in order and wrote {sorted}.",
        "Of {list}, the smallest is {first} and the largest is {last}, so the order is {sorted}.",
        "{name} drew three cards: {list}. {^he} put them in order: {sorted}.",
      ]),
      slots,
      random,
    );
  }).join(" ");
}

/** The next and the previous number, and counting on. */
export function countOn(random: Random): string {
  return Array.from({ length: between(random, 3, 6) }, () => {
    const n = between(random, 1, 98);
    return fill(
      pick(random, [
        "After {n} comes {next}.",
        "Before {n} comes {previous}.",
        "The number after {n} is {next}.",
        "The number before {n} is {previous}.",
        "{previous}, {n}, {next}.",
        "{name} counted: {previous}, {n}, {next}.",
        "{name} lives in house {n}. The next house has the number {next}.",
      ]),
      { ...personSlots(random), n: `${n}`, next: `${n + 1}`, previous: `${n - 1}` },
      random,
    );
  }).join(" ");
}

/** Small numbers in figures and words. */
export function spellNumbers(random: Random): string {
  return sample(
    random,
    Array.from({ length: 21 }, (_, i) => i),
    between(random, 3, 5),
  )
    .map((n) =>
      fill(
        pick(random, [
          "The number {n} is written {word}.",
          "{^word} is the number {n}.",
          "In words, {n} is {word}.",
          "{n} is {word}.",
        ]),
        { n: `${n}`, word: numberWords[n]! },
        random,
      ),
    )
    .map(capitalize)
    .join(" ");
}
