#!/usr/bin/env node
// The words after `phinetune` -> a command run to its end, and its exit code.
import { fail, nearest } from "../errors.js";
import { parseCommandLine } from "../options/command_line.js";
import { canonicalName, namesOf } from "../options/names.js";
import { type GivenOption, type OptionSchema, resolveOptions } from "../options/resolve.js";
import type { OptionTable } from "../options/schema.js";
import { type CommandName, schemas } from "../options.js";
import { ownVersion } from "../run/version.js";
import { commandNames, commands } from "./commands.js";
import { type ExitCode, reportFailure } from "./failure.js";
import { commandHelp, commonTable, optionsPage, programHelp } from "./help.js";
import { createTerminal, type Terminal } from "./terminal.js";

const SHORT = { "-h": "--help" } as const;

/** Runs what the words ask for. */
async function main(words: readonly string[]): Promise<ExitCode> {
  const terminal = createTerminal({ json: words.some((word) => /^--json(=true)?$/i.test(word)) });
  const [first, ...rest] = words;
  const command = commandNames.find((name) => name === first);
  try {
    if (command) return await runCommand(command, rest, terminal);
    return runWithoutCommand(first, rest, terminal);
  } catch (error) {
    return reportFailure(error, terminal, command ? `phinetune ${command} --help` : "phinetune --help");
  }
}

function runWithoutCommand(
  first: string | undefined,
  rest: readonly string[],
  { out, json }: Terminal,
): ExitCode {
  switch (first) {
    case undefined:
    case "-h":
    case "--help":
    case "--help-all":
      out.write(programHelp(ownVersion()));
      return 0;
    case "help":
      out.write(helpOn(rest, helpWidth(out.width)));
      return 0;
    case "-v":
    case "-V":
    case "--version":
    case "version":
      out.write(json ? `${JSON.stringify({ version: ownVersion() })}\n` : `${ownVersion()}\n`);
      return 0;
    default:
      if (first.startsWith("-"))
        fail("usage", `${first} stands before any command`, { fix: "write: phinetune train --model …" });
      return failAtCommand(first);
  }
}

function failAtCommand(word: string): never {
  const near = nearest(word, [...commandNames, "help"]);
  return fail("usage", `there is no command ${JSON.stringify(word)}`, {
    fix: near ? `did you mean ${near}?` : `the commands are ${commandNames.join(", ")}`,
  });
}

/** `help`, `help train`, `help train --all`, `help --markdown` */
function helpOn(words: readonly string[], width: number): string {
  if (words.includes("--markdown")) return optionsPage();
  const all = words.some((word) => word === "--all" || word === "--help-all");
  const topic = words.find((word) => !word.startsWith("-"));
  if (topic === undefined) return programHelp(ownVersion());
  const command = commandNames.find((name) => name === topic) ?? failAtCommand(topic);
  return commandHelp(command, all, width);
}

async function runCommand<Command extends CommandName>(
  command: Command,
  words: readonly string[],
  terminal: Terminal,
): Promise<ExitCode> {
  const schema = schemas[command] as unknown as OptionSchema<OptionTable>;
  const { given, faults } = parseCommandLine(
    { ...schema.table, ...commonTable },
    words,
    SHORT,
    schema.positional,
  );
  const commonNames = namesOf(commonTable);
  const isCommon = ({ written }: GivenOption) => commonNames.has(canonicalName(written));
  const common = resolveOptions({ table: commonTable }, given.filter(isCommon));
  if (common.help || common.helpAll) {
    terminal.out.write(commandHelp(command, common.helpAll, helpWidth(terminal.out.width)));
    return 0;
  }
  const configured = common.config === undefined ? [] : await readConfig(command, common.config);
  const all = [...configured, ...given.filter((option) => !isCommon(option))];
  const options = resolveOptions(schema, all, { faults, suggested: commonTable });
  const names = namesOf(schema.table);
  const isGiven = (name: string) => all.some(({ written }) => names.get(canonicalName(written)) === name);
  const run = await commands[command].load();
  return run({ options: options as never, terminal: { ...terminal, json: common.json }, isGiven, words });
}

async function readConfig(command: CommandName, path: string): Promise<readonly GivenOption[]> {
  const { readConfigFile } = await import("./config_file.js");
  return readConfigFile(path, schemas[command].table, command === "data" ? schemas.train.table : {});
}

function helpWidth(width: number | undefined): number {
  return Math.max(60, Math.min(width ?? 100, 110));
}

process.exitCode = await main(process.argv.slice(2));
