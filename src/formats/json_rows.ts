// A JSON or JSON Lines file -> rows and the faults between them.
import { isUtf8 } from "node:buffer";
import { readFile, stat } from "node:fs/promises";
import type { Row } from "../data/types.js";
import type { Fault } from "../errors.js";
import { findJsonFault, parseJson, placeOf, skipSpace, skipValue } from "./json.js";
import { findUtf8Fault, readLineBlocks, withoutByteOrderMark } from "./lines.js";

const NEWLINE = 0x0a;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const COMMA = 0x2c;

/** Rows of JSON Lines: an object a line, blank lines allowed; read as a stream. `line` is the line. */
export async function* readJsonLines(path: string): AsyncGenerator<Row | Fault> {
  for await (const block of readLineBlocks(path)) {
    if ("what" in block) {
      yield block;
      return;
    }
    const { bytes, firstLine } = block;
    const blockIsUtf8 = isUtf8(bytes);
    let line = firstLine;
    for (let start = 0; start < bytes.length; line++) {
      const newline = bytes.indexOf(NEWLINE, start);
      const end = newline < 0 ? bytes.length : newline;
      const lineBytes = bytes.subarray(start, end);
      start = end + 1;
      if (skipSpace(lineBytes, 0) === lineBytes.length) continue;
      const utf8Fault = blockIsUtf8 ? undefined : findUtf8Fault(lineBytes, path, line);
      yield utf8Fault ?? parseLine(lineBytes, path, line);
    }
  }
}

function parseLine(bytes: Buffer, path: string, line: number): Row | Fault {
  const value = tryParse(bytes);
  if (value !== undefined) return asRow(value, path, line, "line");
  const fault = findJsonFault(bytes);
  const column = fault === undefined ? 1 : placeOf(bytes, fault.offset).column;
  return {
    code: "data",
    what: `not valid JSON: ${fault?.what ?? "the line cannot be parsed"}`,
    where: `${path}, line ${line}, column ${column}`,
  };
}

