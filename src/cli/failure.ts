// An error -> what the user sees of it, and the exit code.
import { PhinetuneError, renderFaults } from "../errors.js";
import type { Terminal } from "./terminal.js";

/** 0 done, 1 failed, 2 wrong usage, 130 interrupted. */
export type ExitCode = 0 | 1 | 2 | 130;

/** Prints an error, as JSON too where results are JSON. @param help the command that shows the right usage */
export function reportFailure(error: unknown, { log, out, json }: Terminal, help: string): ExitCode {
  const showsStack = process.env.PHINETUNE_DEBUG === "1";
  const isOurs = error instanceof PhinetuneError;
  const message = error instanceof Error ? error.message : String(error);
  const lines = isOurs ? renderFaults(error.faults).split("\n") : [`unexpected: ${message}`];
  for (const line of lines) log.write(`${log.paint("error:", "red")} ${line}\n`);
  if (showsStack && error instanceof Error) {
    log.write(`${error.stack ?? ""}\n`);
    if (error.cause instanceof Error) log.write(`caused by ${error.cause.stack ?? error.cause.message}\n`);
  } else if (!isOurs) {
    log.write("This should not have happened. PHINETUNE_DEBUG=1 shows where it did.\n");
  }
  const exitCode = isOurs ? error.exitCode : 1;
  if (exitCode === 2) log.write(`See ${help}\n`);
  if (json) {
    const faults = isOurs ? error.faults : [{ code: "unexpected", what: message }];
    out.write(`${JSON.stringify({ error: { message: lines.join("\n"), faults } })}\n`);
  }
  return exitCode;
}
