// Answers of one and of two models -> all metrics by name, each as its own function gives it.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type AnsweredRow,
  compareAnswers,
  corpusBleu,
  corpusChrf,
  describeMetric,
  extractors,
  labelMetrics,
  type MetricName,
  meanScores,
  rougeScores,
  squadScores,
  summarizeAnswers,
  textMetrics,
} from "../../../src/evaluate/metrics/index.js";
import { goldens } from "./goldens.js";

const open: readonly AnsweredRow[] = goldens("pair").map(({ answer, reference }, r) => ({
  answer,
  reference,
  stopped: r % 4 !== 0,
  tokens: r,
}));

const closed = (answers: readonly string[], labels: readonly (string | undefined)[]): AnsweredRow[] =>
  answers.map((answer, r) => ({
    answer,
    reference: labels[r] ?? "open",
    stopped: true,
    tokens: 1,
    label: labels[r],
  }));

describe("summary", () => {
  it("of open rows has the text metrics, each as its function gives it", () => {
    const { rows, metrics, labels } = summarizeAnswers(open);
    expect([rows, labels]).toEqual([open.length, undefined]);
    expect(Object.keys(metrics).sort()).toEqual(Object.keys(textMetrics).sort());
    const answers = open.map(({ answer }) => answer);
    const references = open.map(({ reference }) => reference);
    expect(metrics.bleu).toBe(corpusBleu(answers, references));
    expect(metrics.chrf).toBe(corpusChrf(answers, references));
    const squad = meanScores(open.map((row) => squadScores(row.answer, row.reference)));
    expect([metrics.precision, metrics.recall, metrics.f1]).toEqual([
      squad.precision,
      squad.recall,
      squad.f1,
    ]);
    const rougeL = meanScores(open.map((row) => rougeScores(row.answer, row.reference).rougeL));
    expect(metrics.rougeL_f1).toBe(rougeL.f1);
    expect(metrics.stop_rate).toBe(open.filter(({ stopped }) => stopped).length / open.length);
    expect(metrics.mean_length).toBe((open.length - 1) / 2);
  });

  it("of closed rows has the label metrics and the confusion matrix; rows without a label count for nothing", () => {
    const rows = closed(
      ["Yes.", "no", "Well", "NO!", "yes", "yes"],
      ["yes", "yes", "no", "no", "no", undefined],
    );
    const { metrics, labels } = summarizeAnswers(rows);
    expect(Object.keys(metrics).sort()).toEqual(
      [...Object.keys(textMetrics), ...Object.keys(labelMetrics)].sort(),
    );
    expect(labels?.rows).toBe(5);
    expect(labels?.confusion).toEqual({
      labels: ["no", "yes"],
      counts: [
        [1, 1, 1],
        [1, 1, 0],
      ],
    });
    expect(labels?.perClass).toEqual([
      { label: "no", precision: 1 / 2, recall: 1 / 3, f1: 2 / 5, support: 3 },
      { label: "yes", precision: 1 / 2, recall: 1 / 2, f1: 1 / 2, support: 2 },
    ]);
    expect(metrics.accuracy).toBe(2 / 5);
    expect(metrics.macro_f1).toBeCloseTo(0.45, 12);
    expect(metrics.weighted_f1).toBeCloseTo((3 * 0.4 + 2 * 0.5) / 5, 12);
    expect(metrics.no_label_rate).toBe(1 / 5);
  });

  it("takes the part of an answer that counts", () => {
    const rows = closed(["3 + 4 = 7.0", "so 1,080 eggs", "none"], ["7", "1080.00", "7.0"]);
    const { metrics, labels } = summarizeAnswers(rows, { extract: extractors.last_number });
    expect(metrics.accuracy).toBe(2 / 3);
    expect(labels?.confusion.labels).toEqual(["1080.00", "7"]);
  });

  it("refuses no rows, and labels that are not in the set", () => {
    expect(() => summarizeAnswers([])).toThrow(/no answer to measure/);
    expect(() => summarizeAnswers(closed(["a", "b"], ["a", "b"]), { labels: ["c"] })).toThrow(
      /"a" is none of the 1 labels · row 1.*\n.*"b" is none of the 1 labels · row 2/,
    );
  });

  it("lies in the stated ranges; right answers reach the top of each", () => {
    const text = fc.array(fc.constantFrom("yes", "no", "red", "1.5", "é"), { minLength: 4, maxLength: 8 });
    const row = fc.record({
      // Two words that ROUGE's tokens keep (a-z, 0-9), so that there is always a bigram to find.
      reference: text.map((words) => `two words ${words.join(" ")}`),
      answer: text.map((words) => words.join(" ")),
      stopped: fc.boolean(),
      tokens: fc.nat(100),
      label: fc.constantFrom("yes", "no", undefined),
    });
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 6 }), (rows) => {
        for (const [name, value] of Object.entries(summarizeAnswers(rows).metrics)) {
          const [low, high] = describeMetric(name as MetricName).range;
          expect(value >= low && value <= high + 1e-9, `${name} ${value}`).toBe(true);
        }
        const perfect = rows.map((one) => ({
          ...one,
          answer: one.reference,
          stopped: true,
          label: undefined,
        }));
        const { mean_length: _, ...shares } = summarizeAnswers(perfect).metrics;
        for (const [name, value] of Object.entries(shares))
          expect(value, name).toBeCloseTo(describeMetric(name as MetricName).range[1], 9);
      }),
      { numRuns: 50 },
    );
  });
});

