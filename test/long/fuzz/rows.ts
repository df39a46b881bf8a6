// Data files: every row, or an error, and the rows are those that the simplest reader finds.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parquetMetadata } from "hyparquet";
import type { Row } from "../../../src/data/types.js";
import { readRows } from "../../../src/formats/rows.js";
import type { Random } from "../../../src/random.js";
import { changedJson, fixtures, folderOf, type Input, must, type Reader, same, textOf } from "./harness.js";
import { below, jsonDocument, type Mutant, mutateBytes, mutateJson, pick } from "./mutations.js";

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch {
    return undefined;
  }
}

async function allRows(path: string): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const row of readRows(path)) rows.push(row);
  return rows;
}

/** Text -> what should be rows; undefined where it is no such file. */
const plainly = {
  ".jsonl": (text: string): readonly unknown[] | undefined => {
    const lines = text.split("\n").filter((line) => /[^ \t\r]/.test(line));
    return attempt(() => lines.map((line) => JSON.parse(line) as unknown));
  },
  ".json": (text: string): readonly unknown[] | undefined => {
    const whole = attempt(() => JSON.parse(text) as unknown);
    if (whole === undefined) return plainly[".jsonl"](text);
    if (Array.isArray(whole)) return whole;
    const fields = isObject(whole) ? Object.entries(whole) : [];
    const lists = fields.flatMap(([name, list]) => (Array.isArray(list) ? [{ name, list }] : []));
    if (lists.some(({ list }) => list.some(isObject))) return lists.length === 1 ? lists[0]!.list : undefined;
    const lengths = new Set(lists.map(({ list }) => list.length));
    if (lengths.size !== 1) return undefined;
    return lists[0]!.list.map((_, i) => Object.fromEntries(lists.map(({ name, list }) => [name, list[i]])));
  },
  ".csv": (text: string) => namedCells(text, ","),
  ".tsv": (text: string) => namedCells(text, "\t"),
};

type Extension = keyof typeof plainly;

/** RFC 4180, a character at a time. */
function recordsOf(text: string, delimiter: string): readonly (readonly string[])[] | undefined {
  const records: string[][] = [];
  let cells: string[] = [];
  let cell = "";
  let state: "start" | "bare" | "quoted" | "closed" = "start";
  const endCell = () => {
    cells.push(cell);
    [cell, state] = ["", "start"];
  };
  const endRecord = () => {
    if (cells.length === 0 && state === "start") return;
    endCell();
    records.push(cells);
    cells = [];
  };
  for (const character of text) {
    if (state === "quoted") {
      if (character === '"') state = "closed";
      else cell += character;
    } else if (character === delimiter) endCell();
    else if (character === "\n" || character === "\r") endRecord();
    else if (character === '"' && state !== "bare") {
      if (state === "closed") cell += '"';
      state = "quoted";
    } else if (state === "closed") return undefined;
    else {
      cell += character;
      state = "bare";
    }
  }
  if ((state as string) === "quoted") return undefined;
  endRecord();
  return records;
}

function namedCells(text: string, delimiter: string): readonly unknown[] | undefined {
  const [header, ...rows] = recordsOf(text, delimiter) ?? [];
  if (!header || new Set(header).size < header.length) return undefined;
  if (rows.some(({ length }) => length !== header.length)) return undefined;
  return rows.map((row) => Object.fromEntries(header.map((name, i) => [name, row[i]])));
}

const ROWS = [
  { instruction: 'Say "hi"', input: "", output: "hi\r\n\tü 👋🏽 \u0000" },
  {
    instruction: "count, to 3",
    output: "1\n2\n3",
    label: "3",
    n: -1.5e-7,
    list: [1, [2, { a: null }]],
    yes: true,
  },
  {
    messages: [
      { role: "user", content: "a" },
      { role: "assistant", content: "b" },
    ],
  },
];
const COLUMNS = { version: 2, input_ids: [[1, 2], [3]], text: ["a\n", null], "0": [true, -1.5] };
const LINES = ROWS.map((row) => jsonDocument(JSON.stringify(row)));
const fixture = (name: string) => readFileSync(join(fixtures, "rows", name), "utf8");
const TEXTS: Readonly<Record<Extension, readonly string[]>> = {
  ".jsonl": [LINES.map(({ text }) => text).join("\n")],
  ".json": [
    JSON.stringify(ROWS, null, 1),
    JSON.stringify({ version: "1.0", about: { a: 1 }, data: ROWS }),
    JSON.stringify(COLUMNS),
  ],
  ".csv": [fixture("plain.csv"), fixture("quoted.csv")],
  ".tsv": [fixture("tabs.tsv")],
};

