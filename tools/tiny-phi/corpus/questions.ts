// A random stream -> something somebody asks, often about a text or a list, and what the right answer is.
import type { Random } from "../../../src/random.js";
import { chance, pick, pickWeighted, sample } from "../world/choice.js";
import {
  categories,
  categoryPhrase,
  descriptions,
  entities,
  type Fact,
  facts,
  makeClaim,
} from "../world/facts.js";
import { fill, joinWords } from "../world/grammar.js";
import { alphabetical, someWords, threeWords } from "../world/lists.js";
import { noteFields, writeNote } from "../world/notes.js";
import { writeReview } from "../world/opinions.js";
import { days, months, people } from "../world/people.js";
import { makeDescription } from "../world/sentences.js";
import { tellStory } from "../world/stories.js";
import { commands, opposites, plurals, synonyms, verbs } from "../world/words.js";
import { tenses } from "./language.js";
import { addends, ascending, LARGEST_SUM, threeNumbers, unequalPair } from "./numbers.js";

/** Questions with their answers, about one text or about nothing but themselves. */
export interface Asked {
  /** A text, a list or a word that the questions are about. */
  readonly text?: string;
  readonly pairs: readonly (readonly [question: string, answer: string])[];
}

/** A wording filled in, with a question mark or a full stop where it has none. */
function put(random: Random, wording: string, slots: Readonly<Record<string, string>> = {}): string {
  const text = fill(wording, slots, random);
  if (/[.?]$/.test(text)) return text;
  return text + (/^(?:What|Which|Where|Who|How|Is|Do|Does|Would|Can)\b/.test(text) ? "?" : ".");
}

/** A question in one of its wordings, with or without the text it is about. */
function ask(
  random: Random,
  slots: Readonly<Record<string, string>>,
  answer: string,
  wordings: {
    readonly alone: readonly string[];
    readonly about?: readonly [text: string, ...ways: string[]];
  },
): Asked {
  if (wordings.about !== undefined && chance(random, 0.5)) {
    const [text, ...ways] = wordings.about;
    return { text, pairs: [[put(random, pick(random, ways), slots), answer]] };
  }
  return { pairs: [[put(random, pick(random, wordings.alone), slots), answer]] };
}

function askClaim(random: Random): Asked {
  const { claim, question, truth } = makeClaim(random);
  return ask(random, { claim, question }, truth ? "Yes" : "No", {
    alone: [
      "{question}",
      "{question}",
      "{question} Yes or no?",
      "Yes or no: {question}",
      "[Is it true|Is it right|Do you think|Would you say] that {claim}?",
    ],
    about: [question, "[Answer|Say] yes or no.", "What is the answer, yes or no?"],
  });
}

function askCategory(random: Random): Asked {
  const { name, subject, category } = pick(random, entities);
  const others = sample(
    random,
    categories.filter((other) => other !== category),
    pick(random, [1, 1, 2, 3, 3]),
  );
  const options = joinWords(random.shuffle([category, ...others]), "or");
  return ask(random, { word: name, subject, options }, category, {
    alone: [
      "What kind of thing is {subject}: {options}?",
      "[Which|What] [group|category|kind] is right for the word {word}: {options}?",
      "Does the word {word} belong to the [group|category] {options}?",
      "The word {word} is the name of what: {options}?",
      "[Name|Choose] the [category|kind|group] of the word {word}.",
    ],
    about: [
      name,
      "[Name|Find|Choose] the [category|kind|group] of this word: {options}.",
      "[Which|What] [group|category|kind] is it: {options}?",
      "[Name|Write] the [category|kind|group] of this word.",
    ],
  });
}

function askOpinion(random: Random): Asked {
  const { text, positive } = writeReview(random);
  return {
    text,
    pairs: [
      [
        put(
          random,
          pick(random, [
            "Is the [opinion|review|comment|text|writer] positive or negative?",
            "[What is the feeling of the text|How does the writer feel], positive or negative?",
            "[Classify|Judge] [the text|this|the comment]: positive or negative.",
            "Positive or negative?",
          ]),
        ),
        positive ? "Positive" : "Negative",
      ],
    ],
  };
}

