// A seed -> plain-text documents from which the base model learns language, facts and skills: never in the form of instructions.
import { createRandom, type Random } from "../../src/random.js";
import {
  describeThing,
  listCategories,
  listFacts,
  sortIntoCategories,
  tellFacts,
  weighClaims,
} from "./corpus/facts.js";
import {
  listOpposites,
  nameOpposites,
  namePlurals,
  nameSynonyms,
  nameTenses,
  rewriteSentences,
  shoutWords,
} from "./corpus/language.js";
import { compareNumbers, countOn, doSums, sortNumbers, spellNumbers, writeSums } from "./corpus/numbers.js";
import { writeQuiz } from "./corpus/quizzes.js";
import { writeDay, writeStory } from "./corpus/stories.js";
import {
  countWords,
  findInLists,
  judgeReviews,
  readNotes,
  sortWords,
  tellCalendar,
  tellErrands,
  writeLists,
} from "./corpus/texts.js";
import { pickWeighted } from "./world/choice.js";

type Writer = (random: Random) => string;

/** How often each kind of paragraph comes; the sum need not be 1. */
const writers: readonly (readonly [weight: number, write: Writer])[] = [
  [26, writeStory],
  [6, writeDay],
  [8, describeThing],
  [8, listFacts],
  [6, tellFacts],
  [7, sortIntoCategories],
  [1, listCategories],
  [12, weighClaims],
  [9, doSums],
  [4, writeSums],
  [8, compareNumbers],
  [6, sortNumbers],
  [2, countOn],
  [1, spellNumbers],
  [6, nameOpposites],
  [1, listOpposites],
  [2, nameSynonyms],
  [4, namePlurals],
  [5, nameTenses],
  [8, rewriteSentences],
  [1, shoutWords],
  [6, judgeReviews],
  [8, readNotes],
  [6, sortWords],
  [5, countWords],
  [4, findInLists],
  [2, tellCalendar],
  [2, tellErrands],
  [90, writeQuiz],
  [1, writeLists],
];

const prose = writers.filter(([, write]) => write !== writeQuiz);

/** Characters that a document has at least, so that rows of a batch are about as long. */
const ENOUGH = 420;

/** `count` documents of one to five paragraphs; the first ones of a longer corpus are those of a shorter one. */
export function* writeCorpus(seed: number | string, count: number): Generator<string> {
  for (let i = 0; i < count; i++) yield writeDocument(createRandom(seed, "document", i));
}

function writeDocument(random: Random): string {
  const paragraphs: string[] = [];
  // No document ends with a question and its answer: the base model does not learn to answer and be silent.
  for (let isOver = false; !isOver; ) {
    const isLong = paragraphs.join("").length >= ENOUGH;
    const write = pickWeighted(random, isLong ? prose : writers);
    paragraphs.push(write(random));
    isOver = paragraphs.join("").length >= ENOUGH && write !== writeQuiz;
  }
  return paragraphs.join("\n\n");
}
