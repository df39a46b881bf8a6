// A random stream -> a short review and whether it praises or complains.
import type { Random } from "../../../src/random.js";
import { chance, pick, sample } from "./choice.js";
import { fill } from "./grammar.js";
import { reviewTopics } from "./reviews.js";

export interface Review {
  readonly text: string;
  readonly thing: string;
  readonly positive: boolean;
}

export function writeReview(random: Random): Review {
  const topic = pick(random, reviewTopics);
  const thing = pick(random, topic.things);
  const positive = chance(random, 0.5);
  const side = positive ? "praise" : "complaints";
  const general = pick(random, topic.general[side]);
  const special = sample(random, topic.special[side], chance(random, 0.4) ? 2 : 1);
  const sentences = [general, ...special];
  const text =
    chance(random, 0.25) &&
    special.length === 1 &&
    !/^(?:an? |what |delicious)/.test(general) &&
    special[0] !== "delicious"
      ? `${general}, and ${special[0]}.`
      : `${sentences.join(". ")}.`;
  return { text: fill(text, { it: thing }, random), thing, positive };
}
