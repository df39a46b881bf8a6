// A random stream -> a short sentence about a thing, with its denial and its question.
import type { Random } from "../../../src/random.js";
import { pick } from "./choice.js";
import { badFeelings, goodFeelings, people } from "./people.js";

const things: readonly string[] =
  "soup house room street door box bag car boat chair cake dog horse river garden window bread tea coat bed school train song book".split(
    " ",
  );
const states: readonly string[] =
  "hot cold big small old new clean dirty open full empty wet dry long short loud quiet heavy good bad".split(
    " ",
  );

export interface Description {
  readonly statement: string;
  readonly denial: string;
  readonly question: string;
}

/** "The soup is hot.", "The soup is not hot.", "Is the soup hot?" */
export function makeDescription(random: Random): Description {
  const person = random.nextFloat() < 0.4;
  const subject = person ? pick(random, people).name : `the ${pick(random, things)}`;
  const state = person ? pick(random, [...goodFeelings, ...badFeelings]) : pick(random, states);
  const start = subject.charAt(0).toUpperCase() + subject.slice(1);
  return {
    statement: `${start} is ${state}.`,
    denial: `${start} is not ${state}.`,
    question: `Is ${subject} ${state}?`,
  };
}
