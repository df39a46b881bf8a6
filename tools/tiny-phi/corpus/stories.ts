// A random stream -> a story as one to three paragraphs, often followed by sentences that say again who, where and what.
import type { Random } from "../../../src/random.js";
import { between, chance, pick, sample } from "../world/choice.js";
import { fill } from "../world/grammar.js";
import { badFeelings, days, goodFeelings, people, places, weathers } from "../world/people.js";
import { tellStory } from "../world/stories.js";
import { verbs } from "../world/words.js";

/** A story with a plot, and what can be said about it. */
export function writeStory(random: Random): string {
  const { sentences, facts } = tellStory(random, chance(random, 0.4));
  const parts = [sentences.join(" ")];
  if (chance(random, 0.75)) {
    const told = sample(random, facts, between(random, 1, 3));
    const again = told.map(({ statement }) => statement).join(" ");
    const lead = pick(random, [
      "",
      "",
      "In this story, ",
      "So we know this: ",
      "What do we know? ",
      "To say it again: ",
    ]);
    parts.push(lead + again);
  } else if (chance(random, 0.6)) parts.push(retell(random, facts));
  return parts.join(chance(random, 0.7) ? "\n\n" : "\n");
}

/** Somebody asks about the story, and somebody answers. */
function retell(
  random: Random,
  facts: readonly { readonly question: string; readonly statement: string }[],
): string {
  const listener = pick(random, [
    "Grandmother",
    "the little boy",
    "his sister",
    "Mother",
    "the teacher",
    "a child",
  ]);
  const said = sample(random, facts, between(random, 1, 2)).map(({ question, statement }) =>
    fill(
      pick(random, [
        `{^listener} asked: "${question}" [I said|We said|Father said]: "${statement}"`,
        `"${question}" asked {listener}. "${statement.slice(0, -1)}," was the answer.`,
      ]),
      { listener },
      random,
    ),
  );
  return `${said.join(" ")} ${pick(random, ["Then it was time for bed.", "That was the whole story.", "And that was all.", "Then they read it again."])}`;
}

/** A diary or a day without a plot: what somebody did, thing after thing. */
export function writeDay(random: Random): string {
  const person = pick(random, people);
  const [first, second, third] = sample(random, verbs, 3);
  const [here, there] = sample(random, places, 2);
  const slots = {
    name: person.name,
    he: person.he,
    his: person.his,
    him: person.him,
    day: pick(random, days),
    weather: pick(random, weathers),
    here: here!.at,
    there: there!.at,
    first: `${first!.past} ${first!.rest}`,
    second: `${second!.past} ${second!.rest}`,
    third: `${third!.past} ${third!.rest}`,
    good: pick(random, goodFeelings),
    bad: pick(random, badFeelings),
    friend: pick(random, people).name,
  };
  return fill(
    pick(random, [
      "On {day} morning {name} {first}. After lunch {he} {second}, and in the evening {he} {third}. It was a [long|good|busy] day.",
      "{name} was {here} on {day}. First {he} {first}. Then {he} {second}. Last of all {he} {third}.\n\n[So there were three things that {name} did|{name} did three things]: {he} {first}, {he} {second} and {he} {third}.",
      "The weather was {weather}, so {name} stayed {here}. There {he} {first} and {second}. {^he} felt {good}.\n\nLater {he} was {there}, where {he} {third}. {^he} felt {bad} and went home.\n\nFirst {name} was {here}, and then {he} was {there}.",
      '{name} wrote in {his} book: "[Today|On {day}] I {first}. I also {second}. I was {here} and felt {good}."',
      "{name} {first} while [a friend|{his} brother|{his} sister] {second}. They were {here}, and it was {weather}. Afterwards they both {third}.",
      '[Every {day}|On most days] {name} is {here}. This week it was different. {^he} {first}, and after that {he} {second}. "How strange," {he} said, and then {he} {third}.',
    ]),
    slots,
    random,
  );
}
