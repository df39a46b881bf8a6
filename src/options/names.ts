// The name of an option in its spellings: loraR in TypeScript, --lora-r on the command line, lora_r in YAML.
import { type Fault, nearest } from "../errors.js";
import type { OptionTable } from "./schema.js";

/** `loraTargetModules` -> `--lora-target-modules` */
export function flagOf(name: string): string {
  return `--${withSeparator(name, "-")}`;
}

/** `loraTargetModules` -> `lora_target_modules` */
export function keyOf(name: string): string {
  return withSeparator(name, "_");
}

function withSeparator(name: string, separator: string): string {
  return name.replace(/[A-Z]|\d(?=[a-z])/g, (letter) => `${separator}${letter.toLowerCase()}`);
}

/** One form for all spellings: `--lora_r`, `lora-r` and `loraR` are `lorar`. */
export function canonicalName(written: string): string {
  return written.replace(/[-_]/g, "").toLowerCase();
}

/** Canonical names and aliases -> name. */
export function namesOf(table: OptionTable): ReadonlyMap<string, string> {
  return new Map(
    Object.entries(table).flatMap(([name, { aliases = [] }]) =>
      [name, ...aliases].map((known) => [canonicalName(known), name] as const),
    ),
  );
}

const PRECISION = "weights stay in the precision of their files, arithmetic is fp32; leave it out";

/** Options of TRL and transformers that are not here -> what there is instead. */
const elsewhere: Readonly<Record<string, string>> = {
  usepeft: "an adapter is trained unless --method full is given; leave it out",
  evalpacking: "evaluation is not packed, and its results would be the same; leave it out",
  paddingfree: "give --packing",
  bnb4bitquanttype: "NF4 is the only 4-bit type; leave it out",
  bnb4bitcomputedtype: "arithmetic is fp32; leave it out",
  bnb4bitquantstorage: "4-bit weights lie two a byte in a cache; leave it out",
  bf16: PRECISION,
  fp16: PRECISION,
  dtype: PRECISION,
  savestrategy: "checkpoints are made every --save-steps updates; leave it out",
  optim: "AdamW is the optimizer; leave it out",
  usedora: "the method is LoRA; leave it out",
  loratasktype: "the task is CAUSAL_LM; leave it out",
};

/** An option that does not exist. @param written as the user wrote it @param where the file, if it stands in one */
export function unknownOption(written: string, table: OptionTable, where?: string): Fault {
  const isFlag = written.startsWith("--");
  const spelling = (name: string) =>
    isFlag ? flagOf(name) : written.includes("_") ? keyOf(name) : /[A-Z]/.test(written) ? name : keyOf(name);
  const known = Object.entries(table).flatMap(([name, { aliases = [] }]) => [name, ...aliases]);
  const word = canonicalName(written);
  const near = nearest(word, known.map(canonicalName));
  const name = known.find((candidate) => canonicalName(candidate) === near);
  return {
    code: "usage",
    what: `there is no option ${written}`,
    where,
    fix: elsewhere[word] ?? (name === undefined ? "see --help-all" : `did you mean ${spelling(name)}?`),
  };
}
