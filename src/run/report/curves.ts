// Steps and evaluations of a run -> the points of its curves, few enough for a page that opens at once.
import type { EvaluatedEvent, StepEvent } from "../../train/events.js";
import type { Story } from "./story.js";

/** Numbers, `null` where a series has no point. */
type Column = readonly (number | null)[];

export interface Series {
  readonly label: string;
  /** Which of the page's colours. */
  readonly color: "faint" | "main" | "second" | "third" | "fourth" | "fifth";
  /** Drawn with its points, and across steps without one. */
  readonly sparse?: true;
  readonly dashed?: true;
}

export interface Chart {
  readonly id: string;
  readonly title: string;
  /** Of the values, `""` for none. */
  readonly unit: string;
  readonly series: readonly Series[];
  /** Steps, then the values of each series. */
  readonly columns: readonly Column[];
  /** Whether a logarithmic axis makes sense. */
  readonly log: boolean;
  /** Whether the axis begins at 0. */
  readonly zero: boolean;
  readonly wide: boolean;
  /** Steps that the curves stand for. */
  readonly steps: number;
  /** Steps that are drawn. */
  readonly shown: number;
}

/** Steps that a chart draws at most: twice as many as it is wide. */
const MAX_STEPS = 2000;

/** Metrics of the chart of evaluations, the first five that there are. */
const SHOWN_METRICS = [
  ["eval_macro_f1", "label macro F1"],
  ["eval_macro_precision", "label precision"],
  ["eval_macro_recall", "label recall"],
  ["eval_f1", "answer F1"],
  ["eval_exact_match", "exact match"],
  ["eval_rougeL_f1", "ROUGE-L F1"],
  ["eval_mean_token_accuracy", "token accuracy"],
] as const;

const METRIC_COLORS = ["main", "second", "third", "fourth", "fifth"] as const;

/** The charts of a run, without those that would be empty. */
export function chartsOf({ steps, evaluations }: Story, maxGradNorm: number): Chart[] {
  const x = steps.map(({ step }) => step);
  const losses = steps.map(({ loss }) => loss);
  const norms = steps.map(({ grad_norm }) => grad_norm);
  const rates = steps.map(({ learning_rate }) => learning_rate);
  const speeds = speedsOf(steps);
  const window = Math.max(5, Math.round(steps.length / 50));
  const smoothed = `smoothed over ${window} steps`;
  const about = (shown: readonly unknown[]) => ({ steps: steps.length, shown: shown.length });
  const charts: Chart[] = [];
  if (steps.length > 0) {
    const kept = thin(losses);
    charts.push({
      id: "loss",
      title: "Loss",
      unit: "",
      series: [
        { label: "each step", color: "faint" },
        { label: smoothed, color: "main" },
        ...(evaluations.length > 0
          ? [{ label: "held-out rows", color: "second", sparse: true } as const]
          : []),
      ],
      columns: withEvaluations(pick(kept, x, losses, smooth(losses, window)), evaluations),
      log: true,
      zero: false,
      wide: true,
      ...about(kept),
    });
  }
  const metrics = SHOWN_METRICS.filter(([name]) => evaluations.some((event) => event[name] !== undefined));
  if (evaluations.length > 1 && metrics.length > 0) {
    const shown = metrics.slice(0, METRIC_COLORS.length);
    const kept = thin(evaluations.map((event) => event[shown[0]![0]] ?? null));
    const values = shown.map(([name]) => evaluations.map((event) => event[name] ?? null));
    const at = evaluations.map(({ step }) => step);
    charts.push({
      id: "evaluation",
      title: "Held-out rows",
      unit: "",
      series: shown.map(([, label], i) => ({ label, color: METRIC_COLORS[i]!, sparse: true })),
      columns: oneAStep(pick(kept, at, ...values)),
      log: false,
      zero: true,
      wide: false,
      steps: evaluations.length,
      shown: kept.length,
    });
  }
  if (steps.length > 0) {
    const keptRates = thin(rates);
    const keptNorms = thin(norms);
    const keptSpeeds = thin(speeds);
    const isClipped = maxGradNorm > 0 && norms.some((norm) => norm > maxGradNorm);
    charts.push(
      {
        id: "learning-rate",
        title: "Learning rate",
        unit: "",
        series: [{ label: "learning rate", color: "main" }],
        columns: pick(keptRates, x, rates),
        log: false,
        zero: true,
        wide: false,
        ...about(keptRates),
      },
      {
        id: "grad-norm",
        title: "Gradient norm before clipping",
        unit: "",
        series: [
          { label: "each step", color: "faint" },
          { label: smoothed, color: "main" },
          ...(isClipped ? [{ label: "clipped to", color: "second", dashed: true } as const] : []),
        ],
        columns: [
          ...pick(keptNorms, x, norms, smooth(norms, window)),
          ...(isClipped ? [keptNorms.map(() => maxGradNorm)] : []),
        ],
        log: true,
        zero: true,
        wide: false,
        ...about(keptNorms),
      },
      {
        id: "speed",
        title: "Speed",
        unit: "tokens/s",
        series: [
          { label: "each step", color: "faint" },
          { label: smoothed, color: "main" },
        ],
        columns: pick(keptSpeeds, x, speeds, smooth(speeds, window)),
        log: false,
        zero: true,
        wide: false,
        ...about(keptSpeeds),
      },
    );
  }
  return charts;
}

