// Evaluations one after another -> which was the best, and whether it is time to stop.
import { fail } from "../errors.js";
import { describeMetric, type MetricName } from "../evaluate/metrics/index.js";
import type { TrainOptions } from "../options.js";
import type { EvaluatedEvent } from "./events.js";

/** What is remembered of the evaluations during a training. */
export interface BestState {
  /** Step of the best evaluation; 0 before the first. */
  step: number;
  value: number | null;
  /** Evaluations since then. */
  without_improvement: number;
}

export const noBest = (): BestState => ({ step: 0, value: null, without_improvement: 0 });

export type BestOptions = Pick<
  TrainOptions,
  "metricForBestModel" | "greaterIsBetter" | "earlyStoppingPatience" | "earlyStoppingThreshold"
>;

/** Notes an evaluation. @returns whether it is the best so far. @throws when it lacks the metric */
export function noteEvaluation(best: BestState, event: EvaluatedEvent, options: BestOptions): boolean {
  const name = options.metricForBestModel.replace(/^eval_/, "");
  const value = (event as unknown as Readonly<Record<string, unknown>>)[`eval_${name}`];
  if (typeof value !== "number") {
    const known = Object.keys(event).flatMap((key) => (key.startsWith("eval_") ? [key.slice(5)] : []));
    fail("usage", `--metric-for-best-model is ${name}, which this evaluation does not have`, {
      fix: `give one of ${known.join(", ")}${known.includes("f1") ? "" : "; more come with --predict-with-generate"}`,
    });
  }
  const sign = isGreaterBetter(name, options) ? 1 : -1;
  const gain = best.value === null ? Number.POSITIVE_INFINITY : sign * (value - best.value);
  if (gain > 0) {
    best.step = event.step;
    best.value = value;
  }
  best.without_improvement = gain > options.earlyStoppingThreshold ? 0 : best.without_improvement + 1;
  return gain > 0;
}

/** Whether the evaluations have not got better for as long as the patience allows. */
export function isPatienceOver(best: BestState, { earlyStoppingPatience }: BestOptions): boolean {
  return earlyStoppingPatience > 0 && best.without_improvement >= earlyStoppingPatience;
}

/** Losses and times go down, everything else up, unless its description says otherwise. */
function isGreaterBetter(name: string, { greaterIsBetter }: BestOptions): boolean {
  if (greaterIsBetter !== "auto") return greaterIsBetter === "true";
  if (/loss|runtime/.test(name)) return false;
  const { better } = describeMetric(name as MetricName) ?? { better: "higher" };
  return better !== "lower";
}
