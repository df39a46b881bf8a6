// The metrics of answers and of next tokens, each equal to the definition that it names.

export { bleuOfCounts, bleuStatistics, bleuWords, corpusBleu, sentenceBleu } from "./bleu.js";
export type { BootstrapOptions, Comparison, Estimate, ScoreOfSums, ScoresOfSums } from "./bootstrap.js";
export { pairedBootstrap, pairedBootstraps, percentile } from "./bootstrap.js";
export { chrfOfCounts, chrfStatistics, corpusChrf, sentenceChrf } from "./chrf.js";
export type { AveragedClassScores, ClassCounts } from "./class_scores.js";
export { averageClassScores, classScores } from "./class_scores.js";
export type { ClassificationScores, ClassReport, ConfusionMatrix } from "./classification.js";
export {
  classificationOfCounts,
  classificationScores,
  classificationStatistics,
  confusionMatrix,
} from "./classification.js";
export { exactMatch, normalizeAnswer, normalizedExactMatch } from "./exact_match.js";
export type { Extractor, ExtractorName, LabelMatcher } from "./extract.js";
export { extractors, labelMatcher, matchLabel, regexExtractor } from "./extract.js";
export type { AnsweredRow } from "./measures.js";
export type { LabelMetric, MetricDescription, MetricName, TextMetric } from "./names.js";
export { describeMetric, labelMetrics, textMetrics } from "./names.js";
export type { NextTokenScores, TokenIds } from "./next_token.js";
export {
  countNextTokens,
  createNextTokenCounts,
  nextTokenOfCounts,
  nextTokenScores,
  nextTokenStatistics,
} from "./next_token.js";
export type { PrecisionRecallF1 } from "./overlap.js";
export { meanScores } from "./overlap.js";
export type { RougeScores } from "./rouge.js";
export { rougeScores, rougeWords } from "./rouge.js";
export { squadScores } from "./squad.js";
export type { RowStatistics, SparseRow } from "./statistics.js";
export { denseStatistics, joinStatistics, sparseStatistics, sumRows } from "./statistics.js";
export type { AnswerSummary, LabelSummary, MetricComparisons, Metrics, SummaryOptions } from "./summary.js";
export { compareAnswers, summarizeAnswers } from "./summary.js";
