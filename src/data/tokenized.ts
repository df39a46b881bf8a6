// A row that holds token ids already -> an encoded example, every id, label and length checked.
import { type FieldName, fieldOf, type RowOptions } from "./formats.js";
import { describe, type FaultCollector } from "./shapes.js";
import { type Encoded, IGNORED_LABEL, type Row } from "./types.js";

/**
 * Reads `input_ids` with optional `labels` (default: every token is trained) and `attention_mask` (1 for real tokens;
 * padding at either end is cut off). Undefined, with faults added, when something does not fit.
 * @param vocabSize the model's; ids and labels must be smaller
 */
export function readTokenized(
  row: Row,
  vocabSize: number,
  faults: FaultCollector,
  columns?: RowOptions["columns"],
): Encoded | undefined {
  const ids = readNumbers(row, "input_ids", faults, columns);
  const given = {
    labels: readNumbers(row, "labels", faults, columns),
    mask: readNumbers(row, "attention_mask", faults, columns),
  };
  if (ids === "absent") faults.add(row, "input_ids is missing; a list of whole numbers is expected");
  if (!Array.isArray(ids) || given.labels === undefined || given.mask === undefined) return undefined;
  const labels: readonly number[] = given.labels === "absent" ? ids : given.labels;
  const mask: readonly number[] = given.mask === "absent" ? ids.map(() => 1) : given.mask;
  let sound = true;
  const fault = (what: string): void => {
    faults.add(row, what);
    sound = false;
  };
  for (const [name, values] of [["labels", labels] as const, ["attention_mask", mask] as const])
    if (values.length !== ids.length)
      fault(`${name} has ${values.length} entries, input_ids has ${ids.length}`);
  const check = (
    name: string,
    values: readonly number[],
    fits: (value: number) => boolean,
    wanted: string,
  ): void => {
    const at = values.findIndex((value) => !fits(value));
    if (at !== -1) fault(`${name}[${at}] is ${values[at]}; ${wanted}`);
  };
  const isId = (value: number): boolean => value >= 0 && value < vocabSize;
  check("input_ids", ids, isId, `the model knows ids from 0 to ${vocabSize - 1}`);
  if (labels !== ids)
    check(
      "labels",
      labels,
      (label) => label === IGNORED_LABEL || isId(label),
      `${IGNORED_LABEL} or an id from 0 to ${vocabSize - 1} is expected`,
    );
  check("attention_mask", mask, (bit) => bit === 0 || bit === 1, "0 or 1 is expected");
  if (!sound) return undefined;

  const start = mask.indexOf(1);
  const end = mask.lastIndexOf(1) + 1;
  if (start === -1) fault("attention_mask is 0 everywhere");
  else if (mask.slice(start, end).includes(0))
    fault("attention_mask is 0 between real tokens; padding stands at an end");
  const masked = labels.findIndex((label, i) => mask[i] === 0 && label !== IGNORED_LABEL);
  if (masked !== -1 && labels !== ids)
    fault(`labels[${masked}] is ${labels[masked]} where attention_mask is 0`);
  if (!sound) return undefined;
  return {
    source: row.source,
    line: row.line,
    inputIds: Int32Array.from(ids.slice(start, end)),
    labels: Int32Array.from(labels.slice(start, end)),
    truncatedTokens: 0,
  };
}

/** A list of whole numbers; Parquet gives them as bigint or typed arrays. Undefined, with a fault added, for others. */
function readNumbers(
  row: Row,
  field: FieldName,
  faults: FaultCollector,
  columns: RowOptions["columns"],
): number[] | "absent" | undefined {
  const value = fieldOf(row, field, columns);
  if (value === undefined || value === null) return "absent";
  const isList = Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
  const list: readonly unknown[] = isList ? Array.from(value as ArrayLike<unknown>) : [];
  if (list.length === 0) {
    faults.add(
      row,
      `${field} is ${isList ? "an empty list" : describe(value)}; a list of whole numbers is expected`,
    );
    return undefined;
  }
  const numbers = list.map((item) => (typeof item === "bigint" ? Number(item) : item));
  const at = numbers.findIndex((item) => !Number.isInteger(item));
  if (at === -1) return numbers as number[];
  faults.add(row, `${field}[${at}] is ${describe(numbers[at])}; a whole number is expected`);
  return undefined;
}
