// What a command is run with: resolved options and a terminal to speak through.
import type { CommandName, OptionsOf } from "../options.js";
import type { ExitCode } from "./failure.js";
import type { Terminal } from "./terminal.js";

export interface Invocation<Command extends CommandName> {
  readonly options: OptionsOf<Command>;
  readonly terminal: Terminal;
  /** Whether the user gave an option, in a file or as a flag. */
  readonly isGiven: (name: string) => boolean;
  /** The words after the command, as they were written. */
  readonly words: readonly string[];
}

/** A command's code: runs to the end and tells the exit code. */
export type Run<Command extends CommandName> = (invocation: Invocation<Command>) => Promise<ExitCode>;
