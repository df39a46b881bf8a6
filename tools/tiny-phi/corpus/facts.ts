// A random stream -> paragraphs about what things are, what they do, and what is true of them.
import type { Random } from "../../../src/random.js";
import { between, chance, pick, sample } from "../world/choice.js";
import {
  type Category,
  categories,
  categoryOf,
  categoryPhrase,
  categoryPlural,
  descriptions,
  entities,
  entitiesByCategory,
  facts,
  makeClaim,
} from "../world/facts.js";
import { capitalize, fill, joinWords } from "../world/grammar.js";
import { people } from "../world/people.js";

/** One thing described: its two main sentences and some of its facts in other words. */
export function describeThing(random: Random): string {
  const { about, subject, text } = pick(random, descriptions);
  const own = facts.filter((fact) => fact.about === about && fact.kind !== "definition");
  const more = sample(random, own, between(random, 0, 2)).map(({ statement }) => statement);
  const lead = pick(random, [
    "",
    "",
    "",
    `Here is [something|what we know] about ${subject}. `,
    `{name} [read|learned|wrote] about ${subject} [at school|today|in a book]. `,
    `### ${capitalize(about)}\n`,
    `${capitalize(about)}: `,
  ]);
  return [fill(lead, { name: pick(random, people).name }, random) + text, more.join(" ")]
    .filter(Boolean)
    .join(chance(random, 0.5) ? " " : "\n\n");
}

/** Single facts, one after the other, about different things. */
export function listFacts(random: Random): string {
  const chosen = sample(random, facts, between(random, 3, 6));
  const lead = pick(random, [
    "",
    "",
    "",
    "Some things that everybody should know. ",
    "From my notebook: ",
    "What I learned this week: ",
  ]);
  return (
    lead +
    chosen
      .map(({ statement, subject, kind }, i) => {
        const definition = kind === "definition";
        if (definition && chance(random, 0.25))
          return fill(
            `[What {subject} is is easy to say|{name} can say what {subject} is|Look up {subject} in a book]: ${lower(statement, subject)}`,
            { subject, name: pick(random, people).name },
            random,
          );
        if (chance(random, 0.15))
          return fill(
            `[{name} knows|We know|It is known|{name} said|Do not forget|The book says] that ${lower(statement, subject)}`,
            { name: pick(random, people).name },
            random,
          );
        return i > 0 && chance(random, 0.1) ? `And ${lower(statement, subject)}` : statement;
      })
      .join(" ")
  );
}

/** Statements start with their subject. */
function lower(statement: string, subject: string): string {
  return subject + statement.slice(subject.length);
}

/** Somebody asks for facts, told as a story. */
export function tellFacts(random: Random): string {
  const chosen = sample(random, facts, between(random, 1, 2));
  return chosen
    .map(({ statement, subject, kind, about }) => {
      const wish = {
        definition: "[what {subject} is|the meaning of the word {about}|to explain the word {about}]",
        home: "[where {subject} lives|about the home of {subject}]",
        food: "[what {subject} eats|about the food of {subject}]",
        use: "[what {subject} is used for|what people do with {subject}]",
        material: "[what {subject} is made of|about the material of {subject}]",
        found: "[where {subject} is kept|where to find {subject}|where to look for {subject}]",
        work: "[what {subject} does|about the work of {subject}]",
        workplace: "[where {subject} works|where to find {subject}]",
        colour: "[what colour {subject} is|about the colour of {subject}]",
        taste: "[how {subject} tastes|about the taste of {subject}]",
        origin: "[where {subject} comes from|about where we get {subject}]",
      }[kind];
      return fill(
        pick(random, [
          `{name} [wanted to know|asked] ${wish}. The answer was [short|easy|in the book]: ${lower(statement, subject)}`,
          `{name} was asked ${wish}. {^he} said: "${statement}"`,
          `The next question was ${wish}. [We all knew it|Nobody knew it|{name} knew it]. ${statement}`,
        ]).replace(/(?<=asked|know|question was) \[([^\]]*)\]/, " [$1]"),
        { ...personSlots(random), subject, about },
        random,
      );
    })
    .join(" ");
}

