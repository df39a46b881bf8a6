// What a model made of some rows (losses, answers, likeliest labels) -> its scores by name, and how far they are from another model's.
import type { ExampleScore } from "./loss.js";
import {
  type Comparison,
  classificationOfCounts,
  classificationStatistics,
  compareAnswers,
  denseStatistics,
  type LabelSummary,
  nextTokenOfCounts,
  nextTokenStatistics,
  pairedBootstraps,
  type RowStatistics,
  type ScoresOfSums,
  type SummaryOptions,
  summarizeAnswers,
  sumRows,
} from "./metrics/index.js";
import type { Response } from "./respond.js";

/** The work of one model on rows that are the same for all models compared. */
export interface Work {
  /** One a row. */
  readonly examples: readonly ExampleScore[];
  /** One a row, or none when nothing was generated. */
  readonly responses: readonly Response[];
  /** Of rows with a label, the likeliest one; none when likelihood was not asked for. */
  readonly likeliest: readonly { readonly label: string; readonly found: string | undefined }[];
}

export type Scores = Readonly<Record<string, number>>;
export type Changes = Readonly<Record<string, Comparison>>;

export interface CompareOptions extends SummaryOptions {
  readonly resamples: number;
  readonly seed: number;
}

/** A group of metrics that are scored from the same sums over rows. */
interface Measured {
  readonly statistics: RowStatistics;
  readonly scores: ScoresOfSums<string>;
}

/** All scores of one model, and of rows with labels the confusion matrix. */
export function scoresOf(
  work: Work,
  options: SummaryOptions,
): { readonly scores: Scores; readonly labels: LabelSummary | undefined } {
  const answers = work.responses.length > 0 ? summarizeAnswers(work.responses, options) : undefined;
  const measured = measuresOf(work).map(({ statistics, scores }) =>
    scores(sumRows(statistics), statistics.rows),
  );
  return { scores: Object.assign({}, ...measured, answers?.metrics) as Scores, labels: answers?.labels };
}

/** How far `b` is from `a` in every score, with 95 % intervals of a paired bootstrap over rows. */
export function changesOf(a: Work, b: Work, options: CompareOptions): Changes {
  const [ofA, ofB] = [measuresOf(a), measuresOf(b)];
  const measured = ofA.map(({ statistics, scores }, i) =>
    pairedBootstraps(statistics, ofB[i]!.statistics, scores, options),
  );
  const answers = a.responses.length > 0 ? compareAnswers(a.responses, b.responses, options) : {};
  return Object.assign({}, ...measured, answers) as Changes;
}

function measuresOf({ examples, likeliest }: Work): readonly Measured[] {
  const measures: Measured[] = [
    {
      statistics: denseStatistics(
        2,
        examples.map(({ loss, tokens }) => [loss, tokens]),
      ),
      scores: ([loss, tokens]) => ({ loss: loss! / tokens!, perplexity: Math.exp(loss! / tokens!) }),
    },
    { statistics: nextTokenStatistics(examples), scores: (sums) => ({ ...nextTokenOfCounts(sums) }) },
  ];
  if (likeliest.length > 0) {
    const labels = [...new Set(likeliest.map(({ label }) => label))].sort();
    const statistics = classificationStatistics(
      labels,
      likeliest.map(({ label }) => label),
      likeliest.map(({ found }) => found),
    );
    measures.push({
      statistics,
      scores: (sums) => {
        const { accuracy, macro } = classificationOfCounts(sums);
        return {
          likelihood_accuracy: accuracy,
          likelihood_macro_precision: macro.precision,
          likelihood_macro_recall: macro.recall,
          likelihood_macro_f1: macro.f1,
        };
      },
    });
  }
  return measures;
}
