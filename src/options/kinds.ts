// A value as it was written (text of the command line, value of YAML or TypeScript) -> the value of an option's type.
import type { OptionSpec, OptionType, SpecOf, ValueTypes } from "./schema.js";

interface Kind<Type extends OptionType> {
  /** Whether several words of the command line belong to it. */
  readonly takesMany: boolean;
  /** Stands for the value in the help. */
  readonly placeholder: string;
  /** What is accepted, in words. */
  expects(spec: SpecOf<Type>): string;
  /** The value, or undefined when it is not what is expected. */
  read(value: unknown, spec: SpecOf<Type>): ValueTypes[Type] | undefined;
}

const kinds: { readonly [Type in OptionType]: Kind<Type> } = {
  text: {
    takesMany: false,
    placeholder: "TEXT",
    expects: () => "a text that is not empty",
    read: (value) => {
      const text = typeof value === "number" ? String(value) : value;
      return typeof text === "string" && text !== "" ? text : undefined;
    },
  },
  choice: {
    takesMany: false,
    placeholder: "NAME",
    expects: ({ choices }) => `${choices.length > 1 ? "one of " : ""}${choices.join(", ")}`,
    // YAML 1.1 writers leave `no` bare, which then is false.
    read: (value, { choices }) => {
      const text = value === false ? "no" : String(value);
      return choices.find((choice) => choice === text.toLowerCase());
    },
  },
  integer: {
    takesMany: false,
    placeholder: "N",
    expects: (spec) => spec.expected ?? `a whole number${bounds(spec)}`,
    read: (value, spec) => inRange(toInteger(value), spec),
  },
  number: {
    takesMany: false,
    placeholder: "X",
    expects: (spec) => spec.expected ?? `a number${bounds(spec)}`,
    read: (value, spec) => inRange(toNumber(value), spec),
  },
  flag: {
    takesMany: false,
    placeholder: "true|false",
    expects: () => "true or false",
    read: (value) => {
      const text = String(value).toLowerCase();
      return text === "true" ? true : text === "false" ? false : undefined;
    },
  },
  words: {
    takesMany: true,
    placeholder: "NAMES",
    expects: () => "one name or several",
    read: toWords,
  },
  integers: {
    takesMany: true,
    placeholder: "N,N",
    expects: () => "whole numbers of at least 0",
    read: (value) => {
      const numbers = toWords(value)?.map(toInteger);
      return numbers?.every((number) => number !== undefined && number >= 0)
        ? (numbers as number[])
        : undefined;
    },
  },
  modules: {
    takesMany: true,
    placeholder: "NAMES",
    expects: () => "names of modules, one regular expression, or all-linear",
    read: (value) => {
      const single = Array.isArray(value) && value.length === 1 ? (value[0] as unknown) : value;
      if (typeof single === "string" && (single.toLowerCase() === "all-linear" || isRegex(single)))
        return single;
      return toWords(value);
    },
  },
  numbers: {
    takesMany: true,
    placeholder: "NAME=X",
    expects: () => "pairs of a name and a number above 0: NAME=X",
    read: (value) => {
      const numbers: Record<string, number> = {};
      for (const [name, text] of toPairs(value)) {
        const number = toNumber(text);
        if (name === "" || number === undefined || number <= 0) return undefined;
        numbers[name] = number;
      }
      return Object.keys(numbers).length > 0 ? numbers : undefined;
    },
  },
};

/** Reads a value by its option; undefined when it is not what the option expects. */
export function readValue(spec: OptionSpec, value: unknown): unknown {
  return (kinds[spec.type] as Kind<OptionType>).read(value, spec);
}

/** What an option expects, in words. */
export function expects(spec: OptionSpec): string {
  return (kinds[spec.type] as Kind<OptionType>).expects(spec);
}

/** What stands for the value in the help. */
export function placeholderOf(spec: OptionSpec): string {
  if (spec.type === "choice") return spec.choices.join("|");
  return spec.placeholder ?? kinds[spec.type].placeholder;
}

/** Whether several words of the command line belong to an option. */
export function takesMany(spec: OptionSpec): boolean {
  return kinds[spec.type].takesMany;
}

/** Signs that no module's name has: then PEFT, too, takes a single text as a regular expression. */
function isRegex(text: string): boolean {
  return /[*+?()|[\]{}\\^$]/.test(text);
}

/** Numbers are accepted as decimal texts as well, for that is what a command line has. */
function toNumber(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
  if (typeof value !== "string" || !/^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$/i.test(value))
    return undefined;
  return toNumber(Number(value));
}

function toInteger(value: unknown): number | undefined {
  const number = toNumber(value);
  return Number.isSafeInteger(number) ? number : undefined;
}

type Range = SpecOf<"integer"> | SpecOf<"number">;

function inRange(value: number | undefined, { min, max, above, below, accepts }: Range): number | undefined {
  if (value === undefined) return undefined;
  const inside =
    value >= (min ?? Number.NEGATIVE_INFINITY) &&
    value <= (max ?? Number.POSITIVE_INFINITY) &&
    value > (above ?? Number.NEGATIVE_INFINITY) &&
    value < (below ?? Number.POSITIVE_INFINITY);
  return inside && (accepts?.(value) ?? true) ? value : undefined;
}

function bounds({ min, max, above, below }: Range): string {
  if (min !== undefined && max !== undefined) return ` from ${min} to ${max}`;
  const lower = min !== undefined ? `of at least ${min}` : above !== undefined ? `above ${above}` : undefined;
  const upper = max !== undefined ? `at most ${max}` : below !== undefined ? `below ${below}` : undefined;
  const words = [lower, upper].filter((bound) => bound !== undefined);
  return words.length > 0 ? ` ${words.join(" and ")}` : "";
}

function toWords(value: unknown): readonly string[] | undefined {
  const list = Array.isArray(value) ? (value as readonly unknown[]) : [value];
  if (!list.every((word) => typeof word === "string" || typeof word === "number")) return undefined;
  const words = list.flatMap((word) => String(word).split(",")).map((word) => word.trim());
  return words.length > 0 && !words.includes("") ? words : undefined;
}

/** A map as it is, or texts `name=value`; the name may itself hold `=`. */
function toPairs(value: unknown): readonly (readonly [string, unknown])[] {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return Object.entries(value);
  return (Array.isArray(value) ? (value as readonly unknown[]) : [value]).map((word) => {
    const text = String(word);
    const at = text.lastIndexOf("=");
    return [text.slice(0, Math.max(at, 0)), text.slice(at + 1)] as const;
  });
}
