// A CSV or TSV file with a header row -> rows of strings and the faults between them.
// The dialect is RFC 4180, as Python's csv module reads it; only text after a closing quote is refused here.
import type { Row } from "../data/types.js";
import type { Fault } from "../errors.js";
import { findUtf8Fault, readLineBlocks } from "./lines.js";

/** A record of the file before it is given names. */
interface Record {
  readonly cells: readonly string[];
  /** The line on which it begins. */
  readonly line: number;
}

const QUOTE = 0x22;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
/** A longer record is the rest of a file after a quote that was never closed. */
const MAX_RECORD = 1 << 26;

/** Rows by the names of the header, every value a string; blank lines are skipped. `line` is where the row begins. */
export async function* readCsvRows(path: string, delimiter: "," | "\t"): AsyncGenerator<Row | Fault> {
  let header: readonly string[] | undefined;
  for await (const record of readRecords(path, delimiter)) {
    if ("what" in record) yield record;
    else if (header === undefined) {
      header = record.cells;
      const fault = headerFault(record, path);
      if (fault) {
        yield fault;
        return;
      }
    } else yield nameCells(record, header, path);
  }
}

function headerFault({ cells, line }: Record, path: string): Fault | undefined {
  const [names, twice] = [new Set<string>(), new Set<string>()];
  for (const name of cells) (names.has(name) ? twice : names).add(name);
  if (twice.size === 0) return undefined;
  return {
    code: "data",
    what: `the header names ${listed([...twice].map((name) => JSON.stringify(name)))} more than once`,
    where: `${path}, line ${line}`,
    fix: "give every column its own name",
  };
}

function nameCells({ cells, line }: Record, header: readonly string[], path: string): Row | Fault {
  if (cells.length === header.length) {
    // fromEntries makes a column named __proto__ a field like any other.
    return { source: path, line, fields: Object.fromEntries(header.map((name, i) => [name, cells[i]])) };
  }
  return {
    code: "data",
    what: `the row has ${cells.length} columns, the header has ${header.length} (${listed(header)})`,
    where: `${path}, line ${line}`,
    fix: "put a value that contains the separator, a quote or a line break in double quotes",
  };
}

/** Each row may have this fault: a long header is not repeated in full. */
function listed(names: readonly string[], limit = 20): string {
  return names.slice(0, limit).join(", ") + (names.length > limit ? ", …" : "");
}

async function* readRecords(path: string, delimiter: string): AsyncGenerator<Record | Fault> {
  let rest: Rest = { text: "", line: 1, quoteLine: 1 };
  for await (const block of readLineBlocks(path)) {
    if ("what" in block) {
      yield block;
      return;
    }
    const fault = findUtf8Fault(block.bytes, path, block.firstLine);
    if (fault) {
      yield fault;
      return;
    }
    const text = rest.text + block.bytes.toString("utf8");
    rest = yield* parseRecords(text, rest.line, delimiter.charCodeAt(0), path);
    if (rest.text.length > MAX_RECORD) break;
  }
  if (rest.text !== "")
    yield {
      code: "data",
      what: "a quote opens here and is never closed",
      where: `${path}, line ${rest.quoteLine}`,
    };
}

/** A record whose quote is still open where the text ends. */
interface Rest {
  readonly text: string;
  readonly line: number;
  readonly quoteLine: number;
}

/** The records of some whole lines. @returns the record that goes on after them; its text is empty when none does. */
function* parseRecords(
  text: string,
  firstLine: number,
  delimiter: number,
  path: string,
): Generator<Record | Fault, Rest> {
  let line = firstLine;
  let at = 0;
  while (at < text.length) {
    const start = at;
    const startLine = line;
    const cells: string[] = [];
    let isBlank = endsRecord(text, at);
    let isBroken = false;
    for (;;) {
      if (text.charCodeAt(at) === QUOTE) {
        const end = closingQuote(text, at + 1);
        if (end < 0) return { text: text.slice(start), line: startLine, quoteLine: line };
        const cell = text.slice(at + 1, end);
        for (let i = cell.indexOf("\n"); i >= 0; i = cell.indexOf("\n", i + 1)) line++;
        cells.push(cell.includes('"') ? cell.replaceAll('""', '"') : cell);
        at = end + 1;
        isBroken = text.charCodeAt(at) !== delimiter && !endsRecord(text, at);
      } else {
        const cellStart = at;
        while (text.charCodeAt(at) !== delimiter && !endsRecord(text, at)) at++;
        cells.push(text.slice(cellStart, at));
      }
      if (isBroken || text.charCodeAt(at) !== delimiter) break;
      at++;
    }
    if (isBroken) {
      const lineEnd = text.indexOf("\n", at);
      const after = text.slice(at, lineEnd < 0 ? text.length : lineEnd);
      yield {
        code: "data",
        what: `text follows a closing quote: ${JSON.stringify(after.slice(0, 20))}`,
        where: `${path}, line ${line}`,
        fix: "double a quote that belongs to the value",
      };
      at += after.length;
      isBlank = true;
    }
    if (!isBlank) yield { cells, line: startLine };
    if (text.charCodeAt(at) === RETURN) at++;
    if (text.charCodeAt(at) === NEWLINE) at++;
    line++;
  }
  return { text: "", line, quoteLine: line };
}

/** The offset of the quote that closes a cell; a doubled quote is a part of it. -1 when there is none. */
function closingQuote(text: string, start: number): number {
  for (let at = text.indexOf('"', start); at >= 0; at = text.indexOf('"', at + 2))
    if (text.charCodeAt(at + 1) !== QUOTE) return at;
  return -1;
}

function endsRecord(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code === NEWLINE || code === RETURN || at >= text.length;
}
