// `phinetune train`: options -> a run with its progress, and a summary at the end.

import { flagOf } from "../options/names.js";
import { adapterOptions } from "../options/train.js";
import type { ExitCode } from "./failure.js";
import { listenForInterrupt } from "./interrupt.js";
import type { Invocation } from "./invocation.js";
import { createProgress } from "./progress.js";
import { pushProduct } from "./push.js";
import {
  addEvent,
  emptyRecord,
  type NextCommand,
  type RunRecord,
  summaryJson,
  summaryText,
} from "./train_summary.js";

export async function runTrain({
  options,
  terminal,
  isGiven,
  words,
}: Invocation<"train">): Promise<ExitCode> {
  const { out, log, json } = terminal;
  const { fineTune } = await import("../fine-tune.js");
  const progress = createProgress(log, options);
  const unused = options.adapter === undefined ? [] : adapterOptions.filter(isGiven);
  if (unused.length > 0)
    progress.note(
      `${log.paint("warning:", "yellow")} ${unused.map(flagOf).join(", ")} ${unused.length === 1 ? "has" : "have"} no effect: the adapter in ${options.adapter} brings its own settings`,
    );
  const { pushToHub: repository, hubPrivateRepo: isPrivate } = options;
  if (repository !== undefined) await (await import("../push.js")).checkPush({ repository });
  let record: RunRecord = emptyRecord;
  const interrupt = listenForInterrupt(() => {
    if (record.started)
      progress.note("interrupted: a checkpoint is saved after this step; a second Ctrl-C leaves at once");
  });
  try {
    for await (const event of fineTune(options, { signal: interrupt.signal })) {
      progress.show(event);
      record = addEvent(record, event);
    }
  } finally {
    progress.end();
    interrupt.release();
  }
  const next = nextCommands(record, options, words);
  if (!json) out.write(summaryText(record, next, out));
  const { finished } = record;
  const pushed =
    repository !== undefined && finished && !finished.interrupted
      ? { pushed: await pushProduct(finished.output_dir, { repository, isPrivate }, log) }
      : {};
  if (json) out.write(`${JSON.stringify({ ...summaryJson(record, next), ...pushed })}\n`);
  return record.finished?.interrupted ? 130 : 0;
}

function nextCommands(
  { started, finished }: RunRecord,
  { model, method }: Invocation<"train">["options"],
  words: readonly string[],
): readonly NextCommand[] {
  if (!started || !finished) return [];
  const folder = finished.output_dir;
  const ask = {
    purpose: "ask the trained model",
    command: shellCommand([
      "generate",
      ...(method === "full" ? ["--model", folder] : ["--model", model, "--adapter", folder]),
      "--instruction",
      "…",
    ]),
  };
  if (!finished.interrupted) return [ask];
  const given = words.filter((word) => word !== "--overwrite-output-dir");
  if (finished.step === 0) {
    const again = ["train", ...given, "--output-dir", folder, "--overwrite-output-dir"];
    return [{ purpose: "nothing was trained yet: start again", command: shellCommand(again) }];
  }
  return [
    {
      purpose: "go on exactly where it stopped",
      command: shellCommand(["train", ...given, "--output-dir", folder, "--resume-from-checkpoint"]),
    },
    ask,
  ];
}

/** A line for a POSIX shell. */
function shellCommand(words: readonly string[]): string {
  const quote = (word: string) =>
    /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
  return ["phinetune", ...words.map(quote)].join(" ");
}
