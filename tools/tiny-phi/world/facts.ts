// The lists of the world -> its entities with one-sentence facts about each, in the wording that answers use.
import type { Random } from "../../../src/random.js";
import { type Ability, animals } from "./animals.js";
import { chance, pick } from "./choice.js";
import { foods, massFoods } from "./foods.js";
import { capitalize, withArticle } from "./grammar.js";
import { jobs } from "./people.js";
import { flowers, things } from "./things.js";

export const categories = [
  "bird",
  "fish",
  "insect",
  "mammal",
  "reptile",
  "fruit",
  "vegetable",
  "drink",
  "tool",
  "vehicle",
  "instrument",
  "clothing",
  "furniture",
  "flower",
  "worker",
] as const;
export type Category = (typeof categories)[number];

const categoryPhrases: Partial<Record<Category, string>> = {
  instrument: "a musical instrument",
  clothing: "a piece of clothing",
  furniture: "a piece of furniture",
};

/** "a bird", "an insect", "a piece of clothing". */
export function categoryPhrase(category: Category): string {
  return categoryPhrases[category] ?? withArticle(category);
}

/** "birds", "pieces of clothing", "fish". */
export function categoryPlural(category: Category): string {
  if (category === "clothing" || category === "furniture") return `pieces of ${category}`;
  if (category === "instrument") return "musical instruments";
  return category === "fish" ? "fish" : `${category}s`;
}

/** Something of the world that is in a category. */
export interface Entity {
  readonly name: string;
  readonly category: Category;
  /** "an owl", "milk": as the subject of a sentence. */
  readonly subject: string;
}

export const entities: readonly Entity[] = [
  ...animals.map(({ name, kind }) => ({ name, category: kind as Category })),
  ...foods.map(({ name, kind }) => ({ name, category: kind as Category })),
  ...things.map(({ name, kind }) => ({ name, category: kind as Category })),
  ...flowers.map(([name]) => ({ name, category: "flower" as Category })),
  ...jobs.map(({ name }) => ({ name, category: "worker" as Category })),
]
  // A word that means two things (fly, orange, fish) is not asked for its category.
  .filter(({ name }, i, all) => all.findIndex((other) => other.name === name) === i && name !== "fly")
  .map(({ name, category }) => ({
    name,
    category,
    subject: massFoods.has(name) || name === "lavender" ? name : withArticle(name),
  }));

export const entitiesByCategory: ReadonlyMap<Category, readonly Entity[]> = new Map(
  categories.map((category) => [category, entities.filter((entity) => entity.category === category)]),
);

export const categoryOf = ({ subject, category }: Entity): string =>
  `${capitalize(subject)} is ${categoryPhrase(category)}.`;

/** What is asked about something, the answer to it, and what it is about. */
export interface Fact {
  readonly about: string;
  readonly kind:
    | "definition"
    | "home"
    | "food"
    | "use"
    | "material"
    | "found"
    | "work"
    | "workplace"
    | "colour"
    | "taste"
    | "origin";
  /** Words of the subject: "an owl". */
  readonly subject: string;
  readonly statement: string;
}

const fact = (about: string, subject: string, kind: Fact["kind"], predicate: string): Fact => ({
  about,
  subject,
  kind,
  statement: `${capitalize(subject)} ${predicate}.`,
});

export const facts: readonly Fact[] = [
  ...animals.flatMap(({ name, kind, home, food, colour, size }) => {
    const subject = withArticle(name);
    return [
      fact(name, subject, "definition", `is ${withArticle(`${size} ${colour} ${kind}`)}`),
      fact(name, subject, "home", `lives ${home}`),
      fact(name, subject, "food", `eats ${food}`),
      fact(name, subject, "colour", `is ${colour}`),
    ];
  }),
  ...foods.flatMap(({ name, kind, colour, taste, origin }) => {
    const subject = massFoods.has(name) ? name : withArticle(name);
    return [
      fact(name, subject, "definition", `is ${withArticle(`${colour} ${kind}`)}`),
      fact(name, subject, "colour", `is ${colour}`),
      fact(name, subject, "taste", `tastes ${taste}`),
      fact(name, subject, "origin", `${kind === "drink" ? "comes" : "grows"} ${origin}`),
    ];
  }),
  ...things.flatMap(({ name, kind, use, material, place }) => {
    const subject = withArticle(name);
    return [
      fact(name, subject, "definition", `is ${categoryPhrase(kind)} ${use}`),
      fact(name, subject, "use", `is used ${use}`),
      fact(name, subject, "material", `is made of ${material}`),
      fact(name, subject, "found", `is kept ${place}`),
    ];
  }),
  ...flowers.flatMap(([name, colour]) => {
    const subject = name === "lavender" ? name : withArticle(name);
    return [
      fact(name, subject, "definition", `is ${withArticle(`${colour} flower`)}`),
      fact(name, subject, "colour", `is ${colour}`),
    ];
  }),
  ...jobs.flatMap(({ name, place, work }) => {
    const subject = withArticle(name);
    return [
      fact(name, subject, "definition", `is a person who ${work}`),
      fact(name, subject, "work", work),
      fact(name, subject, "workplace", `works ${place}`),
    ];
  }),
].filter(({ about, kind }) => !(about === "orange" && kind === "colour"));

