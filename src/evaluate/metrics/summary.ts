// The answers of one model, or of two to the same rows -> all metrics by name, or their differences with intervals.
import { type Fault, fail, failIfAny } from "../../errors.js";
import { type BootstrapOptions, type Comparison, pairedBootstraps } from "./bootstrap.js";
import {
  type ClassReport,
  type ConfusionMatrix,
  classificationScores,
  confusionMatrix,
} from "./classification.js";
import { type Extractor, extractors, labelKey, labelMatcher } from "./extract.js";
import {
  type AnsweredRow,
  joinMeasures,
  type LabeledRow,
  labelMeasure,
  type Measure,
  textMeasure,
} from "./measures.js";
import type { LabelMetric, MetricName, TextMetric } from "./names.js";
import { sumRows } from "./statistics.js";

export interface SummaryOptions {
  /** Takes from an answer what is compared with the labels; the whole answer by default. */
  readonly extract?: Extractor | undefined;
  /** The labels that an answer can mean; by default those that occur in the rows. */
  readonly labels?: readonly string[] | undefined;
}

/** Text metrics of all rows, and label metrics when rows have labels. */
export type Metrics = Readonly<Record<TextMetric, number> & Partial<Record<LabelMetric, number>>>;

export interface AnswerSummary {
  readonly rows: number;
  readonly metrics: Metrics;
  /** undefined when no row has a label. */
  readonly labels?: LabelSummary | undefined;
}

export interface LabelSummary {
  /** Number of rows that have a label. */
  readonly rows: number;
  readonly confusion: ConfusionMatrix;
  readonly perClass: readonly ClassReport[];
}

/** All metrics of one model's answers; at least one row is needed. */
export function summarizeAnswers(rows: readonly AnsweredRow[], options: SummaryOptions = {}): AnswerSummary {
  const { labels, meant } = labelsOf(rows, options);
  const { statistics, scores } = measureOf(rows, labels, meant);
  return {
    rows: rows.length,
    metrics: scores(sumRows(statistics), rows.length) as Metrics,
    labels: labels.length === 0 ? undefined : labelSummary(labels, meant),
  };
}

export type MetricComparisons = Readonly<
  Record<TextMetric, Comparison> & Partial<Record<LabelMetric, Comparison>>
>;

/** Compares the answers of two models to the same rows, metric by metric; the difference is `b − a`, so a is the base. */
export function compareAnswers(
  a: readonly AnsweredRow[],
  b: readonly AnsweredRow[],
  options: SummaryOptions & BootstrapOptions = {},
): MetricComparisons {
  checkSameRows(a, b);
  const ofA = labelsOf(a, options);
  const ofB = labelsOf(b, options);
  const measureA = measureOf(a, ofA.labels, ofA.meant);
  const measureB = measureOf(b, ofB.labels, ofB.meant);
  return pairedBootstraps(
    measureA.statistics,
    measureB.statistics,
    measureA.scores,
    options,
  ) as MetricComparisons;
}

function measureOf(
  rows: readonly AnsweredRow[],
  labels: readonly string[],
  meant: readonly LabeledRow[],
): Measure<MetricName> | Measure<TextMetric> {
  const text = textMeasure(rows);
  return labels.length === 0 ? text : joinMeasures(text, labelMeasure(labels, meant));
}

/** The labels, and what each row's answer means; none when no row has a label. */
function labelsOf(
  rows: readonly AnsweredRow[],
  { extract = extractors.whole, labels }: SummaryOptions,
): { readonly labels: readonly string[]; readonly meant: readonly LabeledRow[] } {
  if (rows.length === 0) fail("data", "there is no answer to measure", { fix: "give at least one row" });
  const given = rows.flatMap(({ label }) => (label === undefined ? [] : [label]));
  if (given.length === 0) return { labels: [], meant: [] };
  const set = labels ?? distinctLabels(given);
  const match = labelMatcher(set);
  const faults: Fault[] = [];
  const byKey = new Map(set.map((label) => [labelKey(label), label]));
  const meant = rows.map(({ label, answer }, row): LabeledRow => {
    if (label === undefined) return { label, meant: undefined };
    const known = byKey.get(labelKey(label));
    if (known === undefined)
      faults.push({
        code: "data",
        what: `the label ${JSON.stringify(label)} is none of the ${set.length} labels`,
        where: `row ${row + 1}`,
        fix: "add it to the labels",
      });
    return { label: known, meant: match(extract(answer)) };
  });
  failIfAny(faults);
  return { labels: set, meant };
}

/** Labels that occur, in alphabetical order; of "18" and "18.0" the first that comes. */
function distinctLabels(given: readonly string[]): string[] {
  const byKey = new Map<string, string>();
  for (const label of given) if (!byKey.has(labelKey(label))) byKey.set(labelKey(label), label);
  return [...byKey.values()].sort();
}

function labelSummary(labels: readonly string[], rows: readonly LabeledRow[]): LabelSummary {
  const closed = rows.filter(({ label }) => label !== undefined);
  const confusion = confusionMatrix(
    labels,
    closed.map(({ label }) => label!),
    closed.map(({ meant }) => meant),
  );
  return { rows: closed.length, confusion, perClass: classificationScores(confusion).perClass };
}

function checkSameRows(a: readonly AnsweredRow[], b: readonly AnsweredRow[]): void {
  if (a.length !== b.length)
    fail("data", `one model answered ${a.length} rows, the other ${b.length}`, {
      fix: "compare answers to the same rows",
    });
  const row = a.findIndex(
    ({ reference, label }, i) => reference !== b[i]!.reference || label !== b[i]!.label,
  );
  if (row >= 0)
    fail("data", "the two models did not answer the same row", {
      where: `row ${row + 1}`,
      fix: "compare answers to the same rows in the same order",
    });
}
