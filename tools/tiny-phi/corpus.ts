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
import { tellLessons } from "./corpus/lessons.js";
import { compareNumbers, countOn, doSums, sortNumbers, spellNumbers, writeSums } from "./corpus/numbers.js";
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
  [10, tellLessons],
  [1, writeLists],
];

/** `count` documents of one to three short paragraphs; the first ones of a longer corpus are those of a shorter one. */
export function* writeCorpus(seed: number | string, count: number): Generator<string> {
  for (let i = 0; i < count; i++) yield writeDocument(createRandom(seed, "document", i));
}

function writeDocument(random: Random): string {
  const [write, other] = [pickWeighted(random, writers), pickWeighted(random, writers)];
  const first = write(random);
  // Short ones get a companion, so that a document does not end after one line.
  return first.length < 180 ? `${first}\n\n${other(random)}` : first;
}
