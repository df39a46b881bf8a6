// The story of a run -> the top of its report: what was trained on what, how it ended, and what it brought.
import type { Manifest } from "../manifest.js";
import { breakable, type Html, html } from "./html.js";
import { compareEvaluations, type MetricChange, verdictClass } from "./metrics.js";
import { bytes, count, duration, percent, plural, score, signed } from "./numbers.js";
import type { Story } from "./story.js";

/** Metrics with a tile: of labels where there are labels, else of words. */
const LABEL_TILES = ["macro_precision", "macro_recall", "macro_f1", "accuracy"];
const TEXT_TILES = ["precision", "recall", "f1", "exact_match"];

const TITLES: Readonly<Record<string, string>> = {
  loss: "Held-out loss",
  perplexity: "Perplexity",
  token_accuracy: "Token accuracy",
  macro_precision: "Label precision (macro)",
  macro_recall: "Label recall (macro)",
  macro_f1: "Label F1 (macro)",
  accuracy: "Label accuracy",
  precision: "Answer precision",
  recall: "Answer recall",
  f1: "Answer F1",
  exact_match: "Exact match",
};

/** Name of the run, how it ended, and its main facts. */
export function header(story: Story, { options }: Manifest): Html {
  const { started, end, steps } = story;
  const { method } = options as { readonly method?: string };
  const [kind, text] = endOf(story);
  const facts = [
    started &&
      `${method === "full" ? "all parameters" : "LoRA"}: ${count(started.trainable_params)} of ${count(started.all_params)} parameters (${percent(started.trainable_params / started.all_params)}) trained`,
    started &&
      `${plural(started.train_rows, "row")} to train on, ${started.eval_rows === 0 ? "none" : count(started.eval_rows)} held out`,
    steps.length > 0 &&
      `${plural(steps.at(-1)!.step, "step")}, ${count(Number(steps.at(-1)!.epoch.toFixed(2)))} epochs, ${plural(steps.at(-1)!.num_tokens, "token")}`,
    end?.type === "finished" &&
      `${duration(end.train_runtime)} of training, ${count(Math.round(end.tokens_per_second))} tokens/s, ${bytes(end.peak_memory_bytes)} at peak`,
  ].filter((fact) => typeof fact === "string");
  return html`<header>
<p class="kicker">phinetune report</p>
<h1>${breakable(started?.model ?? "A run", "/")}${started && html` <span class="on">on</span> ${breakable(started.dataset, "/")}`}</h1>
<p class="status ${kind}"><strong>${kind}</strong> <span>${text}</span></p>
<ul class="facts">${facts.map((fact) => html`<li>${fact}</li>`)}</ul>
</header>`;
}

function endOf({ started, end, steps }: Story): readonly [kind: string, text: string] {
  const last = steps.at(-1)?.step ?? 0;
  if (!end) return ["unfinished", `the log stops after step ${last}: the run goes on, or was killed`];
  if (end.type === "failed") return ["failed", `after step ${end.step}: ${end.message}`];
  if (end.interrupted)
    return ["interrupted", `after step ${end.step}${started ? ` of ${started.max_steps}` : ""}`];
  if (end.best_step !== undefined)
    return [
      "finished",
      `after step ${end.step}; the saved values are those of step ${end.best_step}, the best`,
    ];
  return ["finished", `after ${plural(end.step, "step")}`];
}

/** Tiles of the figures that matter most, and the warnings. */
export function headline(story: Story): Html {
  const { before, after } = story;
  const changes = compareEvaluations(before, after);
  const shown = changes.some(({ group }) => group === "labels") ? LABEL_TILES : TEXT_TILES;
  const tiles = [
    ...changes.filter(({ group }) => group === "loss").map(tile),
    trainingTile(story),
    ...shown.flatMap((name) => changes.filter((change) => change.name === name)).map(tile),
  ];
  const note = noteOn(story);
  return html`<section aria-labelledby="result"><h2 id="result">Result</h2>
${note && html`<p class="note">${note}</p>`}
<div class="tiles">${tiles}</div></section>`;
}

function noteOn({ started, before, after }: Story): Html | undefined {
  if (!before && !after)
    return started && started.eval_rows > 0
      ? html`The held-out rows were not evaluated.`
      : html`No rows were held out, so nothing here tells how the model does on rows that it has not seen. <code>--eval-size 0.05</code> holds some out.`;
  if (!after) return html`There is no evaluation after the first step: the figures are those of the base.`;
  if (after.phase === "during")
    return html`“After” is the last evaluation during the training, at step ${count(after.step)}.`;
  return undefined;
}

function trainingTile({ steps, end }: Story): Html | undefined {
  // A loss that is not finite is null in JSON.
  const losses = steps.map(({ loss }) => loss as number | null).filter((loss) => loss !== null);
  const mean = end?.type === "finished" ? `; mean ${score(end.train_loss)}` : "";
  return losses.length > 0
    ? html`<div class="tile"><h3>Training loss</h3><p class="figures">${pair(losses[0], losses.at(-1))}</p><p class="change">first and last step${mean}</p></div>`
    : undefined;
}

function tile({ name, before, after, interval, verdict }: MetricChange): Html {
  return html`<div class="tile"><h3>${TITLES[name] ?? name}</h3><p class="figures">${pair(before, after)}</p>${
    before !== undefined && after !== undefined
      ? html`<p class="change">${
          interval
            ? html`<span class="verdict ${verdictClass(verdict)}">${verdict}</span> ${signed(after - before)} <span class="interval">[${signed(interval[0])}, ${signed(interval[1])}]</span>`
            : before > 0 && name !== "token_accuracy"
              ? `${signed((100 * (after - before)) / before, (size) => size.toFixed(1))} %`
              : signed(after - before)
        }</p>`
      : undefined
  }</div>`;
}

function pair(before: number | undefined, after: number | undefined): Html {
  const value = (number: number | undefined) => (number === undefined ? "–" : score(number));
  return html`<span class="before"><span class="hidden">before </span>${value(before)}</span> <span class="arrow" aria-hidden="true">→</span> <span class="after"><span class="hidden">after </span>${value(after)}</span>`;
}
