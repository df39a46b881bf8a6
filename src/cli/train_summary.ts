// Events of a run -> what is printed at its end.
import type { MetricName } from "../evaluate/metrics/index.js";
import type {
  EvaluatedEvent,
  FinishedEvent,
  SampledEvent,
  StartedEvent,
  TrainEvent,
} from "../train/events.js";
import { trainableLine } from "./progress.js";
import { bytes, count, duration, loss, plural } from "./quantities.js";
import { type Output, printable } from "./terminal.js";

/** What of a run its summary tells. */
export interface RunRecord {
  readonly started: StartedEvent | undefined;
  readonly finished: FinishedEvent | undefined;
  readonly before: EvaluatedEvent | undefined;
  readonly after: EvaluatedEvent | undefined;
  readonly samples: readonly SampledEvent[];
  readonly warnings: readonly string[];
}

export const emptyRecord: RunRecord = {
  started: undefined,
  finished: undefined,
  before: undefined,
  after: undefined,
  samples: [],
  warnings: [],
};

/** The record with one more event in it. */
export function addEvent(record: RunRecord, event: TrainEvent): RunRecord {
  switch (event.type) {
    case "started":
      return { ...record, started: event };
    case "finished":
      return { ...record, finished: event };
    case "evaluated":
      return event.phase === "during" ? record : { ...record, [event.phase]: event };
    case "sampled":
      return { ...record, samples: [...record.samples, event] };
    case "warned":
      return { ...record, warnings: [...record.warnings, event.message] };
    default:
      return record;
  }
}

/** A command that the user can paste, with its purpose. */
export interface NextCommand {
  readonly purpose: string;
  readonly command: string;
}

/** The summary as text. */
export function summaryText(
  { started, finished, before, after, samples }: RunRecord,
  next: readonly NextCommand[],
  out: Output,
): string {
  if (!started || !finished) return "";
  const lines: string[] = [];
  const row = (name: string, value: string) => lines.push(`${name.padEnd(18)}${value}`);
  lines.push(
    finished.interrupted
      ? out.paint(`Interrupted after step ${finished.step} of ${started.max_steps}.`, "yellow")
      : out.paint(`Trained for ${plural(finished.step, "step")}.`, "bold"),
    trainableLine(started),
  );
  row("training loss", loss(finished.train_loss));
  if (before && after) {
    row(
      "held-out loss",
      arrow(before, after, ({ eval_loss }) => loss(eval_loss)),
    );
    row(
      "perplexity",
      arrow(before, after, ({ eval_loss }) => Math.exp(eval_loss).toFixed(3)),
    );
    row(
      "token accuracy",
      arrow(before, after, (event) => event.eval_mean_token_accuracy.toFixed(4)),
    );
  }
  if (before && after) lines.push(...answerRows(before, after));
  row("time", `${duration(finished.train_runtime)}, ${count(finished.tokens_per_second)} tokens/s`);
  row("peak memory", bytes(finished.peak_memory_bytes));
  row("folder", finished.output_dir);
  row("report", `${finished.output_dir}/report.html`);
  for (const { prompt, reference, answer, phase } of samples.filter(({ phase }) => phase === "after")) {
    const earlier = samples.find((sample) => sample.phase === "before" && sample.prompt === prompt);
    lines.push("", out.paint("A held-out row", "bold"), quoted("prompt", prompt, out));
    if (earlier) lines.push(quoted("before", earlier.answer, out));
    lines.push(quoted(phase, answer, out), quoted("reference", reference, out));
  }
  if (next.length > 0) lines.push("", out.paint("Next", "bold"));
  for (const { purpose, command } of next)
    lines.push(`  ${out.paint(`# ${purpose}`, "dim")}`, `  ${command}`);
  return `${lines.join("\n")}\n`;
}

/** The summary as JSON. */
export function summaryJson(
  { started, finished, before, after, samples, warnings }: RunRecord,
  next: readonly NextCommand[],
): object {
  return {
    started,
    eval_before: before ?? null,
    eval_after: after ?? null,
    perplexity_before: before ? Math.exp(before.eval_loss) : null,
    perplexity_after: after ? Math.exp(after.eval_loss) : null,
    samples,
    warnings,
    finished,
    next,
  };
}

function arrow(
  before: EvaluatedEvent,
  after: EvaluatedEvent,
  show: (event: EvaluatedEvent) => string,
): string {
  return `${show(before)} -> ${show(after)}`;
}

/** The metrics of answers that a person looks at first, with the interval of the change; --json has all. */
const SHOWN_METRICS = [
  ["exact_match", "exact match"],
  ["f1", "answer F1"],
  ["precision", "answer precision"],
  ["recall", "answer recall"],
  ["rougeL_f1", "ROUGE-L F1"],
  ["macro_precision", "label precision"],
  ["macro_recall", "label recall"],
  ["macro_f1", "label macro F1"],
  ["stop_rate", "stop rate"],
] as const satisfies readonly (readonly [MetricName, string])[];

function answerRows(before: EvaluatedEvent, after: EvaluatedEvent): string[] {
  return SHOWN_METRICS.flatMap(([name, label]) => {
    const [from, to] = [before[`eval_${name}`], after[`eval_${name}`]];
    if (from === undefined || to === undefined) return [];
    const change = after.eval_change?.[name];
    const signed = (x: number) => `${x < 0 ? "-" : "+"}${Math.abs(x).toFixed(3)}`;
    const interval = change ? `   (${signed(change.low)} to ${signed(change.high)})` : "";
    return [`${label.padEnd(18)}${from.toFixed(3)} -> ${to.toFixed(3)}${interval}`];
  });
}

const MAX_SHOWN = 1200;

function quoted(name: string, text: string, out: Output): string {
  const shown = text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)} …` : text;
  const lines = printable(shown.trim()).split("\n");
  return lines.map((line, i) => `${out.paint((i === 0 ? name : "").padEnd(10), "dim")}| ${line}`).join("\n");
}
