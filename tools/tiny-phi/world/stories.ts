// A random stream -> a short story with people, things and places, and what can be said about it afterwards.
import type { Random } from "../../../src/random.js";
import { chance, pick, sample } from "./choice.js";
import { fill, type Slots } from "./grammar.js";
import {
  badFeelings,
  carried,
  colours,
  days,
  goodFeelings,
  looks,
  people,
  places,
  spots,
  weathers,
} from "./people.js";

/** Sentences of the core of a story, and questions about it with their answers. */
interface Plot {
  readonly events: readonly string[];
  /** What may be added after an event, by its number. */
  readonly extras: readonly (readonly [after: number, sentence: string])[];
  readonly facts: readonly (readonly [question: string, statement: string])[];
}

const openings: readonly string[] = [
  "On {day} {hero} was {at}.",
  "On {a weather} {day} {hero} went out and was soon {at}.",
  "One {weather} day {hero} was {at}.",
  "It was {a weather} {day}. {hero} was {at}.",
  "{hero} was {at} on {day}.",
];

const plots: readonly Plot[] = [
  {
    events: [
      "{hero} had lost {his} {look} {thing} and felt {bad}.",
      "{friend} found the {thing} {spot}.",
      "[Then|Now|At once] {hero} was {good} again.",
    ],
    extras: [
      [0, "{he} looked everywhere."],
      [1, '"Here it is!" said {friend}.'],
      [1, '"Thank you," said {hero}.'],
    ],
    facts: [
      ["What did {hero} lose?", "{hero} lost {a thing}."],
      ["Who found the {thing}?", "{friend} found the {thing}."],
      ["Where was the {thing}?", "The {thing} was {spot}."],
      ["How did {hero} feel at the end?", "{hero} felt {good} at the end."],
    ],
  },
  {
    events: ["{friend} came along and gave {him} {a colour} {thing}.", "{hero} was {good}."],
    extras: [
      [0, '"What a lovely {thing}!" {he} said.'],
      [0, "It was a present."],
      [1, "{he} carried the {thing} home."],
      [1, "They talked until it was dark."],
    ],
    facts: [
      ["Who gave {hero} the {thing}?", "{friend} gave {hero} the {thing}."],
      ["What did {friend} give to {hero}?", "{friend} gave {hero} {a thing}."],
      ["What colour was the {thing}?", "The {thing} was {colour}."],
      ["How did {hero} feel?", "{hero} felt {good}."],
    ],
  },
  {
    events: [
      "{he} saw {a look} {thing} {spot} and picked it up.",
      "It belonged to {friend}.",
      "{hero} gave it back, and {friend} was {good}.",
    ],
    extras: [
      [0, "Nobody else was there."],
      [0, '"Whose is this?" {he} asked.'],
      [0, "{he} asked many people about it."],
    ],
    facts: [
      ["What did {hero} find?", "{hero} found {a thing}."],
      ["Whose {thing} was it?", "The {thing} belonged to {friend}."],
      ["Where was the {thing}?", "The {thing} was {spot}."],
      ["How did {friend} feel?", "{friend} felt {good}."],
    ],
  },
  {
    events: [
      "{hero} wanted to buy {a colour} {ware}, but it was too expensive.",
      "{he} felt {bad}.",
      "So {friend} lent {him} some money.",
    ],
    extras: [
      [0, "{he} counted {his} coins twice."],
      [1, '"Do not worry," said {friend}.'],
      [2, "{he} paid it back a week later."],
    ],
    facts: [
      ["What did {hero} want to buy?", "{hero} wanted to buy {a ware}."],
      ["Who lent {hero} some money?", "{friend} lent {hero} some money."],
      ["What colour was the {ware}?", "The {ware} was {colour}."],
      ["How did {hero} feel?", "{hero} felt {bad}."],
    ],
  },
  {
    events: [
      "{he} dropped {his} {fragile}, and it broke.",
      "{hero} was {bad}.",
      "{friend} repaired the {fragile} with some {fixer}.",
    ],
    extras: [
      [0, "It made a loud noise."],
      [2, "It took an hour."],
      [2, '"It is as good as new," said {friend}.'],
      [2, "{he} thanked {him2} many times."],
    ],
    facts: [
      ["What did {hero} drop?", "{hero} dropped {a fragile}."],
      ["Who repaired the {fragile}?", "{friend} repaired the {fragile}."],
      ["How did {hero} feel?", "{hero} felt {bad}."],
    ],
  },
  {
    events: [
      "{he} was waiting for {friend}, who was late.",
      "{hero} felt {bad}.",
      "At last {friend} came and brought {a thing}.",
    ],
    extras: [
      [0, "The hours were long."],
      [0, "{he} looked at the clock again and again."],
      [2, '"Sorry," said {friend}. "The road was closed."'],
      [2, "They laughed and went home together."],
    ],
    facts: [
      ["Who was late?", "{friend} was late."],
      ["What did {friend} bring?", "{friend} brought {a thing}."],
      ["How did {hero} feel?", "{hero} felt {bad}."],
    ],
  },
  {
    events: [
      "{he} met {friend} there, and they played with {a toy}.",
      "Soon it began to {wet}, so they went to the {shelter}.",
    ],
    extras: [
      [0, "{hero} was {good}."],
      [0, "They had a lot of fun."],
      [0, "{friend} told a joke, and {hero} laughed."],
      [1, "Their coats were wet."],
    ],
    facts: [
      ["Who did {hero} meet?", "{hero} met {friend}."],
      ["What did they play with?", "They played with {a toy}."],
      ["Where did they go when it began to {wet}?", "They went to the {shelter}."],
    ],
  },
  {
    events: [
      "{he} heard a noise. It was {a pet}, and it was {bad}.",
      "{hero} gave it some {food}.",
      "{friend} took the {pet} home.",
    ],
    extras: [
      [0, "It was cold and wet."],
      [0, "It had hidden {yard}."],
      [1, "The {pet} ate everything."],
      [1, "From then on they were friends."],
    ],
    facts: [
      ["What animal did {hero} hear?", "{hero} heard {a pet}."],
      ["What did {hero} give to the {pet}?", "{hero} gave the {pet} some {food}."],
      ["Who took the {pet} home?", "{friend} took the {pet} home."],
      ["How did the {pet} feel?", "The {pet} felt {bad}."],
    ],
  },
  {
    events: [
      "{he} was looking for {his} {pet}.",
      "{friend} had seen it {yard}.",
      "{hero} found the {pet} there and was {good}.",
    ],
    extras: [
      [0, "{he} called its name."],
      [1, "It was fast asleep."],
      [2, '"You bad {pet}!" {he} said and laughed.'],
    ],
    facts: [
      ["What was {hero} looking for?", "{hero} was looking for {a pet}."],
      ["Who had seen the {pet}?", "{friend} had seen the {pet}."],
      ["Where was the {pet}?", "The {pet} was {yard}."],
      ["How did {hero} feel at the end?", "{hero} felt {good} at the end."],
    ],
  },
  {
    events: [
      "{he} and {friend} had a race.",
      "{friend} was faster and won {a thing}.",
      "{hero} was {bad}, but not for long.",
    ],
    extras: [
      [0, "Many people watched them."],
      [2, '"Next time you will win," said {friend}.'],
      [0, "They ran to the {shelter} and back."],
    ],
    facts: [
      ["Who won the race?", "{friend} won the race."],
      ["What did {friend} win?", "{friend} won {a thing}."],
      ["How did {hero} feel?", "{hero} felt {bad}."],
    ],
  },
  {
    events: [
      "{he} wanted to make some {food} for {friend}.",
      "But {he} needed {a pan}, and {his} own was {spot}.",
      "{friend} ate all of the {food} and was {good}.",
    ],
    extras: [
      [1, "It smelled good."],
      [2, '"More, please," said {friend}.'],
      [0, "It was {friend}'s birthday."],
    ],
    facts: [
      ["What did {hero} make?", "{hero} made some {food}."],
      ["Who ate the {food}?", "{friend} ate the {food}."],
      ["What did {hero} need?", "{hero} needed {a pan}."],
      ["How did {friend} feel?", "{friend} felt {good}."],
    ],
  },
  {
    events: [
      "A letter from {friend} came for {him}.",
      "{friend} was {far} and felt {bad}.",
      "So {hero} sent {him2} {a thing}.",
    ],
    extras: [
      [0, "{he} read it three times."],
      [0, "It was a long letter."],
      [2, "{hero} went to the post office at once."],
      [2, "A week later {friend} wrote back."],
    ],
    facts: [
      ["Who wrote the letter?", "{friend} wrote the letter."],
      ["How did {friend} feel?", "{friend} felt {bad}."],
      ["What did {hero} send to {friend}?", "{hero} sent {friend} {a thing}."],
    ],
  },
  {
    events: [
      "{he} hid {a colour} {thing} {spot}.",
      "{friend} looked for it all day and was {bad}.",
      "In the evening {hero} showed {him2} the place.",
    ],
    extras: [
      [0, "It was a game."],
      [1, '"Is it far?" asked {friend}.'],
      [2, "They both laughed."],
      [2, "{a pet} had slept on it."],
    ],
    facts: [
      ["Who hid the {thing}?", "{hero} hid the {thing}."],
      ["Where was the {thing}?", "The {thing} was {spot}."],
      ["What colour was the {thing}?", "The {thing} was {colour}."],
      ["Who looked for the {thing}?", "{friend} looked for the {thing}."],
    ],
  },
  {
    events: [
      "{he} had two things: {a thing} and {a other}.",
      "{friend} had nothing and was {bad}.",
      "{hero} gave {him2} the {thing} and kept the {other}.",
    ],
    extras: [
      [2, "It was not a hard choice."],
      [2, '"Are you sure?" asked {friend}.'],
      [2, "{friend} never forgot it."],
    ],
    facts: [
      ["What did {hero} keep?", "{hero} kept the {other}."],
      ["What did {friend} get?", "{friend} got the {thing}."],
      ["Who had nothing?", "{friend} had nothing."],
    ],
  },
];

