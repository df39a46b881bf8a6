// A random stream -> paragraphs about words: opposites, synonyms, plurals, tenses, sentences rewritten.
import type { Random } from "../../../src/random.js";
import { between, chance, pick, sample } from "../world/choice.js";
import { capitalize, fill, thirdPerson } from "../world/grammar.js";
import { people } from "../world/people.js";
import { makeDescription } from "../world/sentences.js";
import { commands, opposites, plurals, synonyms, verbs } from "../world/words.js";

function personSlots(random: Random) {
  const { name, he, his, him } = pick(random, people);
  return { name, he, his, him };
}

/** Sentences made by one of the functions, one after the other, or the same shape on lines of their own. */
function several(random: Random, write: (random: Random) => string, low: number, high: number): string {
  return Array.from({ length: between(random, low, high) }, () => write(random)).join(" ");
}

export function nameOpposites(random: Random): string {
  if (chance(random, 0.15))
    return sample(random, opposites, between(random, 4, 7))
      .map(([a, b]) => (chance(random, 0.5) ? `${a} - ${b}` : `${b} - ${a}`))
      .join("\n");
  return several(
    random,
    () => {
      const pair = pick(random, opposites);
      const [a, b] = chance(random, 0.5) ? pair : [pair[1], pair[0]];
      return fill(
        pick(random, [
          "The opposite of {a} is {b}.",
          "The opposite of {a} is {b}.",
          "{^a} and {b} are opposites.",
          "{^a} is the opposite of {b}.",
          "{name} said {a}, but {friend} said the opposite: {b}.",
          "If it is not {a}, it may be {b}: that is the opposite.",
          "The teacher gave the word {a}, and {name} found its opposite, {b}.",
        ]),
        { a, b, ...personSlots(random), friend: pick(random, people).name },
        random,
      );
    },
    3,
    6,
  );
}

export function nameSynonyms(random: Random): string {
  return several(
    random,
    () => {
      const pair = pick(random, synonyms);
      const [a, b] = chance(random, 0.5) ? pair : [pair[1], pair[0]];
      return fill(
        pick(random, [
          "Another word for {a} is {b}.",
          "Another word for {a} is {b}.",
          "{^a} means the same as {b}.",
          "{^a} and {b} mean the same.",
          "Instead of {a}, {name} says {b}.",
        ]),
        { a, b, ...personSlots(random) },
        random,
      );
    },
    3,
    6,
  );
}

export function namePlurals(random: Random): string {
  if (chance(random, 0.12))
    return sample(random, plurals, between(random, 4, 7))
      .map(([one, many]) => `one ${one}, two ${many}`)
      .join("\n");
  return several(
    random,
    () => {
      const [one, many] = pick(random, plurals);
      return fill(
        pick(random, [
          "The plural of {one} is {many}.",
          "The plural of {one} is {many}.",
          "One {one}, [two|three|many] {many}.",
          "{name} had one {one}, and {friend} had [five|six|ten] {many}.",
          "We say one {one}, but two {many}.",
          "More than one {one} are {many}.",
        ]),
        { one, many, ...personSlots(random), friend: pick(random, people).name },
        random,
      );
    },
    3,
    6,
  );
}

export function nameTenses(random: Random): string {
  return several(
    random,
    () => {
      const { base, past, rest } = pick(random, verbs);
      return fill(
        pick(random, [
          "The past tense of {base} is {past}.",
          "The past tense of {base} is {past}.",
          "Today I {base}. Yesterday I {past}.",
          "Today they {base} {rest}. Yesterday they {past} {rest}.",
          "Every day we {base}, and last week we {past}.",
          "The verb {base} becomes {past} in the past.",
          "{name} can {base} now, and {he} {past} before.",
          "{name} {third} {rest} today, as {he} {past} {rest} yesterday.",
          "Yesterday {name} {past} {rest}, and today {he} {third} {rest} again.",
        ]),
        { base, past, rest, third: thirdPerson(base), ...personSlots(random) },
        random,
      );
    },
    3,
    6,
  );
}

/** A sentence and the same sentence in another form. */
export function rewriteSentences(random: Random): string {
  return several(
    random,
    pick(random, [rewriteTense, rewriteTense, rewritePolite, rewriteNegative, rewriteQuestion]),
    2,
    4,
  );
}

function rewriteTense(random: Random): string {
  const verb = pick(random, verbs);
  const [now, then] = tenses(pick(random, people).name, verb);
  return fill(
    pick(random, [
      "[Now|Today]: {now} [Then|Yesterday]: {then}",
      'In the past tense, the sentence "{now}" becomes "{then}"',
      "{now} That is now. {then} That was before.",
      "The sentence is: {now} In the past tense it is: {then}",
      '{name} wrote the sentence "{now}" and put it into the past tense: "{then}"',
    ]),
    { now, then, ...personSlots(random) },
    random,
  );
}

/** "Anna walks to the park." and "Anna walked to the park." */
export function tenses(
  name: string,
  { base, past, rest }: (typeof verbs)[number],
): readonly [string, string] {
  return [`${name} ${thirdPerson(base)} ${rest}.`, `${name} ${past} ${rest}.`];
}

function rewritePolite(random: Random): string {
  const command = pick(random, commands);
  return fill(
    pick(random, [
      "{^command}. The polite form is: Please {command}.",
      'Do not say "{^command}." Say "Please {command}."',
      '"{^command}!" said {name}. "Please {command}," {he} should have said.',
      "The order is: {^command}. More polite is: Please {command}.",
      '{name} made the order "{^command}." polite: "Please {command}."',
    ]),
    { command, ...personSlots(random) },
    random,
  );
}

function rewriteNegative(random: Random): string {
  const { statement, denial } = makeDescription(random);
  return fill(
    pick(random, [
      "{statement} The negative form is: {denial}",
      "Some say: {statement} Others say: {denial}",
      "The sentence is: {statement} With not it is: {denial}",
      '{name} said: "{statement}" Then {he} said the opposite: "{denial}"',
    ]),
    { statement, denial, ...personSlots(random) },
    random,
  );
}

function rewriteQuestion(random: Random): string {
  const { statement, question } = makeDescription(random);
  return fill(
    pick(random, [
      "{statement} As a question it is: {question}",
      "The sentence is: {statement} The question is: {question}",
      '{name} turned the sentence "{statement}" into a question: "{question}"',
    ]),
    { statement, question, ...personSlots(random) },
    random,
  );
}

/** The same sentence in small and in capital letters. */
export function shoutWords(random: Random): string {
  return several(
    random,
    () => {
      const word = pick(random, [...opposites.flat(), ...plurals.map(([one]) => one)]).slice(0, 8);
      return fill(
        pick(random, [
          "In capital letters, {word} is {upper}.",
          "The sign says {upper}, which means {word}.",
          "{^word} begins with the letter {letter}.",
        ]),
        { word, upper: word.toUpperCase(), letter: word.charAt(0).toUpperCase() },
        random,
      );
    },
    2,
    4,
  );
}

/** Lines for lists of words with nothing else. */
export function listOpposites(random: Random): string {
  return sample(random, opposites, 4)
    .map(([a, b]) => `${capitalize(a)}: ${b}`)
    .join("\n");
}
