// Each metric's exact name -> its range, which direction is better, and what it says.

export interface MetricDescription {
  readonly range: readonly [low: number, high: number];
  /** undefined where neither is. */
  readonly better: "higher" | "lower" | undefined;
  readonly says: string;
}

function share(says: string): MetricDescription {
  return { range: [0, 1], better: "higher", says };
}

/** Metrics that every answered row has. */
export const textMetrics = {
  exact_match: share("answers equal to the reference, letter by letter but for whitespace at the ends"),
  normalized_exact_match: share("answers equal to the reference after SQuAD's normalisation"),
  precision: share("words of the answer that are in the reference (SQuAD bag of words), mean over rows"),
  recall: share("words of the reference that are in the answer (SQuAD bag of words), mean over rows"),
  f1: share("F1 of the two bags of words (SQuAD), mean over rows"),
  rouge1_precision: share("ROUGE-1 precision, mean over rows"),
  rouge1_recall: share("ROUGE-1 recall, mean over rows"),
  rouge1_f1: share("ROUGE-1 F1, mean over rows"),
  rouge2_precision: share("ROUGE-2 precision, mean over rows"),
  rouge2_recall: share("ROUGE-2 recall, mean over rows"),
  rouge2_f1: share("ROUGE-2 F1, mean over rows"),
  rougeL_precision: share("ROUGE-L precision, mean over rows"),
  rougeL_recall: share("ROUGE-L recall, mean over rows"),
  rougeL_f1: share("ROUGE-L F1, mean over rows"),
  bleu: { range: [0, 100], better: "higher", says: "corpus BLEU as sacrebleu computes it" },
  chrf: { range: [0, 100], better: "higher", says: "corpus chrF2 as sacrebleu computes it" },
  stop_rate: share("answers that ended by themselves, not by the limit of tokens"),
  mean_length: { range: [0, Number.POSITIVE_INFINITY], better: undefined, says: "tokens of an answer" },
} as const satisfies Record<string, MetricDescription>;

/** Metrics of rows that have a label. */
export const labelMetrics = {
  accuracy: share("answers that mean the right label"),
  macro_precision: share("precision of a label, mean over the labels that occur"),
  macro_recall: share("recall of a label, mean over the labels that occur"),
  macro_f1: share("F1 of a label, mean over the labels that occur"),
  weighted_precision: share("precision of a label, weighted by how often it is right"),
  weighted_recall: share("recall of a label, weighted by how often it is right"),
  weighted_f1: share("F1 of a label, weighted by how often it is right"),
  no_label_rate: { range: [0, 1], better: "lower", says: "answers that mean none of the labels" },
} as const satisfies Record<string, MetricDescription>;

export type TextMetric = keyof typeof textMetrics;
export type LabelMetric = keyof typeof labelMetrics;
export type MetricName = TextMetric | LabelMetric;

/** The description of a metric. */
export function describeMetric(name: MetricName): MetricDescription {
  return { ...textMetrics, ...labelMetrics }[name];
}
