// A random stream -> people at school or at work who sort, calculate, rewrite, explain: the verbs of tasks, told as stories.
import type { Random } from "../../../src/random.js";
import { between, chance, pick, sample } from "../world/choice.js";
import { categories, categoryPhrase, descriptions, entities, facts } from "../world/facts.js";
import { fill, joinWords } from "../world/grammar.js";
import { alphabetical, someWords, threeWords } from "../world/lists.js";
import { noteFields, writeNote } from "../world/notes.js";
import { writeReview } from "../world/opinions.js";
import { people } from "../world/people.js";
import { makeDescription } from "../world/sentences.js";
import { numberWords, opposites, plurals, synonyms, verbs } from "../world/words.js";
import { tenses } from "./language.js";
import { addends, ascending, LARGEST_SUM, threeNumbers, unequalPair } from "./numbers.js";

type Lesson = readonly [template: string, slots: Readonly<Record<string, string>>];

function teachSums(random: Random): Lesson {
  const [a, b] = addends(random, LARGEST_SUM);
  const [x, y] = unequalPair(random);
  return [
    pick(random, [
      "{name} had to calculate the sum of {a} and {b}. The result was {sum}.",
      "{name} [learned to subtract|calculated the difference]: {sum} minus {b} is {a}.",
      "The numbers were {x} and {y}. {name} had to find the larger one and chose {larger}.",
    ]),
    { a: `${a}`, b: `${b}`, sum: `${a + b}`, x: `${x}`, y: `${y}`, larger: `${Math.max(x, y)}` },
  ];
}

function teachSorting(random: Random): Lesson {
  const numbers = threeNumbers(random);
  const words = threeWords(random);
  const list = someWords(random, 2);
  return [
    pick(random, [
      "{name} had to sort {numbers} from the smallest to the largest. That gave {sortedNumbers}.",
      "These words were to be sorted by the alphabet: {words}. {name} did it at once. The order is {sortedWords}.",
      "{name} had to count how many words are in this list: {list}. There were {count}.",
    ]),
    {
      numbers: numbers.join(", "),
      sortedNumbers: ascending(numbers).join(", "),
      words: words.join(", "),
      sortedWords: alphabetical(words).join(", "),
      list: list.join(", "),
      count: chance(random, 0.5) ? `${list.length}` : numberWords[list.length]!,
    },
  ];
}

function teachCategories(random: Random): Lesson {
  const { name, subject, category } = pick(random, entities);
  const others = sample(
    random,
    categories.filter((other) => other !== category),
    between(random, 1, 3),
  );
  return [
    pick(random, [
      "The groups were {options}. To which category does the word {word} belong? {name} was sure that it belongs to the category {category}.",
      "{name} had to decide what kind of thing {subject} is: {options}. It is {phrase}, so the category is {category}.",
      "These are the categories: {options}. The word {word} is in the category {category}.",
    ]),
    {
      word: name,
      subject,
      category,
      phrase: categoryPhrase(category),
      options: joinWords(random.shuffle([category, ...others]), "or"),
    },
  ];
}

function teachReading(random: Random): Lesson {
  const review = writeReview(random);
  const note = writeNote(random);
  const field = pick(random, noteFields);
  return [
    pick(random, [
      '{name} had to classify this comment as positive or negative: "{review}" {^he} decided that it was {kind}.',
      'The class had to say whether the writer was pleased or not. "{review}" The answer was {kind}.',
      '{name} had to extract the {field} from this text: "{note}" {^he} wrote only this: {value}.',
      '"{note}" {name} had to find the {field} and wrote it down. {value}.',
    ]),
    {
      review: review.text,
      kind: review.positive ? "positive" : "negative",
      note: note.text,
      field,
      value: note.fields[field],
    },
  ];
}

function teachWords(random: Random): Lesson {
  const [a, b] = pick(random, opposites);
  const [one, many] = pick(random, plurals);
  const [word, same] = pick(random, synonyms);
  const { base, past } = pick(random, verbs);
  return [
    pick(random, [
      "{name} had to name the opposite of {a}. The opposite of {a} is {b}.",
      "{name} had to give the opposite of the word {b}. The opposite of {b} is {a}.",
      "{name} had to form the plural of {one}. The plural of {one} is {many}.",
      "{name} had to find another word for {word}, with the same meaning. Another word for {word} is {same}.",
      "{name} had to give the past tense of the verb {base}. The past tense of {base} is {past}.",
    ]),
    { a, b, one, many, word, same, base, past },
  ];
}

function teachRewriting(random: Random): Lesson {
  const [now, then] = tenses(pick(random, people).name, pick(random, verbs));
  const { statement, denial, question } = makeDescription(random);
  return [
    pick(random, [
      '{name} had to rewrite the sentence "{now}" in the past tense. {^he} wrote: "{then}"',
      '{name} had to change the sentence "{now}" to the past tense. It became: "{then}"',
      '{name} had to make this sentence negative: "{statement}" The new sentence was: "{denial}"',
      '{name} had to turn this sentence into a question: "{statement}" The question was: "{question}"',
    ]),
    { now, then, statement, denial, question },
  ];
}

function teachFacts(random: Random): Lesson {
  const { subject, text } = pick(random, descriptions);
  const { about, statement } = pick(
    random,
    facts.filter(({ kind }) => kind === "definition"),
  );
  return [
    pick(random, [
      "{name} had to describe {subject} in two sentences. {text}",
      "{name} wrote two sentences about {subject}. {text}",
      "{name} had to define the word {about} in one sentence. {statement}",
      "{name} told the class what the word {about} means. {statement}",
    ]),
    { subject, text, about, statement },
  ];
}

const lessons = [
  teachSums,
  teachSorting,
  teachCategories,
  teachReading,
  teachWords,
  teachWords,
  teachRewriting,
  teachFacts,
] as const;

/** A few tasks and what came of them. */
export function tellLessons(random: Random): string {
  return Array.from({ length: between(random, 1, 3) }, (_, i) => {
    const person = pick(random, people);
    const [template, slots] = pick(random, lessons)(random);
    const lead =
      i === 0
        ? pick(random, ["", "", "At school ", "In the morning ", "This was the task: "])
        : pick(random, ["", "", "Then ", "After that "]);
    const joins = template.startsWith("{name}");
    return fill((joins ? lead : "") + template, { ...slots, name: person.name, he: person.he }, random);
  }).join(" ");
}
