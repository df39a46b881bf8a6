// Words of a command line -> the options that they give, still unread.
import type { Fault } from "../errors.js";
import { placeholderOf, takesMany } from "./kinds.js";
import { canonicalName, flagOf, namesOf } from "./names.js";
import type { GivenOption } from "./resolve.js";
import type { OptionTable } from "./schema.js";

/** A word that begins an option; `-1` and `-` are values. */
const isOption = (word: string) => /^--?[a-zA-Z]/.test(word);
const isBoolean = (word: string | undefined) => word !== undefined && /^(true|false)$/i.test(word);

/**
 * Reads `--name value`, `--name=value`, `--flag`, `--no-flag` and `--flag true|false`; a list takes all words up to the next option.
 * Names that the table lacks are given as they stand, with all words that may be their values: to resolve them tells the fault.
 * @param short `-h` -> `--help` @param positional options whose values may stand without their names, in order
 */
export function parseCommandLine(
  table: OptionTable,
  words: readonly string[],
  short: Readonly<Record<string, string>> = {},
  positional: readonly string[] = [],
): { readonly given: readonly GivenOption[]; readonly faults: readonly Fault[] } {
  const names = namesOf(table);
  const specOf = (written: string) => {
    const name = names.get(canonicalName(written));
    return name === undefined ? undefined : table[name];
  };
  const given: GivenOption[] = [];
  const faults: Fault[] = [];
  const lists = new Map<string, string[]>();
  const bare = [...positional];
  let i = 0;
  /** The words up to the next option. */
  const takeValues = (most: number): string[] => {
    const from = i;
    while (i < words.length && i - from < most && !isOption(words[i]!)) i++;
    return words.slice(from, i);
  };
  while (i < words.length) {
    const word = words[i++]!;
    if (!isOption(word)) {
      const name = bare.shift();
      if (name !== undefined) {
        given.push({ written: flagOf(name), value: word });
        continue;
      }
      faults.push({
        code: "usage",
        what: `${JSON.stringify(word)} belongs to no option`,
        fix: "put quotes around a value with spaces; options begin with --",
      });
      continue;
    }
    const equals = word.indexOf("=");
    const attached = equals < 0 ? undefined : word.slice(equals + 1);
    const text = equals < 0 ? word : word.slice(0, equals);
    const written = short[text] ?? text;
    const spec = specOf(written);
    if (!spec) {
      const positive = written.replace(/^--no[-_]/i, "--");
      if (positive !== written && specOf(positive)?.type === "flag" && attached === undefined)
        given.push({ written: positive, value: false });
      else {
        takeValues(Number.POSITIVE_INFINITY);
        given.push({ written, value: attached ?? "" });
      }
      continue;
    }
    if (spec.type === "flag") {
      const value = attached ?? (isBoolean(words[i]) ? words[i++] : true);
      given.push({ written, value });
      continue;
    }
    const values =
      attached === undefined ? takeValues(takesMany(spec) ? Number.POSITIVE_INFINITY : 1) : [attached];
    const implied = spec.type === "text" ? spec.implied : undefined;
    if (values.length === 0 && implied !== undefined) given.push({ written, value: implied });
    else if (values.length === 0) {
      faults.push({
        code: "usage",
        what: `${written} needs a value`,
        fix: `${flagOf(names.get(canonicalName(written))!)} ${placeholderOf(spec)}`,
      });
    } else if (takesMany(spec)) {
      const name = names.get(canonicalName(written))!;
      const list = lists.get(name) ?? [];
      list.push(...values);
      lists.set(name, list);
      given.push({ written, value: list });
    } else given.push({ written, value: values[0] });
  }
  return { given, faults };
}
