// Seeds -> corpus documents: the same ones each time, correct English as far as rules reach, and no instructions.
import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { createRandom } from "../../src/random.js";
import { writeCorpus } from "../../tools/tiny-phi/corpus.js";
import { shareOf } from "../../tools/tiny-phi/world/choice.js";
import { categories, entitiesByCategory, makeClaim } from "../../tools/tiny-phi/world/facts.js";
import {
  capitalizeSentences,
  fill,
  regularPlural,
  thirdPerson,
  withArticle,
} from "../../tools/tiny-phi/world/grammar.js";
import { tellStory } from "../../tools/tiny-phi/world/stories.js";
import { opposites, plurals, synonyms, verbs } from "../../tools/tiny-phi/world/words.js";

const documents = [...writeCorpus(1, 3000)];
const text = documents.join("\n\n");

test("a seed gives the same documents, whatever their number", () => {
  const sha256 = createHash("sha256")
    .update([...writeCorpus(1, 200)].join("\0"))
    .digest("hex");
  expect(sha256).toMatchInlineSnapshot(`"fa955eb44d1f53467f07c36761bae33d8decdc7b4c463a42b2ec856db16a3dad"`);
  expect([...writeCorpus(1, 50)]).toEqual(documents.slice(0, 50));
  expect([...writeCorpus(2, 50)]).not.toEqual(documents.slice(0, 50));
});

test("documents are short and different", () => {
  expect(new Set(documents).size).toBe(documents.length);
  expect(Math.max(...documents.map(({ length }) => length))).toBeLessThan(1500);
  expect(Math.min(...documents.map(({ length }) => length))).toBeGreaterThan(40);
});

test("no document has the form of Alpaca", () => {
  expect(text).not.toMatch(
    /### ?(?:Instruction|Input|Response)|Below is an instruction|appropriately completes the request/i,
  );
});

test("no slot or bracket of a template is left, and spaces and full stops are single", () => {
  expect(text).not.toMatch(/[{}[\]|]|undefined|NaN/);
  expect(text).not.toMatch(/ {2}|\.\.| [.,?!]|\n{3}/);
  for (const document of documents) expect(document).toBe(document.trim());
});

test("a and an agree with the word after them", () => {
  expect(text).not.toMatch(/\b[Aa] (?!use|one)[aeiou]/);
  expect(text).not.toMatch(/\b[Aa]n [^aeiouh]/);
});

test("sentences start with a capital letter", () => {
  expect([...text.matchAll(/[.!?] [a-z]+/g)].map(String)).toEqual([]);
});

test("sums, differences and comparisons are right", () => {
  const sums = [...text.matchAll(/\b(\d+) ([-+]) (\d+) = (\d+)/g)];
  expect(sums.length).toBeGreaterThan(500);
  for (const [, a, sign, b, c] of sums) expect(Number(c)).toBe(sign === "+" ? +a! + +b! : +a! - +b!);
  for (const [, a, word, b] of text.matchAll(/\b(\d+) is (larger|smaller) than (\d+)/g))
    expect(+a! > +b!).toBe(word === "larger");
  for (const [, a, b, large] of text.matchAll(
    /(?:Of|Between) (\d+) and (\d+), the larger (?:number|one) is (\d+)/g,
  ))
    expect(Number(large)).toBe(Math.max(+a!, +b!));
  for (const [, list, sorted] of text.matchAll(/numbers ([\d, ]+) in order are ([\d, ]+)\./g))
    expect(sorted!.split(", ").map(Number)).toEqual(
      list!
        .split(", ")
        .map(Number)
        .sort((a, b) => a - b),
    );
  for (const [, list, n] of text.matchAll(/The list ([a-z, ]+) has (\d) words?\./g))
    expect(list!.split(", ")).toHaveLength(+n!);
});

test("words have one opposite, one synonym, one plural and one past tense", () => {
  for (const pairs of [opposites, synonyms]) expect(new Set(pairs.flat()).size).toBe(2 * pairs.length);
  expect(opposites.length).toBeGreaterThanOrEqual(80);
  expect(new Set(plurals.map(([one]) => one)).size).toBe(plurals.length);
  expect(new Set(verbs.map(({ base }) => base)).size).toBe(verbs.length);
  expect(verbs.length).toBeGreaterThanOrEqual(100);
});

test("each category has its members", () => {
  for (const category of categories)
    expect(entitiesByCategory.get(category)!.length, category).toBeGreaterThanOrEqual(6);
});

test("claims are true as often as false", () => {
  const random = createRandom(3);
  const claims = Array.from({ length: 2000 }, () => makeClaim(random));
  expect(claims.filter(({ truth }) => truth).length / claims.length).toBeCloseTo(0.5, 1);
});

test("what is said about a story names who and what the story names", () => {
  const random = createRandom(4);
  for (let i = 0; i < 500; i++) {
    const { sentences, facts } = tellStory(random, i % 2 === 0);
    const story = sentences.join(" ");
    for (const { question, statement } of facts) {
      expect(question.endsWith("?")).toBe(true);
      for (const name of statement.match(/\b[A-Z][a-z]+/g)!.filter((word) => !/^(?:The|They|It)$/.test(word)))
        expect(story).toContain(name);
    }
  }
});

test("grammar: articles, plurals, third person, templates", () => {
  expect(["owl", "hour", "used cup", "cup", "umbrella"].map(withArticle)).toEqual([
    "an owl",
    "an hour",
    "a used cup",
    "a cup",
    "an umbrella",
  ]);
  expect(["box", "city", "day", "bench"].map(regularPlural)).toEqual(["boxes", "cities", "days", "benches"]);
  expect(["wash", "carry", "play", "go", "have"].map(thirdPerson)).toEqual([
    "washes",
    "carries",
    "plays",
    "goes",
    "has",
  ]);
  expect(capitalizeSentences('one. two? "three!" four')).toBe('One. Two? "three!" four');
  expect(fill("{a it} is [x|x]. {^it}.", { it: "owl" }, createRandom(1))).toBe("An owl is x. Owl.");
  expect(() => fill("{what}", {}, createRandom(1))).toThrow("no slot for {what}");
});

test("shares of words are spread evenly", () => {
  const shares = plurals.map(([one]) => shareOf(one));
  expect(shares.filter((share) => share < 0.5).length / shares.length).toBeGreaterThan(0.35);
  expect(shares.filter((share) => share < 0.5).length / shares.length).toBeLessThan(0.65);
});
