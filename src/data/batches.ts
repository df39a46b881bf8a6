// Encoded examples -> batches padded to their longest sequence, in an order that seed and epoch decide.
import { fail } from "../errors.js";
import { createRandom, type Random } from "../random.js";
import { packRows } from "./packing.js";
import { type Batch, type Encoded, IGNORED_LABEL } from "./types.js";

export interface BatchSettings {
  /** Sequences in a batch; the last one of an epoch may have fewer. */
  readonly batchSize: number;
  /** Fills short sequences; their mask is 0 and their label -100 there. */
  readonly padTokenId: number;
}

export interface EpochSettings extends BatchSettings {
  readonly seed: number;
  /** From 0; each epoch has its own order. */
  readonly epoch: number;
  /** Puts sequences of similar length together, which saves padding. */
  readonly groupByLength: boolean;
  /** Rows share sequences of at most so many tokens; undefined: a sequence for each row. */
  readonly packedLength?: number | undefined;
}

/** Indices of rows that stand one after the other. */
type Sequence = readonly number[];

/** The batches of one epoch: every row once, in an order that depends on nothing but the settings. */
export function* batchesOfEpoch(encoded: readonly Encoded[], settings: EpochSettings): Generator<Batch> {
  yield* batchesInOrder(encoded, sequencesOfEpoch(encoded, settings), settings);
}

/** The sequences of one epoch in their order. With packing, rows of equal length change places from epoch to epoch. */
function sequencesOfEpoch(
  encoded: readonly Encoded[],
  { seed, epoch, batchSize, groupByLength, packedLength }: EpochSettings,
): Sequence[] {
  const random = createRandom(seed, "epoch", epoch);
  const sequences: Sequence[] =
    packedLength === undefined
      ? indices(encoded.length).map((row) => [row])
      : packRows(
          encoded.map(({ inputIds }) => inputIds.length),
          random.shuffle(indices(encoded.length)),
          packedLength,
        );
  const order = groupByLength
    ? groupedOrder(
        sequences.map((rows) => lengthOf(rows, encoded)),
        batchSize,
        random,
      )
    : random.shuffle(indices(sequences.length));
  return order.map((i) => sequences[i]!);
}

/** For evaluation: the longest rows first, so that padding is least and too little memory shows at once. */
export function* sequentialBatches(encoded: readonly Encoded[], settings: BatchSettings): Generator<Batch> {
  const order = indices(encoded.length).sort(
    (a, b) => encoded[b]!.inputIds.length - encoded[a]!.inputIds.length,
  );
  yield* batchesInOrder(
    encoded,
    order.map((row) => [row]),
    settings,
  );
}

/** How many batches an epoch has. */
export function batchesPerEpoch(sequences: number, batchSize: number): number {
  return Math.ceil(sequences / batchSize);
}

/** What packing does to a data set. */
export interface PackingFigures {
  /** Sequences of every epoch. */
  readonly sequences: number;
  /** Tokens that a sequence has room for. */
  readonly limit: number;
  /** Share of the tokens in the batches of the epoch that is padding; and the same without packing. */
  readonly padding: number;
  readonly unpacked: number;
}

/** The figures of an epoch; undefined where rows are not packed. */
export function packingFigures(
  encoded: readonly Encoded[],
  settings: EpochSettings,
): PackingFigures | undefined {
  const { packedLength: limit, batchSize } = settings;
  if (limit === undefined) return undefined;
  const tokens = encoded.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
  const padding = (sequences: readonly Sequence[]): number => {
    let padded = 0;
    for (const batch of inBatches(sequences, batchSize)) padded += batch.length * longest(batch, encoded);
    return padded === 0 ? 0 : 1 - tokens / padded;
  };
  const packed = sequencesOfEpoch(encoded, settings);
  return {
    sequences: packed.length,
    limit,
    padding: padding(packed),
    unpacked: padding(sequencesOfEpoch(encoded, { ...settings, packedLength: undefined })),
  };
}

/** Pads the given sequences to their longest. */
function padBatch(encoded: readonly Encoded[], sequences: readonly Sequence[], padTokenId: number): Batch {
  const B = sequences.length;
  const T = longest(sequences, encoded);
  const inputIds = new Int32Array(B * T).fill(padTokenId);
  const attentionMask = new Int32Array(B * T);
  const labels = new Int32Array(B * T).fill(IGNORED_LABEL);
  sequences.forEach((rows, b) => {
    let at = b * T;
    rows.forEach((row, i) => {
      const example = encoded[row]!;
      inputIds.set(example.inputIds, at);
      labels.set(example.labels, at);
      attentionMask.fill(i + 1, at, at + example.inputIds.length);
      at += example.inputIds.length;
    });
  });
  return { B, T, inputIds, attentionMask, labels, rows: sequences.flat() };
}

function* batchesInOrder(
  encoded: readonly Encoded[],
  sequences: readonly Sequence[],
  { batchSize, padTokenId }: BatchSettings,
): Generator<Batch> {
  for (const part of inBatches(sequences, batchSize)) {
    const batch = padBatch(encoded, part, padTokenId);
    const { T, attentionMask, labels, rows } = batch;
    // The first token of a row has nothing before it that could predict it.
    const isPredicted = (i: number): boolean => i % T > 0 && attentionMask[i] === attentionMask[i - 1];
    if (!labels.some((label, i) => label !== IGNORED_LABEL && isPredicted(i))) {
      const { source, line } = encoded[rows[0]!]!;
      fail("data", `a batch of ${rows.length} rows has no trained token`, { where: `${source}:${line}` });
    }
    yield batch;
  }
}

function* inBatches(sequences: readonly Sequence[], batchSize: number): Generator<readonly Sequence[]> {
  if (!Number.isInteger(batchSize) || batchSize < 1)
    fail("usage", `a batch size of ${batchSize} is not possible`, {
      fix: "give a whole number of at least 1",
    });
  for (let start = 0; start < sequences.length; start += batchSize)
    yield sequences.slice(start, start + batchSize);
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

const lengthOf = (rows: Sequence, encoded: readonly Encoded[]): number =>
  rows.reduce((sum, row) => sum + encoded[row]!.inputIds.length, 0);
const longest = (sequences: readonly Sequence[], encoded: readonly Encoded[]): number =>
  sequences.reduce((most, rows) => Math.max(most, lengthOf(rows, encoded)), 0);
const indices = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
