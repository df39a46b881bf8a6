// Options as they were given, from any origin -> resolved options with all defaults; all faults are told at once.
import { type Fault, failIfAny } from "../errors.js";
import { expects, readValue } from "./kinds.js";
import { canonicalName, flagOf, namesOf, unknownOption } from "./names.js";
import type { OptionSpec, OptionTable, Resolved } from "./schema.js";

/** One option as the user wrote it. */
export interface GivenOption {
  /** In any spelling: `--lora-r`, `lora_r`, `loraR`. */
  readonly written: string;
  readonly value: unknown;
  /** The file that it stands in. */
  readonly where?: string | undefined;
}

/** A condition that several options must fulfil together. */
export type Rule<Table extends OptionTable> = (
  options: Resolved<Table>,
  isGiven: (name: keyof Table) => boolean,
) => string | readonly [what: string, fix: string] | undefined;

/** The options of a command. */
export interface OptionSchema<Table extends OptionTable> {
  readonly table: Table;
  readonly rules?: readonly Rule<Table>[];
  /** Options whose values may stand first on the command line, without their names, in this order. */
  readonly positional?: readonly (keyof Table & string)[];
}

/**
 * Fills in defaults and checks every value. A later option of the same name wins; null and undefined count as not given.
 * @param more.faults found before, to be told together with those found here
 * @param more.suggested options that an unknown name may have meant, besides those of the table
 * @throws PhinetuneError of code `usage` with all faults
 */
export function resolveOptions<Table extends OptionTable>(
  { table, rules = [] }: OptionSchema<Table>,
  given: readonly GivenOption[],
  {
    faults = [],
    suggested = {},
  }: { readonly faults?: readonly Fault[]; readonly suggested?: OptionTable } = {},
): Resolved<Table> {
  const found: Fault[] = [...faults];
  const names = namesOf(table);
  const last = new Map<string, GivenOption>();
  for (const option of given) {
    const name = names.get(canonicalName(option.written));
    if (name === undefined)
      found.push(unknownOption(option.written, { ...table, ...suggested }, option.where));
    else if (option.value === undefined || option.value === null) last.delete(name);
    else last.set(name, option);
  }
  const resolved: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(table)) {
    const option = last.get(name);
    if (option) {
      resolved[name] = readValue(spec, option.value);
      if (resolved[name] === undefined) {
        found.push({
          code: "usage",
          what: `${option.written} is ${show(option.value)}; expected ${expects(spec)}`,
          where: option.where,
          fix: whyRefused(spec, option.value),
        });
      }
    } else if ("default" in spec) resolved[name] = spec.default;
    else if ("required" in spec)
      found.push({ code: "usage", what: `${flagOf(name)} is missing`, fix: `give the ${spec.help}` });
    else resolved[name] = undefined;
  }
  failIfAny(found);
  for (const [name, spec] of Object.entries(table)) {
    if ("defaultFrom" in spec && !last.has(name)) resolved[name] = spec.defaultFrom?.(resolved);
  }
  const options = resolved as Resolved<Table>;
  for (const rule of rules) {
    const broken = rule(options, (name) => last.has(name as string));
    const [what, fix] = typeof broken === "string" ? [broken] : (broken ?? []);
    if (what !== undefined) found.push({ code: "usage", what, fix });
  }
  failIfAny(found);
  return options;
}

function whyRefused(spec: OptionSpec, value: unknown): string | undefined {
  const refused = spec.type === "choice" ? Object.entries(spec.refused ?? {}) : [];
  return refused.find(([name]) => name === value)?.[1];
}

function show(value: unknown): string {
  const text = JSON.stringify(Array.isArray(value) && value.length === 1 ? value[0] : value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 79)}…` : text;
}