describe("comparison", () => {
  const better = open.map((row, r) => (r % 2 === 0 ? { ...row, answer: row.reference } : row));

  it("has the scores of both summaries, and their differences", () => {
    const compared = compareAnswers(open, better, { resamples: 300 });
    const [a, b] = [summarizeAnswers(open).metrics, summarizeAnswers(better).metrics];
    expect(Object.keys(compared).sort()).toEqual(Object.keys(a).sort());
    for (const name of Object.keys(textMetrics) as (keyof typeof textMetrics)[]) {
      expect(compared[name].a.value, name).toBe(a[name]);
      expect(compared[name].difference.value, name).toBe(b[name] - a[name]);
    }
    expect(compared.rougeL_f1.difference.low).toBeGreaterThan(0);
    expect(compared.bleu.difference.low).toBeGreaterThan(0);
    expect(compared.mean_length).toMatchObject({ difference: { value: 0, low: 0, high: 0 }, p: 1 });
  });

  it("resamples macro F1 and accuracy of closed rows beside open ones", () => {
    const labels = Array.from({ length: 40 }, (_, r) => ["a", "b", "c", undefined][r % 4]);
    const base = closed(
      labels.map((_, r) => ["a", "b", "?"][r % 3]!),
      labels,
    );
    const tuned = closed(
      labels.map((label, r) => (r % 10 === 0 ? "?" : (label ?? "x"))),
      labels,
    );
    const { accuracy, macro_f1, no_label_rate } = compareAnswers(base, tuned, { resamples: 500 });
    expect(accuracy?.b.value).toBe(summarizeAnswers(tuned).metrics.accuracy);
    expect(macro_f1?.difference.low).toBeGreaterThan(0);
    expect(macro_f1?.p).toBeLessThan(0.05);
    expect(no_label_rate?.difference.high).toBeLessThan(0.2);
  });

  it("is quick for 600 rows and 2000 resamples", () => {
    const rows = Array.from({ length: 600 }, (_, r) => ({
      ...open[r % open.length]!,
      label: ["x", "y", "z"][r % 3],
    }));
    const other = rows.map((row, r) => ({ ...row, answer: ["x", row.reference][r % 2]! }));
    const start = performance.now();
    expect(compareAnswers(rows, other).bleu.p).toBeLessThan(1);
    const seconds = (performance.now() - start) / 1000;
    if (process.env.SHOW_TIMES) console.log(`600 rows x 2000 resamples: ${seconds.toFixed(2)} s`);
    expect(seconds).toBeLessThan(20);
  });

  it("refuses answers to other rows", () => {
    expect(() => compareAnswers(open, open.slice(1))).toThrow(/answered 65 rows, the other 64/);
    expect(() => compareAnswers(open, [...open].reverse())).toThrow(/not answer the same row · row 1/);
  });
});