const pets: readonly string[] = "dog cat rabbit horse goat duck goose hen donkey mouse parrot hedgehog".split(
  " ",
);
const snacks = "bread soup cheese cake milk fruit rice meat".split(" ");
/** Where an animal hides. */
const yards =
  "behind a tree,under a bench,in a bush,near the gate,in the grass,beside the road,next to the well,behind the house,in the hay".split(
    ",",
  );
const fixers = "glue,string,tape,wire,paper,wood".split(",");
const shelters = "house barn school library station tower hut church".split(" ");
/** Things that break when they fall. */
const fragile = "cup lamp box toy clock umbrella bottle doll bell picture kite".split(" ");
const toys = "ball kite doll drum toy balloon rope train boat".split(" ");
const wares = "coat hat lamp clock bag book drum doll umbrella picture ring scarf bicycle violin".split(" ");
const pans = "spoon pot pan knife bowl cup".split(" ");
const farPlaces =
  "in the mountains,in a far country,on an island,in the hospital,on a ship,in the big city".split(",");

export interface Story {
  readonly sentences: readonly string[];
  readonly facts: readonly { readonly question: string; readonly statement: string }[];
}

/** A story; `short` leaves out what is not needed to answer the questions. */
export function tellStory(random: Random, short = false): Story {
  const [hero, friend] = sample(random, people, 2) as [(typeof people)[number], (typeof people)[number]];
  const [thing, other] = sample(random, carried, 2) as [string, string];
  const place = pick(random, places);
  const slots: Slots = {
    hero: hero.name,
    he: hero.he,
    him: hero.him,
    his: hero.his,
    friend: friend.name,
    he2: friend.he,
    him2: friend.him,
    thing,
    other,
    colour: pick(random, colours),
    look: pick(random, looks),
    at: place.at,
    day: pick(random, days),
    weather: pick(random, weathers),
    spot: pick(random, spots),
    good: pick(random, goodFeelings),
    bad: pick(random, badFeelings),
    fragile: pick(random, fragile),
    toy: pick(random, toys),
    ware: pick(random, wares),
    pan: pick(random, pans),
    pet: pick(random, pets),
    yard: pick(random, yards),
    food: pick(random, snacks),
    fixer: pick(random, fixers),
    shelter: pick(random, shelters),
    far: pick(random, farPlaces),
    wet: pick(random, ["rain", "snow"]),
  };
  const plot = pick(random, plots);
  const opening = pick(random, openings);
  const templates = [opening];
  plot.events.forEach((event, i) => {
    templates.push(event);
    for (const [after, sentence] of plot.extras)
      if (after === i && !short && chance(random, 0.4)) templates.push(sentence);
  });
  const facts = [...plot.facts, ["Where was {hero}?", "{hero} was {at}."] as const];
  if (opening.includes("{day}")) facts.push(["When did this happen?", "It happened on {day}."]);
  return {
    sentences: templates.map((template) => fill(template, slots, random)),
    facts: facts.map(([question, statement]) => ({
      question: fill(question, slots, random),
      statement: fill(statement, slots, random),
    })),
  };
}
