// Events of a run -> what is shown while it goes: one line that is redrawn in a terminal, plain lines elsewhere.
import type { StartedEvent, StepEvent, TrainEvent } from "../train/events.js";
import { createTransferLine } from "./download.js";
import { bytes, count, duration, loss, packingText, plural } from "./quantities.js";
import type { Output } from "./terminal.js";

export interface Progress {
  show(event: TrainEvent): void;
  /** A line above the bar. */
  note(text: string): void;
  /** Removes the bar. */
  end(): void;
}

export interface ProgressOptions {
  /** Steps between plain lines. */
  readonly loggingSteps: number;
  /** Milliseconds between redraws. */
  readonly interval?: number;
}

/** `trainable params: 4,096 || all params: 120,448 || trainable%: 3.4006`, as PEFT prints it. */
export function trainableLine({
  trainable_params,
  all_params,
}: Pick<StartedEvent, "trainable_params" | "all_params">): string {
  const percent = ((100 * trainable_params) / all_params).toFixed(4);
  return `trainable params: ${count(trainable_params)} || all params: ${count(all_params)} || trainable%: ${percent}`;
}

/** Shows a run on an output; with a width, as a bar. */
export function createProgress(output: Output, { loggingSteps, interval = 80 }: ProgressOptions): Progress {
  let started: StartedEvent | undefined;
  let bar = "";
  let drawnAt = Number.NEGATIVE_INFINITY;
  let pace: Pace = noPace;
  const transfer = createTransferLine(output);

  const erase = () => {
    if (bar !== "") output.write("\r\u001b[K");
    bar = "";
  };
  const note = (text: string) => {
    const line = bar;
    erase();
    output.write(`${text}\n`);
    if (line !== "") draw(line);
  };
  const draw = (line: string) => {
    if (output.width === undefined) return;
    erase();
    bar = line.slice(0, output.width - 1);
    output.write(bar);
  };
  const showStep = (event: StepEvent) => {
    pace = updatePace(pace, event);
    const isLast = event.step === started?.max_steps;
    if (output.width === undefined) {
      if (event.step % loggingSteps === 0 || event.step === 1 || isLast)
        output.write(`${plainLine(event, pace, started)}\n`);
      return;
    }
    if (!isLast && performance.now() - drawnAt < interval) return;
    drawnAt = performance.now();
    draw(barLine(event, pace, started, output.width - 1));
  };

  return {
    note,
    end() {
      transfer.erase();
      erase();
    },
    show(event) {
      if (event.type !== "downloading") transfer.erase();
      switch (event.type) {
        case "downloading":
          return transfer.show(event);
        case "started":
          started = event;
          note(
            `${plural(event.train_rows, "row")} to train on, ${count(event.eval_rows)} held out, ${count(event.dropped_rows)} left out; ${plural(event.max_steps, "step")}, ${plural(event.modules, "adapted module")}`,
          );
          if (event.packing) note(`packed: ${packingText(event.packing)}`);
          note(trainableLine(event));
          return draw(
            event.eval_rows > 0 ? "evaluating the base on the held-out rows …" : "preparing the first step …",
          );
        case "expected":
          note(`expected memory: ${bytes(event.memory_bytes)} at the peak`);
          for (const warning of event.warnings) note(`${output.paint("warning:", "yellow")} ${warning}`);
          return;
        case "rounding":
          if (event.repaired !== undefined)
            note(`${output.paint("warning:", "yellow")} made again, for it was damaged: ${event.repaired}`);
          if (event.done === 0)
            note(`rounding the weights of ${plural(event.modules, "layer")} to ${event.bits} bits …`);
          return draw(`rounding weights to ${event.bits} bits: ${event.done}/${event.modules}`);
        case "step":
          return showStep(event);
        case "evaluated":
          note(
            `held-out loss ${loss(event.eval_loss)} ${event.phase === "during" ? `at step ${event.step}` : `${event.phase} training`}, token accuracy ${event.eval_mean_token_accuracy.toFixed(4)} (${duration(event.eval_runtime)})`,
          );
          return;
        case "answering":
          draw(`answering the held-out rows ${event.phase} training: ${event.done}/${event.rows}`);
          return;
        case "warned":
          return note(`${output.paint("warning:", "yellow")} ${event.message}`);
        case "saved":
          erase();
          return note(
            `saved ${event.path === "." ? "to the output folder" : event.path} after step ${event.step}`,
          );
        case "failed":
        case "finished":
          return erase();
        case "sampled":
          return;
      }
    },
  };
}

/** How fast it goes: totals with older steps counting less, so that the estimate follows the machine. */
interface Pace {
  readonly seconds: number;
  readonly tokens: number;
  readonly steps: number;
  /** `num_tokens` of the last step. */
  readonly seen: number;
}

const noPace: Pace = { seconds: 0, tokens: 0, steps: 0, seen: 0 };
const MEMORY_OF_PACE = 0.95;

function updatePace(pace: Pace, { num_tokens, step_seconds }: StepEvent): Pace {
  return {
    seconds: pace.seconds * MEMORY_OF_PACE + step_seconds,
    tokens: pace.tokens * MEMORY_OF_PACE + num_tokens - pace.seen,
    steps: pace.steps * MEMORY_OF_PACE + 1,
    seen: num_tokens,
  };
}

function figures(event: StepEvent, pace: Pace, started: StartedEvent | undefined) {
  const left = (started?.max_steps ?? event.step) - event.step;
  return {
    position: `${event.step}/${started?.max_steps ?? "?"}`,
    rate: `${count(pace.tokens / Math.max(pace.seconds, 1e-9))} tokens/s`,
    eta: `ETA ${duration((left * pace.seconds) / pace.steps)}`,
    memory: bytes(process.memoryUsage.rss()),
  };
}

function plainLine(event: StepEvent, pace: Pace, started: StartedEvent | undefined): string {
  const { position, rate, eta, memory } = figures(event, pace, started);
  return `step ${position}  loss ${loss(event.loss)}  grad_norm ${event.grad_norm.toPrecision(4)}  lr ${event.learning_rate.toExponential(2)}  epoch ${event.epoch.toFixed(2)}  ${rate}  ${eta}  ${memory}`;
}

/** The widest form that fits: the bar shrinks first, then the last figures go. */
function barLine(event: StepEvent, pace: Pace, started: StartedEvent | undefined, width: number): string {
  const { position, rate, eta, memory } = figures(event, pace, started);
  const parts = [position, `loss ${loss(event.loss)}`, eta, rate, memory];
  while (parts.length > 2 && parts.join("  ").length > width) parts.pop();
  const [head, ...rest] = parts;
  const text = `${head}  ${rest.join("  ")}`;
  const room = Math.min(30, width - text.length - 2);
  if (room < 5) return text;
  const full = Math.round((room * event.step) / Math.max(started?.max_steps ?? event.step, 1));
  return `${head}  ${"█".repeat(full)}${"░".repeat(Math.max(0, room - full))}  ${rest.join("  ")}`;
}