/** Lines of which one says something else, with line ends of all kinds. */
function changedLines(random: Random): Mutant {
  const at = below(random, LINES.length);
  const { bytes, how } = mutateJson(LINES[at]!, random);
  const lines = LINES.flatMap(({ text }, i) => [
    i === at ? bytes : Buffer.from(text),
    Buffer.from(pick(random, ["\n", "\r\n", "\n \n"])),
  ]);
  return { bytes: Buffer.concat(lines), how: `line ${at + 1}: ${how}` };
}

/** A good file must not be refused either. */
export function textRows(extension: Extension): Reader<readonly Row[]> {
  const path = join(folderOf(`rows${extension}`), `a${extension}`);
  const texts = TEXTS[extension];
  const documents = extension === ".json" ? texts.map(jsonDocument) : [];
  const change = (random: Random): Mutant & Input => {
    const isBytes = random.nextFloat() < 0.3;
    if (extension === ".json" && !isBytes) return changedJson(pick(random, documents), random);
    if (extension === ".jsonl" && !isBytes) return changedLines(random);
    return mutateBytes(Buffer.from(pick(random, texts)), random);
  };
  const goodRows = (): readonly unknown[] | undefined => {
    const text = attempt(() => textOf(readFileSync(path)));
    const rows = text === undefined ? undefined : plainly[extension](text);
    return rows && rows.length > 0 && rows.every(isObject) ? rows : undefined;
  };
  return {
    write(random) {
      const mutant = change(random);
      writeFileSync(path, mutant.bytes);
      return mutant;
    },
    read: () => allRows(path),
    check(rows) {
      const fields = rows.map((row) => row.fields);
      must(same(fields, goodRows()), "other rows");
      for (const [i, { line, source }] of rows.entries())
        must(source === path && line > (rows[i - 1]?.line ?? 0), `the line of row ${i + 1}`);
    },
    checkRefusal({ message }) {
      // JSON.parse takes values however deeply they are nested.
      must(!goodRows() || message.includes("nested deeper"), `it was refused: ${message}`);
    },
  };
}

const PARQUET = [
  ...["none", "snappy", "gzip", "brotli", "zstd", "lz4", "v2"].map((kind) => `small_${kind}`),
  "types",
];

function isPlain(value: unknown): boolean {
  if (value === null || ["string", "number", "boolean"].includes(typeof value) || value instanceof Uint8Array)
    return true;
  if (typeof value !== "object") return false;
  return Object.values(value).every(isPlain);
}

export function parquetRows(): Reader<readonly Row[]> {
  const path = join(folderOf("rows.parquet"), "a.parquet");
  const files = PARQUET.map((name) => readFileSync(join(fixtures, "rows", `${name}.parquet`)));
  return {
    write(random) {
      const i = below(random, files.length);
      const file = files[i]!;
      const tail = file.length - 8;
      const footer = tail - file.readUInt32LE(tail);
      const pages = [0, footer] as const;
      const [start, end] = pick(random, [
        pages,
        pages,
        [footer, tail],
        [footer, tail],
        [tail, tail + 4],
      ] as const);
      const { bytes, how } = mutateBytes(file, random, start, end);
      writeFileSync(path, bytes);
      return { how: `${PARQUET[i]}: ${how}` };
    },
    read: () => allRows(path),
    check(rows) {
      const bytes = readFileSync(path);
      const { num_rows } = parquetMetadata(new Uint8Array(bytes).buffer);
      must(BigInt(rows.length) === num_rows, `${rows.length} rows, ${num_rows} claimed`);
      const columns = Object.keys(rows[0]!.fields);
      for (const [i, { fields, line }] of rows.entries())
        must(line === i + 1 && same(Object.keys(fields), columns) && isPlain(fields), `row ${i + 1}`);
    },
  };
}
