// The shapes that data has on its way from a file to the graph: Row -> Example -> Encoded -> Batch.

/** One record of a data file, not yet interpreted. */
export interface Row {
  /** Path of the file. */
  readonly source: string;
  /** 1-based line in a JSONL or CSV file; 1-based index in a JSON array or Parquet file. */
  readonly line: number;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A stretch of text; `trained` says whether its tokens count in the loss. */
export interface Segment {
  readonly text: string;
  readonly trained: boolean;
}

/** A row rendered as text for a model. The first segments are the prompt, trained ones the answer. */
export interface Example {
  readonly source: string;
  readonly line: number;
  readonly segments: readonly Segment[];
}

/** Token ids of one example. `labels[t]` is `inputIds[t]` where the token is trained, else -100 (not yet shifted). */
export interface Encoded {
  readonly source: string;
  readonly line: number;
  readonly inputIds: Int32Array;
  readonly labels: Int32Array;
  /** Tokens cut off because of the maximum length. */
  readonly truncatedTokens: number;
}

/** Label of a position that does not count in the loss. */
export const IGNORED_LABEL = -100;

/** B sequences padded to T tokens, row-major [B, T]; a sequence is one row, or several where rows are packed. */
export interface Batch {
  readonly B: number;
  readonly T: number;
  readonly inputIds: Int32Array;
  /** For real tokens the number of their row within its sequence, from 1: only 1 where rows are not packed. 0 for padding. */
  readonly attentionMask: Int32Array;
  readonly labels: Int32Array;
  /** Index of each row in the data set, in the order in which they stand. */
  readonly rows: readonly number[];
}
