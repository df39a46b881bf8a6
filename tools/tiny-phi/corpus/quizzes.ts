// A random stream -> a page on which people ask and answer: a talk, a lesson, a quiz on paper.
import type { Random } from "../../../src/random.js";
import { chance, pick } from "../world/choice.js";
import { capitalize } from "../world/grammar.js";
import { people } from "../world/people.js";
import { type Asked, askSomething } from "./questions.js";

/**
 * How a page is written. Slots: {question}, {text}, {answer} as it is, {closed} with a full stop, {spoken} with a
 * capital letter too; {name} asks, {friend} answers, {said} is asked or said.
 */
interface Page {
  /** A question with its answer. */
  readonly alone: string;
  /** A question, the text it is about, and the answer. */
  readonly about: string;
  /** A text whose questions follow. */
  readonly text: string;
  /** What stands between the questions. */
  readonly between: string;
}

const pages: readonly Page[] = [
  {
    alone: "{question}\n{answer}",
    about: "{question}\n{text}\n{answer}",
    text: "{text}",
    between: "\n",
  },
  {
    alone: "{question}\n{answer}",
    about: "{question}\n\n{text}\n\n{answer}",
    text: "{text}",
    between: "\n\n",
  },
  {
    alone: "Question: {question}\nAnswer: {answer}",
    about: "Question: {question}\nText: {text}\nAnswer: {answer}",
    text: "Text: {text}",
    between: "\n",
  },
  {
    alone: "Question:\n{question}\nAnswer:\n{answer}",
    about: "Question:\n{question}\nText:\n{text}\nAnswer:\n{answer}",
    text: "Text:\n{text}",
    between: "\n\n",
  },
  {
    alone: '"{question}" {said} {name}. {friend} answered: "{spoken}"',
    about: '"{question}" {said} {name}, and read: "{text}" {friend} answered: "{spoken}"',
    text: '{name} read aloud: "{text}"',
    between: "\n",
  },
  {
    alone: "{name}: {question}\n{friend}: {answer}",
    about: "{name}: {question}\n{text}\n{friend}: {answer}",
    text: "{name}: {text}",
    between: "\n",
  },
  {
    alone: '{name} had a question: "{question}" The answer was: {closed}',
    about: '{name} had a question: "{question}" It was about this: "{text}" The answer was: {closed}',
    text: 'This was on the board: "{text}"',
    between: "\n",
  },
  {
    alone: "The task of {name} was: {question} The answer of {name}:\n{answer}",
    about: "The task of {name} was: {question}\nThis was given:\n{text}\nThe answer of {name}:\n{answer}",
    text: "{name} was given this:\n{text}",
    between: "\n",
  },
];

/** Questions with their answers until the page has `length` characters. */
export function writeQuiz(random: Random, length = 300): string {
  const page = pick(random, pages);
  const [name, friend] = [pick(random, people).name, pick(random, people).name];
  const parts: string[] = [];
  while (parts.join("").length < length)
    parts.push(...writePart(random, page, askSomething(random), { name, friend }));
  return parts.join(page.between);
}

function writePart(
  random: Random,
  page: Page,
  { text = "", pairs }: Asked,
  names: { readonly name: string; readonly friend: string },
): string[] {
  const written = (template: string, [question, answer]: readonly [string, string]): string => {
    const closed = /[.?!]$/.test(answer) ? answer : `${answer}.`;
    const said = question.endsWith("?") ? "asked" : "said";
    const slots: Record<string, string> = {
      said,
      ...names,
      question,
      answer,
      closed,
      spoken: capitalize(closed),
      text,
    };
    return template.replace(/\{(\w+)\}/g, (_, slot: string) => slots[slot]!);
  };
  if (text !== "" && pairs.length === 1 && chance(random, 0.85)) return [written(page.about, pairs[0]!)];
  return [
    ...(text === "" ? [] : [written(page.text, ["", ""])]),
    ...pairs.map((pair) => written(page.alone, pair)),
  ];
}