function askLarger(random: Random): Asked {
  const [a, b] = unequalPair(random);
  const separator = pick(random, [", ", " or ", " and "]);
  return ask(random, { a: `${a}`, b: `${b}` }, `${Math.max(a, b)}`, {
    alone: [
      "Which is [larger|the larger one|the larger number], {a} or {b}?",
      "[What|Which] is the larger number of {a} and {b}?",
      "[Name|Choose|Find] the larger one: {a} or {b}.",
    ],
    about: [
      `${a}${separator}${b}`,
      "[Name|Find|Choose|Write] the larger number.",
      "Which [number|one] is larger?",
    ],
  });
}

function askSum(random: Random): Asked {
  const [a, b] = addends(random, LARGEST_SUM);
  return ask(random, { a: `${a}`, b: `${b}` }, `${a + b}`, {
    alone: [
      "[What|How much] is {a} [plus|+] {b}?",
      "[What is|Find|Calculate] the sum of {a} and {b}",
      "Add {b} to {a}.",
      "Add {a} and {b}.",
    ],
    about: [
      `${a} ${pick(random, ["+", "+", "and"])} ${b}`,
      "[Find|Calculate|Write] the sum.",
      "Add the numbers.",
    ],
  });
}

function askDifference(random: Random): Asked {
  const [rest, b] = addends(random, LARGEST_SUM);
  const a = rest + b;
  return ask(random, { a: `${a}`, b: `${b}` }, `${rest}`, {
    alone: [
      "[What|How much] is {a} [minus|-] {b}?",
      "[What is|Find|Calculate] the difference between {a} and {b}",
      "[Subtract|Take] {b} from {a}.",
    ],
    about: [`${a} - ${b}`, "[Find|Calculate|Write] the difference.", "What is left?"],
  });
}

function askNumberOrder(random: Random): Asked {
  const numbers = threeNumbers(random);
  const list = numbers.join(", ");
  return ask(random, { list }, ascending(numbers).join(", "), {
    alone: [
      "[Sort|Order] [|these |the ]numbers [from small to large: |]{list}.",
      "Put {list} in order[, from small to large|, the smallest first|].",
    ],
    about: [
      list,
      "[Sort|Order] the numbers[ from the smallest to the largest| from small to large|].",
      "Put the numbers in order.",
      "Write the numbers from small to large.",
    ],
  });
}

function askWordOrder(random: Random): Asked {
  const words = threeWords(random);
  const list = words.join(", ");
  return ask(random, { list }, `The order is ${alphabetical(words).join(", ")}.`, {
    alone: ["[Sort|Order] these words by the alphabet: {list}.", "Put {list} in the order of the alphabet."],
    about: [
      list,
      "[Sort|Order] the words[ by the alphabet| as in a dictionary|].",
      "Put the words in [alphabetical order|the order of the alphabet].",
    ],
  });
}

/** A list, and what can be asked about its words. */
function askList(random: Random): Asked {
  const words = someWords(random, 2, 6);
  const places = [
    ["first", words[0]!],
    ["second", words[1]!],
    ["last", words.at(-1)!],
  ] as const;
  const pairs = sample(random, [0, 1, 2, 3], pick(random, [1, 2, 3])).map((which): [string, string] => {
    const place = places[which];
    if (place === undefined)
      return [
        pick(random, [
          "How many words are these?",
          "Count the words.",
          "What is the number of words in the list?",
        ]),
        `${words.length}`,
      ];
    const [name, word] = place;
    return [
      pick(random, [
        `What is the ${name} word?`,
        `Find the ${name} word in the list.`,
        `Name the ${name} word.`,
        `Which word is ${name}?`,
      ]),
      `The ${name} word is ${word}.`,
    ];
  });
  return { text: words.join(", "), pairs };
}

