// A random stream -> a short note with a name, a place, a day and an object, and what each is.
import type { Random } from "../../../src/random.js";
import { pick } from "./choice.js";
import { capitalize, fill, withArticle } from "./grammar.js";
import { carried, colours, days, people, places } from "./people.js";

export const noteFields = ["name", "place", "day", "object"] as const;
export type NoteField = (typeof noteFields)[number];

export interface Note {
  readonly text: string;
  /** "Anna", "The market", "Monday", "A red ball". */
  readonly fields: Readonly<Record<NoteField, string>>;
}

const templates: readonly string[] = [
  "{name} will be {at} on {day}. [Please bring|Do not forget] {a object}.",
  "On {day} we meet {name} {at}. We need {a object}.",
  "Please give {a object} to {name} {at} before {day}.",
  "Dear {name}, I will see you {at} on {day}. I have {a object} for you.",
  "{name} left {a object} {at} last {day}.",
  "Lost on {day} {at}: {a object}. Please call {name}.",
  "For sale: {a object}. Come to see it {at} on {day}. Ask for {name}.",
  "Last {day} {name} bought {a object} {at}.",
  "There was {a object} {at} on {day}. {name} took it home.",
  "{name} lost {a object} on {day}. It was found {at}.",
  "It was {day}. {name} stood {at} with {a object} in {his} hand.",
  "Do not come on any other day than {day}. {name} waits {at} with {a object}.",
];

export function writeNote(random: Random): Note {
  const person = pick(random, people);
  const place = pick(random, places);
  const day = pick(random, days);
  const object = `${pick(random, colours)} ${pick(random, carried)}`;
  return {
    text: fill(
      pick(random, templates),
      { name: person.name, his: person.his, at: place.at, day, object },
      random,
    ),
    fields: {
      name: person.name,
      place: capitalize(place.name),
      day,
      object: capitalize(withArticle(object)),
    },
  };
}