/** The value, or undefined when the bytes (valid UTF-8) are no JSON. */
function tryParse(bytes: Buffer): unknown {
  try {
    return parseJson(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}

function asRow(value: unknown, path: string, line: number, unit: "line" | "row"): Row | Fault {
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return { source: path, line, fields: value as Record<string, unknown> };
  const kind = value === null ? "null" : Array.isArray(value) ? "a list" : `a ${typeof value}`;
  return {
    code: "data",
    what: `a row must be an object with named fields, this is ${kind}`,
    where: `${path}, ${unit} ${line}`,
  };
}

/** Node reads at most this much of a file at once. */
const MAX_SIZE = 2 ** 31 - 1;

/**
 * Rows of a JSON file: a list of objects, an object with one field that is such a list, an object of columns (lists of
 * one length), or (as many data sets are named) JSON Lines. The bytes are held in memory, the rows are parsed one by
 * one. `line` is the index from 1.
 */
export async function* readJsonRows(path: string): AsyncGenerator<Row | Fault> {
  const { size } = await stat(path);
  if (size > MAX_SIZE) {
    const what = `the file has ${size} bytes; JSON is read up to ${MAX_SIZE}`;
    yield { code: "data", what, where: path, fix: "write it as JSON Lines (.jsonl), which has no limit" };
    return;
  }
  const bytes = withoutByteOrderMark(await readFile(path));
  const utf8Fault = findUtf8Fault(bytes, path);
  if (utf8Fault) {
    yield utf8Fault;
    return;
  }
  const start = skipSpace(bytes, 0);
  if (start === bytes.length) return;
  if (bytes[start] === OPEN_BRACE) {
    const end = skipValue(bytes, start);
    const isAlone = end < 0 || skipSpace(bytes, end) === bytes.length;
    if (isAlone || bytes.subarray(start, end).includes(NEWLINE)) yield* readWrappedList(bytes, start, path);
    else yield* readJsonLines(path);
  } else if (bytes[start] === OPEN_BRACKET) {
    const end = yield* readList(bytes, start, path);
    if (end !== undefined && skipSpace(bytes, end) < bytes.length) yield syntaxFault(bytes, path);
  } else {
    yield findJsonFault(bytes) ? syntaxFault(bytes, path) : asRow(tryParse(bytes), path, 1, "row");
  }
}

/** The elements of the list that opens at `start`. @returns the offset after the list; undefined when it is broken. */
function* readList(bytes: Buffer, start: number, path: string): Generator<Row | Fault, number | undefined> {
  let at = skipSpace(bytes, start + 1);
  if (bytes[at] === CLOSE_BRACKET) return at + 1;
  for (let index = 1; ; index++) {
    const end = skipValue(bytes, at);
    const value = end > at ? tryParse(bytes.subarray(at, end)) : undefined;
    if (value === undefined) break;
    yield asRow(value, path, index, "row");
    at = skipSpace(bytes, end);
    if (bytes[at] === CLOSE_BRACKET) return at + 1;
    if (bytes[at] !== COMMA) break;
    at = skipSpace(bytes, at + 1);
  }
  yield syntaxFault(bytes, path);
  return undefined;
}

/** `{"version": "1.0", "data": [{…}, …]}`: the rows of the only list of objects; `{"a": [1, …], "b": [2, …]}`: columns. */
function* readWrappedList(bytes: Buffer, start: number, path: string): Generator<Row | Fault> {
  if (findJsonFault(bytes)) {
    yield syntaxFault(bytes, path);
    return;
  }
  /** Where the value of each field starts; of a name that occurs twice the last, as in JSON.parse. */
  const starts = new Map<string, number>();
  for (let at = skipSpace(bytes, start + 1); bytes[at] === 0x22; ) {
    const keyEnd = skipValue(bytes, at);
    const name = tryParse(bytes.subarray(at, keyEnd)) as string;
    const valueStart = skipSpace(bytes, skipSpace(bytes, keyEnd) + 1);
    starts.set(name, valueStart);
    at = skipSpace(bytes, skipSpace(bytes, skipValue(bytes, valueStart)) + 1);
  }
  const lists = [...starts].filter(([, at]) => bytes[at] === OPEN_BRACKET);
  const areColumns = lists.every(([, at]) => !holdsObjects(bytes, at));
  const [list] = lists;
  if (list !== undefined && lists.length === 1 && !areColumns) yield* readList(bytes, list[1], path);
  else if (list !== undefined && areColumns) yield* readColumns(bytes, lists, path);
  else {
    yield {
      code: "data",
      what:
        lists.length === 0
          ? `the file holds one object (${[...starts.keys()].join(", ")}) without a list of rows`
          : `the file holds an object with ${lists.length} lists (${lists.map(([name]) => name).join(", ")}); which one has the rows is not clear`,
      where: path,
      fix: "write the rows as one list of objects, [{…}, {…}], or as JSON Lines (.jsonl)",
    };
  }
}

/** Whether an object is among the elements of the list that opens at `start`; the JSON is known to be valid. */
function holdsObjects(bytes: Buffer, start: number): boolean {
  for (let at = skipSpace(bytes, start + 1); bytes[at] !== CLOSE_BRACKET; ) {
    if (bytes[at] === OPEN_BRACE) return true;
    at = skipSpace(bytes, skipValue(bytes, at));
    if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1);
  }
  return false;
}

/** Rows of lists that stand side by side, each with its name and where it starts; the JSON is known to be valid. */
function* readColumns(
  bytes: Buffer,
  lists: readonly (readonly [name: string, start: number])[],
  path: string,
): Generator<Row | Fault> {
  /** The next element of each column; undefined at its end. */
  const next = (at: number) => (bytes[at] === CLOSE_BRACKET ? undefined : at);
  let places = lists.map(([, start]) => next(skipSpace(bytes, start + 1)));
  for (let line = 1; ; line++) {
    const ended = lists.filter((_, column) => places[column] === undefined);
    if (ended.length === lists.length) return;
    if (ended.length > 0) {
      const longer = lists.find((_, column) => places[column] !== undefined)!;
      const what = `the columns have different lengths: ${ended[0]![0]} ends after ${line - 1}, ${longer[0]} goes on`;
      yield { code: "data", what, where: path };
      return;
    }
    const fields: Record<string, unknown> = {};
    places = lists.map(([name], column) => {
      const at = places[column]!;
      const end = skipValue(bytes, at);
      const value = tryParse(bytes.subarray(at, end));
      Object.defineProperty(fields, name, { value, enumerable: true, configurable: true, writable: true });
      const comma = skipSpace(bytes, end);
      return bytes[comma] === COMMA ? skipSpace(bytes, comma + 1) : undefined;
    });
    yield { source: path, line, fields };
  }
}

function syntaxFault(bytes: Buffer, path: string): Fault {
  const fault = findJsonFault(bytes) ?? { offset: 0, what: "the file cannot be parsed" };
  const { line, column } = placeOf(bytes, fault.offset);
  return {
    code: "data",
    what: `not valid JSON: ${fault.what}`,
    where: `${path}, line ${line}, column ${column}`,
  };
}