function askNeighbour(random: Random): Asked {
  const kind = pick(random, ["number", "number", "day", "month"]);
  const n = 1 + Math.floor(random.nextFloat() * 98);
  const cycle = kind === "day" ? days : months;
  const after = chance(random, 0.5);
  const step = after ? 1 : -1;
  const i = n % cycle.length;
  const [now, answer] =
    kind === "number"
      ? [`${n}`, `${n + step}`]
      : [cycle[i]!, cycle[(i + step + cycle.length) % cycle.length]!];
  const slots = { kind, side: after ? "after" : "before", now };
  return ask(random, slots, answer, {
    alone: [
      "[What|Which {kind}] comes {side} {now}?",
      "What is the {kind} {side} {now}?",
      "[Name|Write] the {kind} {side} {now}.",
    ],
    about: [now, "[Name|Write] the {kind} that comes {side}.", "Which {kind} comes {side} it?"],
  });
}

/** A note, and some of what stands in it. */
function askNote(random: Random): Asked {
  const { text, fields } = writeNote(random);
  const pairs = sample(random, noteFields, pick(random, [1, 2, 4])).map((field): [string, string] => [
    put(
      random,
      pick(random, [
        `What is the ${field} in the [note|text]?`,
        `[Which|What] ${field} is [named|meant|in the text]?`,
        `[Find|Give|Extract|Write down] the ${field}[ in the text| in the note|].`,
        { name: "Who is it?", place: "Where is it?", day: "When is it?", object: "What thing is it?" }[field],
      ]),
    ),
    fields[field],
  ]);
  return { text, pairs };
}

function askOpposite(random: Random): Asked {
  const pair = pick(random, opposites);
  const [a, b] = chance(random, 0.5) ? pair : [pair[1], pair[0]];
  return ask(random, { a }, `The opposite of ${a} is ${b}.`, {
    alone: [
      "[What is|Name|Give|Find] the opposite of {a}",
      "[Which|What] word is the opposite of {a}?",
      "[What is|Name|Give] the opposite of the word {a}",
    ],
    about: [a, "[Name|Give|Find|Write] the opposite[ of this word|].", "What is the opposite?"],
  });
}

function askSynonym(random: Random): Asked {
  const pair = pick(random, synonyms);
  const [a, b] = chance(random, 0.5) ? pair : [pair[1], pair[0]];
  return ask(random, { a }, `Another word for ${a} is ${b}.`, {
    alone: [
      "[What is|Name|Find|Give] another word for {a}",
      "[Which|What] word means the same as {a}?",
      "[What is|Name|Find] a word with the meaning of {a}",
    ],
    about: [a, "[Name|Find|Give|Write] another word[ for it|].", "Which word means the same?"],
  });
}

function askPlural(random: Random): Asked {
  const [one, many] = pick(random, plurals);
  return ask(random, { one }, `The plural of ${one} is ${many}.`, {
    alone: [
      "[What is|Name|Give|Form] the plural of [the word |]{one}",
      "What are two or more of {one} called?",
    ],
    about: [one, "[Name|Give|Form|Write] the plural[ of this word|].", "What is the plural?"],
  });
}

function askPastTense(random: Random): Asked {
  const { base, past } = pick(random, verbs);
  return ask(random, { base }, `The past tense of ${base} is ${past}.`, {
    alone: [
      "[What is|Name|Give|Form] the past tense of [the verb |]{base}",
      "[How|What] is the verb {base} in the past?",
    ],
    about: [base, "[Name|Give|Form|Write] the past tense[ of this verb|].", "What is the past tense?"],
  });
}

