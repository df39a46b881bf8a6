// Options of a run -> the encoded rows to train on and those held out.
import type { EpochSettings } from "../data/batches.js";
import { lengthLimit, paddingId } from "../data/encode.js";
import { type PreparedDataset, prepareDataset } from "../data/prepare.js";
import { splitRows } from "../data/split.js";
import type { DatasetStatistics } from "../data/statistics.js";
import type { Encoded, Row } from "../data/types.js";
import { fail } from "../errors.js";
import type { Tokenizer } from "../formats/tokenizer.js";
import type { Dataset } from "../hub/dataset.js";
import type { ModelConfig } from "../models/family.js";
import type { TrainOptions } from "../options.js";

export interface TrainingData {
  readonly train: readonly Encoded[];
  readonly held: readonly Encoded[];
  /** What each of `held` was in its file. */
  readonly heldRows: readonly Row[];
  /** Figures of all rows that were read for training. */
  readonly statistics: DatasetStatistics;
  readonly padTokenId: number;
  /** Longest sequence in tokens where rows to train on are packed. */
  readonly packedLength: number | undefined;
  readonly stopTokenIds: readonly number[];
  /** Paths of the files that were read. */
  readonly files: readonly string[];
  readonly warnings: readonly string[];
}

/** What of the options the data depend on. */
export type DataSettings = Pick<
  TrainOptions,
  | "dataset"
  | "evalDataset"
  | "evalDatasetSplit"
  | "evalSize"
  | "maxLength"
  | "completionOnlyLoss"
  | "trainOnEos"
  | "packing"
  | "seed"
>;

/** How the rows to train on are put into the batches of an epoch. */
export function epochSettings(
  { padTokenId, packedLength }: Pick<TrainingData, "padTokenId" | "packedLength">,
  {
    perDeviceTrainBatchSize: batchSize,
    seed,
    groupByLength,
  }: Pick<TrainOptions, "perDeviceTrainBatchSize" | "seed" | "groupByLength">,
  epoch: number,
): EpochSettings {
  return { batchSize, seed, epoch, groupByLength, padTokenId, packedLength };
}

/** Reads, renders, tokenises and splits. @param sources the data sets that the options name @throws with every fault of every row */
export async function prepareTrainingData(
  options: DataSettings,
  sources: { readonly train: Dataset; readonly eval: Dataset | undefined },
  tokenizer: Tokenizer | undefined,
  { vocabSize, maxPositions }: Pick<ModelConfig, "vocabSize" | "maxPositions">,
): Promise<TrainingData> {
  if (sources.eval !== undefined && options.evalSize > 0) {
    fail("usage", "--eval-dataset and --eval-size were both given", { fix: "give one of them" });
  }
  const maxLength = lengthLimit(options.maxLength, maxPositions);
  const prepare = (dataset: Dataset) =>
    prepareDataset({ ...options, maxLength, rows: dataset.rows(), tokenizer, vocabSize });
  const all = await prepare(sources.train);
  const apart = sources.eval && (await prepare(sources.eval));
  const { train, eval: held } = splitRows(all.encoded.length, {
    evalSize: options.evalSize,
    seed: options.seed,
  });
  const pick = (rows: readonly number[]) => rows.map((row) => all.encoded[row]!);
  return {
    train: pick(train),
    held: apart ? apart.encoded : pick(held),
    heldRows: apart ? apart.rows : held.map((row) => all.rows[row]!),
    statistics: all.statistics,
    padTokenId: tokenizer ? paddingId(tokenizer) : 0,
    packedLength: options.packing ? maxLength : undefined,
    stopTokenIds: tokenizer?.stopTokenIds ?? [],
    files: [...new Set([...sources.train.files, ...(sources.eval?.files ?? [])])],
    warnings: [
      ...warningsOf(all, options.dataset, maxLength, tokenizer !== undefined),
      ...(apart
        ? warningsOf(apart, options.evalDataset ?? options.dataset, maxLength, tokenizer !== undefined)
        : []),
    ],
  };
}

/** What a user should know before the run. */
function warningsOf(
  { statistics }: PreparedDataset,
  name: string,
  maxLength: number,
  knowsEnd: boolean,
): string[] {
  const { rows, kept, dropped, truncatedRows, answersEndingInEos } = statistics;
  const warnings: string[] = [];
  if (kept < rows) {
    const reasons = Object.entries(dropped).map(([reason, count]) => `${count} ${reason}`);
    warnings.push(`${name}: ${rows - kept} of ${rows} rows are left out (${reasons.join(", ")})`);
  }
  if (truncatedRows > 0)
    warnings.push(
      `${name}: ${truncatedRows} of ${kept} rows are cut to ${maxLength} tokens (--max-length, or the positions that the model has), so their answers do not end with the end token`,
    );
  if (answersEndingInEos === 0 && knowsEnd)
    warnings.push(`${name}: no answer ends with a trained end token; the model will not learn to stop`);
  return warnings;
}
