// Evaluations before and after the training -> what changed, metric by metric.
import { labelMetrics, type MetricName, textMetrics } from "../../evaluate/metrics/names.js";
import type { EvaluatedEvent } from "../../train/events.js";

/** How sure it is that a metric changed, and whether for the better. */
export type Verdict = "better" | "worse" | "changed" | "no clear change";

export interface MetricChange {
  readonly name: string;
  readonly group: "loss" | "labels" | "answers";
  readonly says: string;
  readonly before: number | undefined;
  readonly after: number | undefined;
  /** Bounds of the 95 % interval of after − before. */
  readonly interval: readonly [low: number, high: number] | undefined;
  /** undefined where there is no interval to judge by. */
  readonly verdict: Verdict | undefined;
}

const says = {
  loss: "mean cross-entropy of a trained token of the held-out rows; lower is better",
  perplexity: "the exponential of the loss; lower is better",
  token_accuracy: "trained tokens that the model would have chosen itself",
};

/** All metrics that an evaluation has: loss first, then those of labels, then those of texts. */
export function compareEvaluations(
  before: EvaluatedEvent | undefined,
  after: EvaluatedEvent | undefined,
): MetricChange[] {
  if (!before && !after) return [];
  const losses: readonly (readonly [keyof typeof says, (event: EvaluatedEvent) => number])[] = [
    ["loss", ({ eval_loss }) => eval_loss],
    ["perplexity", ({ eval_loss }) => Math.exp(eval_loss)],
    ["token_accuracy", ({ eval_mean_token_accuracy }) => eval_mean_token_accuracy],
  ];
  const changes: MetricChange[] = losses.map(([name, read]) => ({
    name,
    group: "loss",
    says: says[name],
    before: before && read(before),
    after: after && read(after),
    interval: undefined,
    verdict: undefined,
  }));
  for (const [group, table] of [
    ["labels", labelMetrics],
    ["answers", textMetrics],
  ] as const) {
    for (const [name, { better, says: text }] of Object.entries(table)) {
      const metric = name as MetricName;
      const [then, now] = [before?.[`eval_${metric}`], after?.[`eval_${metric}`]];
      if (then === undefined && now === undefined) continue;
      const estimate = after?.eval_change?.[metric];
      changes.push({
        name,
        group,
        says: text,
        before: then,
        after: now,
        interval: estimate && [estimate.low, estimate.high],
        verdict: estimate && judge(estimate.low, estimate.high, better),
      });
    }
  }
  return changes;
}

/** An interval that holds 0 leaves open which way the metric went. */
function judge(low: number, high: number, better: "higher" | "lower" | undefined): Verdict {
  if (low <= 0 && high >= 0) return "no clear change";
  if (better === undefined) return "changed";
  return low > 0 === (better === "higher") ? "better" : "worse";
}

/** How the page colours a verdict; the word stands beside the colour. */
export function verdictClass(verdict: Verdict | undefined): string {
  return verdict === "better" ? "good" : verdict === "worse" ? "bad" : "open";
}