/** Two sentences that say the most about something, in a fixed wording. */
export const descriptions: readonly {
  readonly about: string;
  readonly subject: string;
  readonly text: string;
}[] = [
  ...animals.map(({ name, kind, home, food, colour, size }) => ({
    about: name,
    subject: withArticle(name),
    text: `${capitalize(withArticle(name))} is ${withArticle(`${size} ${colour} ${kind}`)}. It lives ${home} and eats ${food}.`,
  })),
  ...foods
    .filter(({ kind }) => kind !== "drink")
    .map(({ name, kind, colour, taste, origin }) => ({
      about: name,
      subject: massFoods.has(name) ? name : withArticle(name),
      text: `${capitalize(massFoods.has(name) ? name : withArticle(name))} is ${withArticle(`${colour} ${kind}`)}. It grows ${origin} and tastes ${taste}.`,
    })),
  ...things.map(({ name, kind, use, material, place }) => ({
    about: name,
    subject: withArticle(name),
    text: `${capitalize(withArticle(name))} is ${categoryPhrase(kind)} ${use}. It is made of ${material} and is kept ${place}.`,
  })),
  ...jobs.map(({ name, place, work, tool }) => ({
    about: name,
    subject: withArticle(name),
    text: `${capitalize(withArticle(name))} is a person who ${work}. The ${name} works ${place} and uses ${tool}.`,
  })),
];

/** Something that is true or not. */
export interface Claim {
  /** What it is about, for the splits. */
  readonly about: string;
  /** "a carrot is a fruit" */
  readonly claim: string;
  /** "a carrot is not a fruit" */
  readonly denial: string;
  /** "Is a carrot a fruit?" */
  readonly question: string;
  readonly truth: boolean;
}

/** A true or a false claim, each as often. */
export function makeClaim(random: Random): Claim {
  return pick(random, [categoryClaim, categoryClaim, abilityClaim, sizeClaim])(random, chance(random, 0.5));
}

function categoryClaim(random: Random, truth: boolean): Claim {
  const { name, subject, category } = pick(random, entities);
  const phrase = categoryPhrase(
    truth
      ? category
      : pick(
          random,
          categories.filter((other) => other !== category),
        ),
  );
  return {
    about: name,
    claim: `${subject} is ${phrase}`,
    denial: `${subject} is not ${phrase}`,
    question: `Is ${subject} ${phrase}?`,
    truth,
  };
}

/** What an animal can do, or surely cannot: most mammals swim somehow, and a hen flutters, so neither is said of them. */
const deeds: readonly { readonly name: string; readonly deed: Ability; readonly truth: boolean }[] =
  animals.flatMap(({ name, kind, abilities }) =>
    (["fly", "swim", "sing"] as const).flatMap((deed) => {
      const truth = abilities.includes(deed);
      const doubtful =
        (deed === "fly" && (name === "hen" || (kind === "insect" && name !== "ant"))) ||
        (deed === "swim" && (kind === "mammal" || kind === "reptile")) ||
        (deed === "sing" && (kind === "bird" || name === "whale"));
      return truth || !doubtful ? [{ name, deed, truth }] : [];
    }),
  );

function abilityClaim(random: Random, truth: boolean): Claim {
  const { name, deed } = pick(
    random,
    deeds.filter((entry) => entry.truth === truth),
  );
  const subject = withArticle(name);
  return {
    about: name,
    claim: `${subject} can ${deed}`,
    denial: `${subject} cannot ${deed}`,
    question: `Can ${subject} ${deed}?`,
    truth,
  };
}

const sizes = ["tiny", "small", "big", "huge"] as const;

function sizeClaim(random: Random, truth: boolean): Claim {
  const [a, b] = pickUnequal(random);
  const larger = sizes.indexOf(a.size) > sizes.indexOf(b.size);
  const comparison = larger === truth ? "bigger" : "smaller";
  const [subject, other] = [withArticle(a.name), withArticle(b.name)];
  return {
    about: a.name,
    claim: `${subject} is ${comparison} than ${other}`,
    denial: `${subject} is not ${comparison} than ${other}`,
    question: `Is ${subject} ${comparison} than ${other}?`,
    truth,
  };
}

/** Two animals of clearly different size. */
function pickUnequal(random: Random) {
  for (;;) {
    const [a, b] = [pick(random, animals), pick(random, animals)];
    if (Math.abs(sizes.indexOf(a.size) - sizes.indexOf(b.size)) >= 2) return [a, b] as const;
  }
}
