// Encoded examples -> batches padded to their longest row, in an order that seed and epoch decide.
import { fail } from "../errors.js";
import { createRandom, type Random } from "../random.js";
import { type Batch, type Encoded, IGNORED_LABEL } from "./types.js";

export interface BatchSettings {
  /** Rows a batch; the last one of an epoch may have fewer. */
  readonly batchSize: number;
  /** Fills short rows; their mask is 0 and their label -100 there. */
  readonly padTokenId: number;
}

export interface EpochSettings extends BatchSettings {
  readonly seed: number;
  /** From 0; each epoch has its own order. */
  readonly epoch: number;
  /** Puts rows of similar length together, which saves padding. */
  readonly groupByLength: boolean;
}

/** The batches of one epoch: every row once, in an order that depends on nothing but the settings. */
export function* batchesOfEpoch(encoded: readonly Encoded[], settings: EpochSettings): Generator<Batch> {
  const random = createRandom(settings.seed, "epoch", settings.epoch);
  const order = settings.groupByLength
    ? groupedOrder(
        encoded.map((row) => row.inputIds.length),
        settings.batchSize,
        random,
      )
    : random.shuffle(indices(encoded.length));
  yield* batchesInOrder(encoded, order, settings);
}

/** For evaluation: the longest rows first, so that padding is least and too little memory shows at once. */
export function* sequentialBatches(encoded: readonly Encoded[], settings: BatchSettings): Generator<Batch> {
  const order = indices(encoded.length).sort(
    (a, b) => encoded[b]!.inputIds.length - encoded[a]!.inputIds.length,
  );
  yield* batchesInOrder(encoded, order, settings);
}

/** How many batches an epoch has. */
export function batchesPerEpoch(rows: number, batchSize: number): number {
  return Math.ceil(rows / batchSize);
}

/** Pads the given rows to their longest. @param rows indices into `encoded` */
export function padBatch(encoded: readonly Encoded[], rows: readonly number[], padTokenId: number): Batch {
  const examples = rows.map((row) => encoded[row]!);
  const B = examples.length;
  const T = examples.reduce((longest, { inputIds }) => Math.max(longest, inputIds.length), 0);
  const inputIds = new Int32Array(B * T).fill(padTokenId);
  const attentionMask = new Int32Array(B * T);
  const labels = new Int32Array(B * T).fill(IGNORED_LABEL);
  examples.forEach((example, b) => {
    inputIds.set(example.inputIds, b * T);
    labels.set(example.labels, b * T);
    attentionMask.fill(1, b * T, b * T + example.inputIds.length);
  });
  return { B, T, inputIds, attentionMask, labels, rows };
}

function* batchesInOrder(
  encoded: readonly Encoded[],
  order: readonly number[],
  { batchSize, padTokenId }: BatchSettings,
): Generator<Batch> {
  if (!Number.isInteger(batchSize) || batchSize < 1)
    fail("usage", `a batch size of ${batchSize} is not possible`, {
      fix: "give a whole number of at least 1",
    });
  for (let start = 0; start < order.length; start += batchSize) {
    const rows = order.slice(start, start + batchSize);
    const batch = padBatch(encoded, rows, padTokenId);
    // Position 0 of a row has nothing before it that could predict it.
    if (!batch.labels.some((label, i) => i % batch.T > 0 && label !== IGNORED_LABEL)) {
      const { source, line } = encoded[rows[0]!]!;
      fail("data", `a batch of ${rows.length} rows has no trained token`, { where: `${source}:${line}` });
    }
    yield batch;
  }
}

/**
 * Random order, sorted by length (descending) within stretches of up to 50 batches; the longest row of all comes first,
 * so that too little memory shows at once.
 * Source: transformers/trainer_pt_utils.py, get_length_grouped_indices.
 */
function groupedOrder(lengths: readonly number[], batchSize: number, random: Random): number[] {
  const batches = Math.max(1, Math.min(50, Math.floor(lengths.length / (batchSize * 4))));
  const stretch = batches * batchSize;
  const shuffled = random.shuffle(indices(lengths.length));
  const groups: number[][] = [];
  for (let start = 0; start < shuffled.length; start += stretch)
    groups.push(shuffled.slice(start, start + stretch).sort((a, b) => lengths[b]! - lengths[a]!));
  const longest = groups.reduce(
    (best, group) => (lengths[group[0]!]! > lengths[best[0]!]! ? group : best),
    groups[0] ?? [],
  );
  if (groups[0]) [groups[0][0], longest[0]] = [longest[0]!, groups[0][0]!];
  return groups.flat();
}

const indices = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
