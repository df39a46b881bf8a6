// A random stream -> questions with one of a few answers: yes or no, a category, a feeling, a number.
import type { Random } from "../../../src/random.js";
import { addends, ascending, LARGEST_SUM, threeNumbers, unequalPair } from "../corpus/numbers.js";
import { pick, sample, shareOf } from "../world/choice.js";
import { categories, entitiesByCategory, makeClaim } from "../world/facts.js";
import { joinWords } from "../world/grammar.js";
import { someWords } from "../world/lists.js";
import { writeReview } from "../world/opinions.js";
import { days, months } from "../world/people.js";
import type { Family, Question } from "./task.js";

function askClaim(random: Random): Question {
  const { claim, question, truth } = makeClaim(random);
  const answer = truth ? "Yes" : "No";
  return {
    about: claim,
    slots: { claim, question },
    wordings: [
      "{question}",
      "Answer yes or no: {question}",
      "{question} Answer with yes or no.",
      ["Answer the question with yes or no.", "{question}"],
      "Is it true that {claim}?",
      "Is this right: {claim}? Say yes or no.",
      "Tell me if {claim}.",
    ],
    output: answer,
    label: answer,
  };
}

/** Of each category some members are in each split. */
const placeOf: ReadonlyMap<string, number> = new Map(
  [...entitiesByCategory.values()].flatMap((members) =>
    [...members]
      .sort((a, b) => shareOf(a.name) - shareOf(b.name))
      .map(({ name }, rank): [string, number] => [name, (rank + 0.5) / members.length]),
  ),
);

function askCategory(random: Random): Question {
  const category = pick(random, categories);
  const { name } = pick(random, entitiesByCategory.get(category)!);
  const others = sample(
    random,
    categories.filter((other) => other !== category),
    3,
  );
  const options = joinWords(random.shuffle([category, ...others]), "or");
  return {
    about: name,
    place: placeOf.get(name)!,
    slots: { word: name, options, two: joinWords(random.shuffle([category, others[0]!]), "or") },
    wordings: [
      ["Which category does the word belong to: {options}?", "{word}"],
      "Which category does the word {word} belong to: {options}?",
      "Choose the right kind for the word {word}: {options}.",
      ["Put the word into one of these groups: {options}.", "{word}"],
      "What kind of thing is named by the word {word}: {options}?",
      "Is the word {word} the name of: {two}?",
      ["Name the category of the word.", "{word}"],
    ],
    output: category,
    label: category,
  };
}

function askSentiment(random: Random): Question {
  const { text, positive } = writeReview(random);
  const answer = positive ? "Positive" : "Negative";
  return {
    about: text,
    slots: { text },
    wordings: [
      ["Is this review positive or negative?", "{text}"],
      ["Say whether the text is positive or negative.", "{text}"],
      ["Classify the feeling of the text as positive or negative.", "{text}"],
      ["What is the opinion of the writer, positive or negative?", "{text}"],
      ["Decide if the comment is positive or negative.", "{text}"],
      ["Judge the review. Answer positive or negative.", "{text}"],
    ],
    output: answer,
    label: answer,
  };
}

function askLarger(random: Random): Question {
  const [a, b] = unequalPair(random);
  return {
    about: [a, b].sort((x, y) => x - y).join(" "),
    slots: { a: `${a}`, b: `${b}` },
    wordings: [
      ["Which number is larger?", "{a} or {b}"],
      "Which is larger, {a} or {b}?",
      "Choose the larger number: {a} or {b}.",
      ["Write the larger of the two numbers.", "{a}, {b}"],
      "Which of the two numbers {a} and {b} is larger?",
      ["Find the larger number.", "{a} and {b}"],
    ],
    output: `${Math.max(a, b)}`,
  };
}

function askSum(random: Random): Question {
  const [a, b] = addends(random, LARGEST_SUM);
  return {
    about: [a, b].sort((x, y) => x - y).join(" "),
    slots: { a: `${a}`, b: `${b}` },
    wordings: [
      "What is {a} plus {b}?",
      "Add {a} and {b}.",
      ["Add the two numbers.", "{a} and {b}"],
      ["Calculate the sum.", "{a} + {b}"],
      "How much is {a} + {b}?",
      "What is the sum of {a} and {b}?",
    ],
    output: `${a + b}`,
  };
}

function askDifference(random: Random): Question {
  const [rest, b] = addends(random, LARGEST_SUM);
  const a = rest + b;
  return {
    about: `${a} ${b}`,
    slots: { a: `${a}`, b: `${b}` },
    wordings: [
      "What is {a} minus {b}?",
      "Subtract {b} from {a}.",
      "Take {b} from {a}. What do you get?",
      ["Calculate the difference.", "{a} - {b}"],
      "How much is {a} - {b}?",
      "What is the difference between {a} and {b}?",
    ],
    output: `${rest}`,
  };
}

function askNumberOrder(random: Random): Question {
  const numbers = threeNumbers(random);
  return {
    about: ascending(numbers).join(" "),
    slots: { list: numbers.join(", ") },
    wordings: [
      ["Sort the numbers from the smallest to the largest.", "{list}"],
      ["Put the numbers in order.", "{list}"],
      "Sort these numbers: {list}.",
      ["Write the numbers from small to large.", "{list}"],
      "Put {list} in order from small to large.",
      ["Order these numbers. Start with the smallest.", "{list}"],
    ],
    output: ascending(numbers).join(", "),
  };
}

function askCount(random: Random): Question {
  const words = someWords(random, 2);
  return {
    about: words.join(" "),
    slots: { list: words.join(", ") },
    wordings: [
      ["How many words are in the list?", "{list}"],
      ["Count the words.", "{list}"],
      "How many words are these: {list}?",
      ["Write the number of words in this list.", "{list}"],
      "Count the words in this list: {list}.",
      ["How many things are named here?", "{list}"],
    ],
    output: `${words.length}`,
  };
}

/** A whole number, a day or a month that follows or goes before another. */
function askNeighbour(random: Random): Question {
  const kind = pick(random, ["number", "number", "number", "day", "month"]);
  const n = 1 + Math.floor(random.nextFloat() * 98);
  const cycle = kind === "day" ? days : kind === "month" ? months : [];
  const after = random.nextFloat() < 0.5;
  const step = after ? 1 : -1;
  const i = n % (cycle.length || 1);
  const [now, answer] =
    kind === "number"
      ? [`${n}`, `${n + step}`]
      : [cycle[i]!, cycle[(i + step + cycle.length) % cycle.length]!];
  const side = after ? "after" : "before";
  return {
    about: `${now} ${side}`,
    slots: { now, kind, side },
    wordings: [
      "Which {kind} comes {side} {now}?",
      "What is the {kind} {side} {now}?",
      "Name the {kind} that comes {side} {now}.",
      [`Which {kind} comes {side} this one?`, "{now}"],
      [`Write the {kind} that comes {side}.`, "{now}"],
      "What comes {side} {now}?",
    ],
    output: answer,
  };
}

export const closedFamilies: readonly Family[] = [
  { task: "yes_no", weight: 9, labels: 2, ask: askClaim },
  { task: "category", weight: 11, labels: categories.length, ask: askCategory },
  { task: "sentiment", weight: 8, labels: 2, ask: askSentiment },
  { task: "larger_number", weight: 5, ask: askLarger },
  { task: "addition", weight: 6, ask: askSum },
  { task: "subtraction", weight: 5, ask: askDifference },
  { task: "sort_numbers", weight: 5, ask: askNumberOrder },
  { task: "counting", weight: 4, ask: askCount },
  { task: "neighbour", weight: 3, ask: askNeighbour },
];
