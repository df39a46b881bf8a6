// A random stream -> questions that are answered with words or a sentence: of words, texts, stories and facts.
import type { Random } from "../../../src/random.js";
import { tenses } from "../corpus/language.js";
import { chance, pick } from "../world/choice.js";
import { descriptions, facts } from "../world/facts.js";
import { alphabetical, someWords, threeWords } from "../world/lists.js";
import { noteFields, writeNote } from "../world/notes.js";
import { people } from "../world/people.js";
import { makeDescription } from "../world/sentences.js";
import { tellStory } from "../world/stories.js";
import { commands, opposites, plurals, synonyms, verbs } from "../world/words.js";
import type { Family, Question, Wording } from "./task.js";

function askExtraction(random: Random): Question {
  const { text, fields } = writeNote(random);
  const field = pick(random, noteFields);
  const wordings: Readonly<Record<typeof field, readonly string[]>> = {
    name: [
      "Which person is named in the text?",
      "Who is named in the note?",
      "Find the name of the person in the text.",
    ],
    place: [
      "Which place is named in the text?",
      "Where is it? Give the place in the note.",
      "Find the place in the text.",
    ],
    day: [
      "Which day is named in the text?",
      "When is it? Give the day in the note.",
      "Find the day in the text.",
    ],
    object: [
      "Which object is named in the text?",
      "What thing is it about? Give the object in the note.",
      "Find the object in the text.",
    ],
  };
  const shared = [
    "Extract the {field} from the text.",
    "What is the {field} in this note?",
    "Write down the {field} in the text.",
    "Give the {field} only.",
  ];
  return {
    about: text,
    slots: { text, field },
    wordings: [...shared, ...wordings[field]].map((instruction) => [instruction, "{text}"] as const),
    output: fields[field],
  };
}

function askWordOrder(random: Random): Question {
  const words = threeWords(random);
  const sorted = alphabetical(words);
  return {
    about: sorted.join(" "),
    slots: { list: words.join(", ") },
    wordings: [
      ["Sort the words by the alphabet.", "{list}"],
      ["Put the words in alphabetical order.", "{list}"],
      "Put these words in the order of the alphabet: {list}.",
      ["Write the words in alphabetical order.", "{list}"],
      "Sort these words by the alphabet: {list}.",
      ["Order the words as in a dictionary.", "{list}"],
    ],
    output: `The order is ${sorted.join(", ")}.`,
  };
}

function askListItem(random: Random): Question {
  const words = someWords(random, 3, 5);
  const [which, word] = pick(random, [
    ["first", words[0]!],
    ["second", words[1]!],
    ["last", words.at(-1)!],
  ] as const);
  return {
    about: words.join(" "),
    slots: { list: words.join(", "), which },
    wordings: [
      ["What is the {which} word in the list?", "{list}"],
      ["Find the {which} word.", "{list}"],
      "What is the {which} word in this list: {list}?",
      ["Write the {which} word of the list.", "{list}"],
      ["Which word is the {which} one?", "{list}"],
      "Give the {which} word of the list {list}.",
    ],
    output: `The ${which} word is ${word}.`,
  };
}

function askOpposite(random: Random): Question {
  const pair = pick(random, opposites);
  const [a, b] = chance(random, 0.5) ? pair : [pair[1], pair[0]];
  return {
    about: pair.join(" "),
    slots: { a },
    wordings: [
      "What is the opposite of {a}?",
      "Give the opposite of {a}.",
      ["Give the opposite of the word.", "{a}"],
      "Which word means the opposite of {a}?",
      ["What is the opposite?", "{a}"],
      "Name the opposite of the word {a}.",
      "Find a word that is the opposite of {a}.",
    ],
    output: `The opposite of ${a} is ${b}.`,
  };
}

function askSynonym(random: Random): Question {
  const pair = pick(random, synonyms);
  const [a, b] = chance(random, 0.5) ? pair : [pair[1], pair[0]];
  return {
    about: pair.join(" "),
    slots: { a },
    wordings: [
      "What is another word for {a}?",
      "Give another word for {a}.",
      ["Give a word that means the same.", "{a}"],
      "Which word means the same as {a}?",
      ["Find another word for this one.", "{a}"],
      "Name a word with the same meaning as {a}.",
    ],
    output: `Another word for ${a} is ${b}.`,
  };
}

function askPlural(random: Random): Question {
  const [one, many] = pick(random, plurals);
  return {
    about: one,
    slots: { one },
    wordings: [
      "What is the plural of {one}?",
      "Give the plural of {one}.",
      ["Give the plural of the word.", "{one}"],
      "Form the plural of the word {one}.",
      ["Write the plural.", "{one}"],
      "What do you call more than one {one}?",
    ],
    output: `The plural of ${one} is ${many}.`,
  };
}

function askPastTense(random: Random): Question {
  const { base, past } = pick(random, verbs);
  return {
    about: base,
    slots: { base },
    wordings: [
      "What is the past tense of {base}?",
      "Give the past tense of {base}.",
      ["Give the past tense of the verb.", "{base}"],
      "Form the past tense of the verb {base}.",
      ["Write the past tense.", "{base}"],
      "How does the verb {base} change in the past?",
    ],
    output: `The past tense of ${base} is ${past}.`,
  };
}

function askRewriting(random: Random): Question {
  return pick(random, [askTenseChange, askPoliteForm, askNegativeForm, askQuestionForm])(random);
}