function personSlots(random: Random) {
  const { name, he, his, him } = pick(random, people);
  return { name, he, his, him };
}

/** What belongs to which category. */
export function sortIntoCategories(random: Random): string {
  const person = personSlots(random);
  const one = pick(random, entities);
  const same = sample(random, entitiesByCategory.get(one.category)!, between(random, 3, 5));
  const category = one.category;
  const other = pick(
    random,
    categories.filter((name) => name !== category),
  );
  const different = pick(random, entitiesByCategory.get(other)!);
  const slots = {
    ...person,
    category,
    phrase: categoryPhrase(category),
    plural: categoryPlural(category),
    otherPhrase: categoryPhrase(other),
    other,
    word: one.name,
    subject: one.subject,
    list: joinWords(same.map(({ name }) => name)),
    commas: same.map(({ name }) => name).join(", "),
    different: different.subject,
    differentWord: different.name,
  };
  return fill(
    pick(random, [
      `${sample(random, entities, between(random, 3, 6))
        .map(categoryOf)
        .join(" ")}`,
      "The words {commas} are all {plural}. The word {differentWord} is not: {different} is {otherPhrase}.",
      "{^subject} is {phrase}, and so are many other things. Some {plural} are {list}.",
      "{^category}: {commas}\n{^other}: {differentWord}",
      "{category}: {commas}",
      "{^subject} belongs with the {plural}. {^different} does not, because it is {otherPhrase}.",
      "{name} put the word {word} into the right group: {category}. Then {he} put the word {differentWord} into its group: {other}.",
      "[What kind of thing|In which group] is {subject}, {name} wondered. [The kind is {category}|The group is {category}], because {subject} is {phrase}.",
      "word: {word}, kind: {category}\nword: {differentWord}, kind: {other}",
      "[{name} had to choose|The choice was] between {category} and {other} for the word {word}. {^subject} is {phrase}, so the right choice is {category}.",
    ]),
    slots,
    random,
  );
}

/** What is true and what is not, as statements; now and then as a question somebody has. */
export function weighClaims(random: Random): string {
  return Array.from({ length: between(random, 2, 5) }, () => {
    const { claim, denial, question, truth } = makeClaim(random);
    const [yes, no, right, wrong] = ["yes", "no", "true", "false"];
    const slots = {
      ...personSlots(random),
      claim,
      denial,
      answer: truth ? yes : no,
      value: truth ? right : wrong,
      verdict: truth ? claim : denial,
      belief: truth ? "and that is right" : "but that is wrong",
      whether: claim,
    };
    return fill(
      pick(random, [
        "{^verdict}.",
        "{^verdict}.",
        "[It is {value}|Is it true or false? It is {value}] that {claim}.",
        "{name} [thinks|says|believes] that {claim}, {belief}: {verdict}.",
        "[Somebody|{name}] [asked if|wanted to know whether] {claim}. The answer was {answer}, because {verdict}.",
        `"${question}" asked {name}. "{^answer}, {verdict}," [I said|said the teacher|was the answer].`,
        `[{name} had a question|The question was]: ${question} {^answer}. {^verdict}.`,
      ]),
      slots,
      random,
    );
  }).join(" ");
}

/** Words of one category in lists, a list a line. */
export function listCategories(random: Random): string {
  return sample(random, categories as readonly Category[], between(random, 2, 4))
    .map((category) => {
      const names = sample(random, entitiesByCategory.get(category)!, between(random, 3, 5)).map(
        ({ name }) => name,
      );
      return `${chance(random, 0.5) ? category : capitalize(categoryPlural(category))}: ${names.join(", ")}`;
    })
    .join("\n");
}