function askRewriting(random: Random): Asked {
  const [now, then] = tenses(pick(random, people).name, pick(random, verbs));
  const command = pick(random, commands);
  const { statement, denial, question } = makeDescription(random);
  const [before, after, ways] = pick(random, [
    [
      now,
      then,
      [
        "[Put|Change|Rewrite] the sentence [into|in] the past tense.",
        "What is the sentence in the past tense?",
        "Say it as if it was yesterday.",
      ],
    ],
    [
      `${command.charAt(0).toUpperCase()}${command.slice(1)}.`,
      `Please ${command}.`,
      ["[Say|Write|Rewrite] [it|this|the order] [politely|with please].", "Make it [more |]polite."],
    ],
    [
      statement,
      denial,
      [
        "[Put|Write|Rewrite] the sentence [into the negative form|with not].",
        "Make [it|the sentence] negative.",
      ],
    ],
    [
      statement,
      question,
      [
        "[Make|Form] a question [of|from] [it|the sentence].",
        "[Write|Rewrite] it as a question.",
        "Turn [it|the sentence] into a question.",
      ],
    ],
  ] as const);
  return { text: before, pairs: [[put(random, pick(random, ways)), after]] };
}

/** A story, and what somebody wants to know about it. */
function askStory(random: Random): Asked {
  const { sentences, facts: told } = tellStory(random, chance(random, 0.8));
  return {
    text: sentences.join(" "),
    pairs: sample(random, told, pick(random, [1, 2, 3])).map(({ question, statement }) => [
      question,
      statement,
    ]),
  };
}

const factWordings: Readonly<Record<Fact["kind"], readonly string[]>> = {
  definition: [
    "What is {subject}?",
    "[Explain|Tell me|Say] what {subject} is.",
    "[Define|Explain] the word {about}.",
    "What is meant by the word {about}?",
  ],
  home: ["Where does {subject} live?", "Where is the home of {subject}?"],
  food: ["What does {subject} eat?", "What is the food of {subject}?"],
  use: ["What is {subject} used for?", "[Tell me|Say] what {subject} is used for."],
  material: ["What is {subject} made of?", "Which material is {subject} made of?"],
  found: ["Where is {subject} kept?", "Where do I find {subject}?"],
  work: ["What does {subject} do?", "What is the work of {subject}?"],
  workplace: ["Where does {subject} work?", "[Tell me|Say] where {subject} works."],
  colour: ["What colour is {subject}?", "What is the colour of {subject}?"],
  taste: ["How does {subject} taste?", "[Tell me|Say] how {subject} tastes."],
  origin: ["Where does {subject} come from?", "Where do we find {subject}?"],
};

function askFact(random: Random): Asked {
  const definition = chance(random, 0.4);
  const { about, subject, kind, statement } = pick(
    random,
    facts.filter((fact) => (fact.kind === "definition") === definition),
  );
  return ask(random, { subject, about }, statement, {
    alone: factWordings[kind],
    ...(definition
      ? { about: [about, "[Explain|Define] [it|this|the word].", "What is this?", "What does it mean?"] }
      : {}),
  });
}

function askDescription(random: Random): Asked {
  const { about, subject, text } = pick(random, descriptions);
  return ask(random, { subject, about }, text, {
    alone: [
      "[Describe|Write something about|Write a few words about] {subject}.",
      "[What do you know|What can you tell me] about {subject}?",
    ],
    about: [about, "[Describe it|Write something about it|Describe this thing]."],
  });
}

/** Which name of a thing it is, by what it is. */
function askWhich(random: Random): Asked {
  const one = pick(random, entities);
  const others = sample(
    random,
    entities.filter(({ category }) => category !== one.category),
    2,
  );
  const names = random.shuffle([one, ...others]).map(({ name }) => name);
  return {
    text: names.join(", "),
    pairs: [[`Which one is ${categoryPhrase(one.category)}?`, one.name]],
  };
}

const askers: readonly (readonly [weight: number, ask: (random: Random) => Asked])[] = [
  [12, askClaim],
  [11, askCategory],
  [3, askWhich],
  [6, askOpinion],
  [5, askLarger],
  [7, askSum],
  [7, askDifference],
  [9, askNumberOrder],
  [9, askWordOrder],
  [8, askList],
  [4, askNeighbour],
  [7, askNote],
  [7, askOpposite],
  [4, askSynonym],
  [5, askPlural],
  [6, askPastTense],
  [6, askRewriting],
  [7, askStory],
  [9, askFact],
  [3, askDescription],
];

export function askSomething(random: Random): Asked {
  return pickWeighted(random, askers)(random);
}