/** Tokens a second of each step. */
function speedsOf(steps: readonly StepEvent[]): Column {
  return steps.map(({ num_tokens, step_seconds }, i) =>
    step_seconds > 0 ? (num_tokens - (steps[i - 1]?.num_tokens ?? 0)) / step_seconds : null,
  );
}

/** Exponential moving mean that starts without a bias towards 0 (Adam's correction). */
export function smooth(values: Column, window: number): Column {
  const keep = 1 - 1 / window;
  let [mean, weight] = [0, 0];
  return values.map((value) => {
    if (value !== null && Number.isFinite(value)) {
      mean = mean * keep + value * (1 - keep);
      weight = weight * keep + (1 - keep);
    }
    return weight > 0 ? mean / weight : null;
  });
}

/** Which points to draw: the lowest and the highest of each stretch, so that no spike is lost; the first and the last. */
export function thin(values: Column, most: number = MAX_STEPS): number[] {
  if (values.length <= most) return values.map((_, i) => i);
  const kept = new Set([0, values.length - 1]);
  const stretches = most / 2 - 1;
  for (let s = 0; s < stretches; s++) {
    const [from, to] = [s, s + 1].map((n) => Math.floor((n * values.length) / stretches)) as [number, number];
    let [low, high] = [from, from];
    for (let i = from; i < to; i++) {
      // A value that is missing or not finite is what a reader looks for.
      const value = values[i] ?? Number.POSITIVE_INFINITY;
      if (value < (values[low] ?? Number.POSITIVE_INFINITY)) low = i;
      if (value > (values[high] ?? Number.POSITIVE_INFINITY)) high = i;
    }
    kept.add(low).add(high);
  }
  return [...kept].sort((a, b) => a - b);
}

function pick(kept: readonly number[], ...columns: readonly Column[]): Column[] {
  return columns.map((column) => kept.map((i) => rounded(column[i] ?? null)));
}

/** Six digits are more than a screen shows. */
function rounded(value: number | null): number | null {
  return value === null || !Number.isFinite(value) ? null : Number(value.toPrecision(6));
}

/** Adds the held-out losses as a last column, with rows for steps that the others do not have. */
function withEvaluations(columns: readonly Column[], evaluations: readonly EvaluatedEvent[]): Column[] {
  if (evaluations.length === 0) return [...columns];
  const kept = thin(evaluations.map(({ eval_loss }) => eval_loss));
  const losses = new Map(kept.map((i) => [evaluations[i]!.step, rounded(evaluations[i]!.eval_loss)]));
  const places = new Map(columns[0]!.map((step, i) => [step!, i]));
  const steps = [...new Set([...places.keys(), ...losses.keys()])].sort((a, b) => a - b);
  const spread = columns
    .slice(1)
    .map((column) => steps.map((step) => column[places.get(step) ?? -1] ?? null));
  return [steps, ...spread, steps.map((step) => losses.get(step) ?? null)];
}

/** Of several rows of one step, the last: an evaluation after the training follows one during it. */
function oneAStep(columns: readonly Column[]): Column[] {
  const last = new Map(columns[0]!.map((step, i) => [step, i]));
  return columns.map((column) => [...last.values()].map((i) => column[i]!));
}
