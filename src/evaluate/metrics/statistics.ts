// Numbers of each row -> their sums over any selection of rows, so that a score of sums can be had for any resample.
import { fail } from "../../errors.js";

/** A sparse matrix [rows, width]: the entries of row r are `columns` and `values` from starts[r] to starts[r + 1]. */
export interface RowStatistics {
  readonly rows: number;
  readonly width: number;
  readonly starts: Uint32Array;
  readonly columns: Uint32Array;
  readonly values: Float64Array;
}

/** The entries of one row that are not 0. */
export type SparseRow = readonly (readonly [column: number, value: number])[];

export function sparseStatistics(width: number, rows: readonly SparseRow[]): RowStatistics {
  const starts = new Uint32Array(rows.length + 1);
  for (const [r, row] of rows.entries()) starts[r + 1] = starts[r]! + row.length;
  const columns = new Uint32Array(starts[rows.length]!);
  const values = new Float64Array(columns.length);
  let i = 0;
  for (const row of rows) {
    for (const [column, value] of row) {
      columns[i] = column;
      values[i++] = value;
    }
  }
  return { rows: rows.length, width, starts, columns, values };
}

export function denseStatistics(width: number, rows: readonly ArrayLike<number>[]): RowStatistics {
  return sparseStatistics(
    width,
    rows.map((row) => Array.from(row, (value, column) => [column, value] as const)),
  );
}

/** Statistics of the same rows side by side; the widths add up. */
export function joinStatistics(parts: readonly RowStatistics[]): RowStatistics {
  const rows = parts[0]?.rows ?? 0;
  if (parts.some((part) => part.rows !== rows)) fail("data", "the statistics have different numbers of rows");
  const offsets: number[] = [];
  let width = 0;
  for (const part of parts) {
    offsets.push(width);
    width += part.width;
  }
  const joined = Array.from({ length: rows }, (_, r) =>
    parts.flatMap(({ starts, columns, values }, p) =>
      Array.from({ length: starts[r + 1]! - starts[r]! }, (_, i) => {
        const at = starts[r]! + i;
        return [offsets[p]! + columns[at]!, values[at]!] as const;
      }),
    ),
  );
  return sparseStatistics(width, joined);
}

/**
 * The sum of each column.
 * @param weights how often each row counts; without it, once
 * @param sums where to write: an array of the width, overwritten
 */
export function sumRows(
  { rows, width, starts, columns, values }: RowStatistics,
  weights?: ArrayLike<number>,
  sums: Float64Array = new Float64Array(width),
): Float64Array {
  sums.fill(0);
  for (let r = 0; r < rows; r++) {
    const weight = weights === undefined ? 1 : weights[r]!;
    if (weight === 0) continue;
    const end = starts[r + 1]!;
    for (let i = starts[r]!; i < end; i++) sums[columns[i]!]! += weight * values[i]!;
  }
  return sums;
}
