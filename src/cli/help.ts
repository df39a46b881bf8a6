// The tables of options and commands -> help texts, and the table of options for the documentation.

import { placeholderOf } from "../options/kinds.js";
import { flagOf } from "../options/names.js";
import { type OptionSpec, type OptionTable, sections } from "../options/schema.js";
import type { CommandName } from "../options.js";
import { schemas } from "../options.js";
import { commandNames, commands } from "./commands.js";
import { wrap } from "./terminal.js";

/** Options that every command has; they cannot stand in a configuration file. */
export const commonTable = {
  config: {
    type: "text",
    section: "Output",
    placeholder: "FILE",
    help: "YAML file of options (lora_r: 16); what stands on the command line goes first",
  },
  json: { type: "flag", default: false, section: "Output", help: "print the results as one JSON value" },
  help: { type: "flag", default: false, section: "Output", help: "this help" },
  helpAll: { type: "flag", default: false, section: "Output", help: "all options" },
} as const satisfies OptionTable;

const LEFT = 36;

/** Help of the program. */
export function programHelp(version: string): string {
  const longest = Math.max(...commandNames.map(({ length }) => length));
  return [
    `phinetune ${version}: fine-tune small language models with LoRA, in TypeScript, without Python`,
    "",
    "Usage: phinetune <command> [options]",
    "",
    "Commands:",
    ...commandNames.map((name) => `  ${name.padEnd(longest)}  ${commands[name].summary}`),
    "",
    "phinetune <command> --help shows the options of a command, phinetune --version the version.",
    "Results go to standard output, progress to standard error; --json makes the results one JSON value.",
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.",
    "",
    "Examples:",
    ...commandNames.map((name) => `  ${commands[name].examples[0]}`),
    "",
  ].join("\n");
}

/** Help of a command. @param all with the advanced options */
export function commandHelp(command: CommandName, all: boolean, width = 100): string {
  const { about, examples } = commands[command];
  const options: readonly (readonly [string, OptionSpec])[] = [
    ...Object.entries(schemas[command].table),
    ...Object.entries(commonTable),
  ];
  const isShown = ([, spec]: readonly [string, OptionSpec]) => all || !spec.advanced;
  const hidden = options.filter((option) => !isShown(option)).length;
  const lines = [
    wrap(`phinetune ${command}: ${commands[command].summary}`, width),
    "",
    wrap(about, width),
    "",
    `Usage: phinetune ${command} ${usage(schemas[command])}`,
  ];
  for (const section of sections) {
    const shown = options.filter((option) => option[1].section === section && isShown(option));
    if (shown.length === 0) continue;
    lines.push("", `${section}:`);
    for (const [name, spec] of shown) {
      const left = `  ${flagOf(name)}${spec.type === "flag" ? "" : ` ${placeholderOf(spec)}`}`;
      const right = wrap(`${spec.help}${defaultNote(spec)}`, width, " ".repeat(LEFT));
      lines.push(
        left.length < LEFT - 1 ? `${left.padEnd(LEFT)}${right}` : `${left}\n${" ".repeat(LEFT)}${right}`,
      );
    }
  }
  lines.push("", "Examples:", ...examples.map((example) => `  ${example}`), "");
  if (hidden > 0) lines.push(`${hidden} more options: phinetune ${command} --help-all`, "");
  return lines.join("\n");
}

function usage({
  table,
  positional = [],
}: {
  readonly table: OptionTable;
  readonly positional?: readonly string[];
}): string {
  const required = Object.entries(table).filter(([, spec]) => "required" in spec);
  const shown = required.map(([name, spec]) =>
    positional.includes(name) ? placeholderOf(spec) : `${flagOf(name)} ${placeholderOf(spec)}`,
  );
  return [...shown, "[options]"].join(" ");
}

function defaultOf(spec: OptionSpec): string | undefined {
  if ("default" in spec && spec.default !== undefined) return String(spec.default);
  return "defaultText" in spec ? spec.defaultText : undefined;
}

function defaultNote(spec: OptionSpec): string {
  const value = defaultOf(spec);
  return value === undefined || value === "false" ? "" : ` [${value}]`;
}

/** The Markdown page of all options. */
export function optionsPage(): string {
  const cell = (text: string) => text.replaceAll("|", "\\|");
  const row = ([name, spec]: readonly [string, OptionSpec]) => {
    const value = spec.type === "flag" ? "flag" : `\`${placeholderOf(spec)}\``;
    const standard = "required" in spec ? "required" : (defaultOf(spec) ?? "");
    const aliases = (spec.aliases ?? []).map((alias) => `\`${flagOf(alias)}\``).join(", ");
    return `| \`${flagOf(name)}\`${aliases && ` (${aliases})`} | ${cell(value)} | ${cell(standard)} | ${cell(spec.help)} |`;
  };
  const heading = ["| option | value | default | meaning |", "|---|---|---|---|"];
  return [
    "# Options",
    "",
    "Made from `src/options/` by `npm run docs:options`; a test holds it to them.",
    "",
    "In a YAML file (`--config run.yaml`) the same names stand with underscores, hyphens or in camelCase: `lora_r: 16`. The command line goes before the file. A flag is `--name`, `--no-name`, or `--name true|false`; a list takes several words, or one with commas.",
    ...commandNames.flatMap((command) => [
      "",
      `## phinetune ${command}`,
      "",
      ...heading,
      ...Object.entries(schemas[command].table).map(row),
    ]),
    "",
    "## Every command",
    "",
    ...heading,
    ...Object.entries(commonTable).map(row),
    "",
  ].join("\n");
}
