// Nothing but a fixed seed -> data.jsonl: 300 short tasks of a few kinds in the Alpaca shape, the same ones each time.
// Run: node examples/start/make-data.mjs
import { writeFileSync } from "node:fs";

const ROWS = 300;

/** Numbers from 0 to n-1; the generator is mulberry32. */
let state = 20261124;
function below(n) {
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
}
const pick = (list) => list[below(list.length)];

const words = "apple bridge candle dragon engine forest garden harbor island jacket kettle ladder meadow needle orange pencil quartz river saddle tunnel umbrella valley window yellow zipper".split(" ");
const days = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(" ");
const opposites = { hot: "cold", big: "small", fast: "slow", light: "dark", open: "closed", early: "late", hard: "soft", full: "empty", high: "low", young: "old" };
const animals = { cow: "moo", dog: "woof", cat: "meow", duck: "quack", sheep: "baa", pig: "oink", lion: "roar", owl: "hoot" };
const plurals = { box: "boxes", city: "cities", leaf: "leaves", mouse: "mice", child: "children", bus: "buses", foot: "feet", party: "parties", knife: "knives", tooth: "teeth" };

/** A task each: what is asked, what it is about, and the answer. */
const tasks = [
  () => {
    const [a, b] = [below(50), below(50)];
    return ["Add the two numbers.", `${a} and ${b}`, `${a + b}`];
  },
  () => {
    const [a, b] = [below(90) + 10, below(90) + 10];
    return ["Which number is larger?", `${a} or ${b}`, a === b ? "They are equal." : `${Math.max(a, b)} is larger.`];
  },
  () => {
    const n = below(100);
    return ["Is the number even or odd?", `${n}`, n % 2 === 0 ? "even" : "odd"];
  },
  () => {
    const word = pick(words);
    return ["Spell the word with a hyphen between its letters.", word, [...word].join("-")];
  },
  () => {
    const word = pick(words);
    return ["Write the word in capital letters.", word, word.toUpperCase()];
  },
  () => {
    const word = pick(words);
    return ["Write the word backwards.", word, [...word].reverse().join("")];
  },
  () => {
    const word = pick(words);
    return [`What is the first letter of "${word}"?`, "", word[0]];
  },
  () => {
    const word = pick(words);
    return [`How many letters has the word "${word}"?`, "", `${word.length}`];
  },
  () => {
    const i = below(7);
    return [`Which day comes after ${days[i]}?`, "", days[(i + 1) % 7]];
  },
  () => {
    const word = pick(Object.keys(opposites));
    return [`What is the opposite of ${word}?`, "", opposites[word]];
  },
  () => {
    const animal = pick(Object.keys(animals));
    return [`What does a ${animal} say?`, "", `A ${animal} says ${animals[animal]}.`];
  },
  () => {
    const word = pick(Object.keys(plurals));
    return ["Give the plural of the word.", word, plurals[word]];
  },
  () => {
    const list = [pick(words), pick(words), pick(words)];
    return ["Sort the words by the alphabet.", list.join(", "), [...list].sort().join(", ")];
  },
  () => {
    const [word, n] = [pick(words), below(3) + 2];
    return [`Repeat the word ${n} times.`, word, Array(n).fill(word).join(" ")];
  },
];

// A task that came up before is passed over, so that no held-out row is among those trained on.
const rows = new Set();
for (let i = 0; rows.size < ROWS; i++) {
  const [instruction, input, output] = tasks[i % tasks.length]();
  rows.add(JSON.stringify({ instruction, input, output }));
}
writeFileSync(new URL("data.jsonl", import.meta.url), `${[...rows].join("\n")}\n`);