function askTenseChange(random: Random): Question {
  const verb = pick(random, verbs);
  const [now, then] = tenses(pick(random, people).name, verb);
  return rewriting(verb.base, now, then, [
    "Rewrite the sentence in the past tense.",
    "Put the sentence into the past tense.",
    "Change the sentence to the past tense.",
  ]);
}

function askPoliteForm(random: Random): Question {
  const command = pick(random, commands);
  const order = `${command.charAt(0).toUpperCase()}${command.slice(1)}.`;
  return rewriting(command, order, `Please ${command}.`, [
    "Make the sentence more polite.",
    "Rewrite the order in a polite way.",
    "Say this with please.",
  ]);
}

function askNegativeForm(random: Random): Question {
  const { statement, denial } = makeDescription(random);
  return rewriting(statement, statement, denial, [
    "Make the sentence negative.",
    "Rewrite the sentence with the word not.",
    "Put the sentence into the negative form.",
  ]);
}

function askQuestionForm(random: Random): Question {
  const { statement, question } = makeDescription(random);
  return rewriting(statement, statement, question, [
    "Turn the sentence into a question.",
    "Rewrite the sentence as a question.",
    "Make a question from the sentence.",
  ]);
}

function rewriting(about: string, before: string, after: string, instructions: readonly string[]): Question {
  return {
    about,
    slots: { before },
    wordings: instructions.map((instruction): Wording => [instruction, "{before}"]),
    output: after,
  };
}

function askAboutStory(random: Random): Question {
  const { sentences, facts: told } = tellStory(random, true);
  const { question, statement } = pick(random, told);
  const text = sentences.join(" ");
  return {
    about: text,
    slots: { text, question },
    wordings: [
      ["{question}", "{text}"],
      ["Read the story and answer the question. {question}", "{text}"],
      ["Answer from the text: {question}", "{text}"],
      ["Here is a story. {question}", "{text}"],
      ["Answer the question about the story: {question}", "{text}"],
      ["Use the story to answer. {question}", "{text}"],
    ],
    output: statement,
  };
}

const definitions = facts.filter(({ kind }) => kind === "definition");
const others = facts.filter(({ kind }) => kind !== "definition");

function askDefinition(random: Random): Question {
  const { about, subject, statement } = pick(random, definitions);
  return {
    about,
    slots: { subject, word: about },
    wordings: [
      "What is {subject}?",
      "Explain what {subject} is.",
      "Define the word {word}.",
      ["Explain the word in one sentence.", "{word}"],
      "Tell me what {subject} is.",
      "Say in one sentence what {subject} is.",
      ["What does this word mean?", "{word}"],
    ],
    output: statement,
  };
}

const factWordings: Readonly<Record<(typeof facts)[number]["kind"], readonly string[]>> = {
  definition: [],
  home: ["Where does {subject} live?", "Say where {subject} lives.", "What is the home of {subject}?"],
  food: ["What does {subject} eat?", "Say what {subject} eats.", "What is the food of {subject}?"],
  use: [
    "What is {subject} used for?",
    "Say what {subject} is used for.",
    "What do people use {subject} for?",
  ],
  material: [
    "What is {subject} made of?",
    "Say what {subject} is made of.",
    "Which material is {subject} made of?",
  ],
  found: ["Where is {subject} kept?", "Say where {subject} is kept.", "Where do you find {subject}?"],
  work: ["What does {subject} do?", "Say what {subject} does.", "What is the work of {subject}?"],
  workplace: [
    "Where does {subject} work?",
    "Say where {subject} works.",
    "What is the place of work of {subject}?",
  ],
  colour: ["What colour is {subject}?", "Say what colour {subject} is.", "Which colour does {subject} have?"],
  taste: ["How does {subject} taste?", "Say how {subject} tastes.", "What is the taste of {subject}?"],
  origin: [
    "Where does {subject} come from?",
    "Say where {subject} comes from.",
    "Where do we get {subject}?",
  ],
};

function askFact(random: Random): Question {
  const { about, subject, kind, statement } = pick(random, others);
  return {
    about: `${about} ${kind}`,
    slots: { subject },
    wordings: factWordings[kind],
    output: statement,
  };
}

function askDescription(random: Random): Question {
  const { about, subject, text } = pick(random, descriptions);
  return {
    about,
    slots: { subject, word: about },
    wordings: [
      "Describe {subject} in two sentences.",
      "Write two sentences about {subject}.",
      "Tell me something about {subject}.",
      ["Write a short text about this.", "{word}"],
      "What do you know about {subject}?",
      ["Describe this in two sentences.", "{word}"],
    ],
    output: text,
  };
}

export const openFamilies: readonly Family[] = [
  { task: "extraction", weight: 9, ask: askExtraction },
  { task: "sort_words", weight: 4, ask: askWordOrder },
  { task: "list_item", weight: 3, ask: askListItem },
  { task: "opposite", weight: 6, ask: askOpposite },
  { task: "synonym", weight: 3, ask: askSynonym },
  { task: "plural", weight: 4, ask: askPlural },
  { task: "past_tense", weight: 4, ask: askPastTense },
  { task: "rewriting", weight: 6, ask: askRewriting },
  { task: "story_question", weight: 7, ask: askAboutStory },
  { task: "definition", weight: 5, ask: askDefinition },
  { task: "fact", weight: 7, ask: askFact },
  { task: "description", weight: 4, ask: askDescription },
];
