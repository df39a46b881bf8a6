// A random stream -> paragraphs about texts and lists: reviews judged, notes read, lists sorted and counted, letters and tasks.
import type { Random } from "../../../src/random.js";
import { between, chance, pick, sample } from "../world/choice.js";
import { fill, joinWords } from "../world/grammar.js";
import { alphabetical, listWords, someWords, threeWords } from "../world/lists.js";
import { noteFields, writeNote } from "../world/notes.js";
import { writeReview } from "../world/opinions.js";
import { days, months, people } from "../world/people.js";
import { numberWords } from "../world/words.js";

function personSlots(random: Random) {
  const { name, he, his, him } = pick(random, people);
  return { name, he, his, him };
}

export function judgeReviews(random: Random): string {
  return Array.from({ length: between(random, 1, 3) }, () => {
    const { text, thing, positive } = writeReview(random);
    const slots = {
      ...personSlots(random),
      text,
      thing,
      kind: positive ? "positive" : "negative",
      mood: positive ? "happy" : "unhappy",
      liked: positive ? "liked" : "did not like",
      stars: positive ? pick(random, ["four", "five"]) : pick(random, ["one", "two"]),
    };
    return fill(
      pick(random, [
        "{text} This review is {kind}.",
        "{text} It was a {kind} comment.",
        '{name} wrote about the {thing}: "{text}" That is {kind}. {name} {liked} it.',
        '"{text}" The writer was {mood}, so the opinion is {kind}.',
        "Review of the {thing}: {text} Feeling: {kind}.",
        "{text} {^kind}. The writer {liked} the {thing}.",
        "{text} The paper gave it {stars} stars, for the review was {kind}.",
        'Was {name} {mood} or not? {^he} wrote: "{text}" {^kind} words, we think.',
      ]),
      slots,
      random,
    );
  }).join("\n\n");
}

export function readNotes(random: Random): string {
  const { text, fields } = writeNote(random);
  const told = sample(random, noteFields, between(random, 1, 4));
  const small = (value: string): string =>
    value.replace(/^(?:The|A|An) /, (article) => article.toLowerCase());
  const slots = { ...personSlots(random), text };
  const lead = pick(random, [
    "{text}",
    "{text}",
    '{name} found a note: "{text}"',
    "A note says: {text}",
    '{name} read it aloud: "{text}"',
  ]);
  const forms = [
    () => `In this note ${joinWords(told.map((field) => `the ${field} is ${small(fields[field])}`))}.`,
    () => told.map((field) => `The ${field} in the text is ${small(fields[field])}.`).join(" "),
    () => told.map((field) => `${field[0]!.toUpperCase()}${field.slice(1)}: ${fields[field]}.`).join(" "),
    () =>
      told
        .map((field) => `Which ${field} is named? ${fields[field]}. `)
        .join("")
        .trim(),
    () => `The note names ${joinWords(told.map((field) => `${small(fields[field])} as the ${field}`))}.`,
  ];
  return fill(lead, slots, random) + pick(random, [" ", "\n", "\n\n"]) + pick(random, forms)();
}

export function sortWords(random: Random): string {
  return Array.from({ length: between(random, 2, 4) }, () => {
    const words = threeWords(random);
    const sorted = alphabetical(words);
    return fill(
      pick(random, [
        "The words are {list}. The order is {sorted}.",
        "{name} sorted the words {list}. The order is {sorted}.",
        "The words {list} in the order of the alphabet are {sorted}.",
        "{name} has three words: {list}. In the dictionary the order is {sorted}.",
        "{name} had to put {list} in alphabetical order. The order is {sorted}.",
        "Sorted by the alphabet, {and} become {sorted}.",
        "{first} comes before {last} in the alphabet.",
      ])
        .replace("{first}", sorted[0]!)
        .replace("{last}", sorted[2]!),
      { ...personSlots(random), list: words.join(", "), and: joinWords(words), sorted: sorted.join(", ") },
      random,
    );
  }).join(" ");
}

export function countWords(random: Random): string {
  return Array.from({ length: between(random, 2, 4) }, () => {
    const words = someWords(random);
    const count = words.length;
    const slots = {
      ...personSlots(random),
      list: words.join(", "),
      n: `${count}`,
      word: numberWords[count]!,
      nouns: count === 1 ? "word" : "words",
      things: count === 1 ? "thing" : "things",
    };
    return fill(
      pick(random, [
        "The list {list} has {n} {nouns}.",
        'The list "{list}" has {word} {nouns}.',
        "{list}: that makes {n}.",
        "{name} counted the words {list}. The number of words is {n}.",
        "{name} wrote {list} on the paper. How many is that? {n}.",
        "In the box there [is|was] this: {list}. The count is {n}.",
      ]),
      slots,
      random,
    );
  }).join(" ");
}

export function findInLists(random: Random): string {
  return Array.from({ length: between(random, 2, 4) }, () => {
    const words = someWords(random, 3, 5);
    const [first, second, last] = [words[0]!, words[1]!, words.at(-1)!];
    return fill(
      pick(random, [
        "{list}. The first word is {first}.",
        "{list}. The last word is {last}.",
        "{list}. The second word is {second}.",
        "The list is {list}. The first word is {first}, the second word is {second}, and the last word is {last}.",
        "{name} read the list {list}. The last word is {last}.",
        "{name} read the list {list}. The first word is {first}.",
      ]),
      { ...personSlots(random), list: words.join(", "), first, second, last },
      random,
    );
  }).join(" ");
}

/** Days and months one after the other. */
export function tellCalendar(random: Random): string {
  return Array.from({ length: between(random, 2, 5) }, () => {
    const cycle = pick(random, [days, days, months]);
    const unit = cycle === days ? "day" : "month";
    const i = between(random, 0, cycle.length - 1);
    const slots = {
      unit,
      now: cycle[i]!,
      next: cycle[(i + 1) % cycle.length]!,
      previous: cycle[(i + cycle.length - 1) % cycle.length]!,
      ...personSlots(random),
    };
    return fill(
      pick(random, [
        "After {now} comes {next}.",
        "Before {now} comes {previous}.",
        "The {unit} after {now} is {next}.",
        "The {unit} before {now} is {previous}.",
        `[It is {now}. The next {unit} is {next}.|{name} came in {now} and left the {unit} after, in {next}.]`.replace(
          /\bin (?=\{)/g,
          unit === "day" ? "on " : "in ",
        ),
      ]),
      slots,
      random,
    );
  }).join(" ");
}

/** Prose in which words of offices and schools occur: letters, requests, answers, texts. */
export function tellErrands(random: Random): string {
  const slots = { ...personSlots(random), friend: pick(random, people).name, word: pick(random, listWords) };
  return fill(
    pick(random, [
      "A letter came that describes [a task|a plan|a trip]. {name} read the [instruction|letter|request] twice and wrote [a response|a reply|an answer]. [The response was short|It was a good response], and {friend} [was pleased|thanked {him}].",
      "The box has a paper with an instruction. The paper provides [further|more] [context|help] for the task. {name} follows it step by step and completes the work.",
      "{name} made a request, and {friend} completes it. [First|Below the letter] there is a list, paired with a picture. [The list describes what to buy|It provides the names of all things].",
      "At school {name} got a task: write a [text|story|sentence] about the word {word}. {^he} wrote it [appropriately|well], and the teacher read the response to the class.",
      "The input of the machine is a word, and the output is another word. {name} put in the word {word}. The response appropriately completes the [line|sentence|text].",
      "Below the [window|roof|hill] {name} found a paper. It describes [a task|a place|an old house]. {friend} wrote a response that completes the [story|list|page].",
      '{name} had a question about the text. {friend} gave {him} the answer, using only the words of the text. "Answer with one word," said the teacher, and {name} did.',
    ]),
    slots,
    random,
  );
}

/** Lists of words alone on their line, first as found, then sorted or counted. */
export function writeLists(random: Random): string {
  const words = chance(random, 0.5) ? threeWords(random) : someWords(random, 2, 6);
  const sorted = alphabetical(words);
  return chance(random, 0.5)
    ? `${words.join(", ")}\n${sorted.join(", ")}\n\nThe first line is the list of ${pick(random, people).name}, and the second line is the same list in order.`
    : `${words.join("\n")}\n\nThis list has ${words.length} words. The first word is ${words[0]}, and the last word is ${words.at(-1)}.`;
}
