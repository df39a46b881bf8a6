import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Row } from "../../src/data/types.js";
import { type Fault, PhinetuneError } from "../../src/errors.js";
import { readRows } from "../../src/formats/rows.js";

const fixtures = fileURLToPath(new URL("../fixtures/rows/", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "phinetune-rows-"));
let files = 0;

function fileWith(extension: string, content: string | Uint8Array): string {
  const path = join(folder, `${files++}${extension}`);
  writeFileSync(path, content);
  return path;
}

async function readAll(path: string): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const row of readRows(path)) rows.push(row);
  return rows;
}

const fieldsOf = async (path: string) => (await readAll(path)).map(({ fields }) => fields);
const linesOf = async (path: string) => (await readAll(path)).map(({ line }) => line);

/** The faults, as `what · place` without the path. */
async function faultsOf(path: string): Promise<string[]> {
  const error = await readAll(path).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(PhinetuneError);
  return (error as PhinetuneError).faults.map(({ what, where }) => {
    expect(where).toContain(path);
    return `${what} · ${where?.slice(path.length).replace(/^, /, "")}`;
  });
}

const rows = [{ text: "ünï 👋🏽" }, { text: 'say "hi"\n\\', n: 1.5, list: [1, [2]], no: null }, {}];

describe("JSON", () => {
  test.each([
    ["compact", JSON.stringify(rows)],
    ["indented, CRLF", JSON.stringify(rows, null, 4).replaceAll("\n", "\r\n")],
    ["byte order mark", `\ufeff ${JSON.stringify(rows)} \n`],
    ["wrapped", JSON.stringify({ version: "1.0", meta: { list: [1] }, data: rows, license: "x" }, null, 2)],
  ])("a list of objects, %s", async (_, text) => {
    const path = fileWith(".json", text);
    expect(await fieldsOf(path)).toEqual(rows);
    expect(await readAll(path)).toMatchObject([1, 2, 3].map((line) => ({ source: path, line })));
  });

  test("a field that occurs twice is the last of the two, as in JSON.parse", async () => {
    expect(await fieldsOf(fileWith(".json", '{"data": [{"a": 1}], "data": [{"a": 2}]}'))).toEqual([{ a: 2 }]);
    expect(await faultsOf(fileWith(".json", '{"data": [{"a": 1}], "data": 7}'))).toEqual([
      "the file holds one object (data) without a list of rows · ",
    ]);
  });

  test("JSON Lines under the name .json", async () => {
    expect(await fieldsOf(fileWith(".json", '{"a":1}\n{"a":2}\n'))).toEqual([{ a: 1 }, { a: 2 }]);
  });

  test("columns, beside fields that are no lists", async () => {
    const columns = { version: 2, ids: [[1, 2], [3]], text: ["x", null] };
    const text = JSON.stringify(columns, null, 1);
    expect(await fieldsOf(fileWith(".json", text))).toEqual(
      [0, 1].map((i) => ({ ids: columns.ids[i], text: columns.text[i] })),
    );
    expect(await fieldsOf(fileWith(".json", '{"text": ["a", "b"]}'))).toEqual([{ text: "a" }, { text: "b" }]);
    const [odd] = await fieldsOf(fileWith(".json", '{"__proto__": [1]}'));
    expect(Object.keys(odd!)).toEqual(["__proto__"]);
  });

  test("any values, in any layout", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.dictionary(fc.string({ unit: "grapheme" }), fc.jsonValue()), { minLength: 1 }),
        fc.nat(3),
        async (anyRows, indent) => {
          const wanted = JSON.parse(JSON.stringify(anyRows));
          const path = join(folder, "any.json");
          writeFileSync(path, JSON.stringify(anyRows, null, indent));
          expect(await fieldsOf(path)).toEqual(wanted);
          writeFileSync(`${path}l`, anyRows.map((row) => JSON.stringify(row)).join("\n"));
          expect(await fieldsOf(`${path}l`)).toEqual(wanted);
        },
      ),
      { numRuns: 50 },
    ));

  test.each([
    [
      '[{"a": 1},\n {"a": 2,}]',
      ['not valid JSON: a key in double quotes is expected, not "}" · line 2, column 10'],
    ],
    ['[{"a": 1}\n {"a": 2}]', ['not valid JSON: a comma or ] is expected, not "{" · line 2, column 2']],
    ['[{"a": 1},\n {"a": "x', ["not valid JSON: a string is not closed · line 2, column 8"]],
    ['[{"a": 1},', ["not valid JSON: a list is not closed · line 1, column 11"]],
    ['[{"a": 1},]', ['not valid JSON: a value is expected, not "]" · line 1, column 11']],
    ['[{"a": 1}] 7', ['not valid JSON: unexpected "7" after the value · line 1, column 12']],
    ["[{'a': 1}]", ['not valid JSON: a key in double quotes is expected, not "\'" · line 1, column 3']],
    ["instruction,output\n", ["not valid JSON: a value is expected, not instruction · line 1, column 1"]],
    [
      '[1, {"a": 1}, "x", null, []]',
      [
        "a row must be an object with named fields, this is a number · row 1",
        "a row must be an object with named fields, this is a string · row 3",
        "a row must be an object with named fields, this is null · row 4",
        "a row must be an object with named fields, this is a list · row 5",
      ],
    ],
    ["7", ["a row must be an object with named fields, this is a number · row 1"]],
    ['{"a": 1, "b": "x"}', ["the file holds one object (a, b) without a list of rows · "]],
    [
      '{"train": [{}], "test": []}',
      ["the file holds an object with 2 lists (train, test); which one has the rows is not clear · "],
    ],
    ['{"data": [1, {"a": 1}]}', ["a row must be an object with named fields, this is a number · row 1"]],
    ['{"a": [1, 2], "b": [1]}', ["the columns have different lengths: b ends after 1, a goes on · "]],
    ['{"a": [], "b": []}', ["the file holds no rows · "]],
    ['{"data": [{"a": 1}], "x": }', ['not valid JSON: a value is expected, not "}" · line 1, column 27']],
    ['{\n"a": 1}\n{"a": 2}', ['not valid JSON: unexpected "{" after the value · line 3, column 1']],
    ["", ["the file holds no rows · "]],
    [" \n", ["the file holds no rows · "]],
    ["[]", ["the file holds no rows · "]],
    ['{"data": []}', ["the file holds no rows · "]],
  ])("%j", async (text, faults) => {
    expect(await faultsOf(fileWith(".json", text))).toEqual(faults);
  });

  test.each([".json", ".jsonl"])("%s: a row that is nested too deeply", async (extension) => {
    const row = `{"a": ${"[".repeat(5000)}${"]".repeat(5000)}}`;
    const [fault] = await faultsOf(fileWith(extension, extension === ".json" ? `[${row}]` : row));
    expect(fault).toMatch(/^not valid JSON: values are nested deeper than 1000 · line 1, column 100\d$/);
  });

  test("invalid UTF-8 with line and byte; UTF-16 by name", async () => {
    const bytes = Buffer.concat([
      Buffer.from('[{"a": "é"},\n {"b": "é'),
      Buffer.of(0xe9),
      Buffer.from('"}]'),
    ]);
    expect(await faultsOf(fileWith(".json", bytes))).toEqual([
      "byte 0xe9 is not valid UTF-8 · line 2, byte 11 of the line",
    ]);
    const wide = Buffer.from('\ufeff[{"a": 1}]', "utf16le");
    expect(await faultsOf(fileWith(".json", wide))).toEqual([
      "the file is UTF-16 · line 1, byte 1 of the line",
    ]);
  });
});

test("the first byte that is no UTF-8 is found wherever it is", () =>
  fc.assert(
    fc.asyncProperty(
      fc.string({ unit: "grapheme", maxLength: 300 }),
      fc.nat(3000),
      fc.constantFrom([0x80], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf5], [0xe2, 0x82], [0xff]),
      async (text, repeat, bad) => {
        const before = Buffer.from(`[${JSON.stringify(text)},`.repeat(repeat % 500));
        const bytes = Buffer.concat([before, Buffer.from(bad), Buffer.from(" é")]);
        const [fault] = await faultsOf(fileWith(".json", bytes));
        if (before.length === 0 && bad[0] === 0xff) expect(fault).toContain("UTF-16");
        else {
          const place = `line 1, byte ${before.length + 1} of the line`;
          expect(fault).toBe(`byte 0x${bad[0]?.toString(16)} is not valid UTF-8 · ${place}`);
        }
      },
    ),
    { numRuns: 50 },
  ));

describe("JSON Lines", () => {
  test("CRLF, blank lines, byte order mark, no last line end; lines are counted as they stand", async () => {
    const path = fileWith(".ndjson", '\ufeff{"a": 1}\r\n\r\n  {"a": 2} \n\n\n{"a": 3}');
    expect(await fieldsOf(path)).toEqual([{ a: 1 }, { a: 2 }, { a: 3 }]);
    expect(await linesOf(path)).toEqual([1, 3, 6]);
  });

  test("all faults, each with its line, and the good rows before and after", async () => {
    const content = Buffer.concat([
      Buffer.from('{"a": 1}\n{"a": \n[1]\n{"a": "é'),
      Buffer.of(0xff),
      Buffer.from('"}\n{"a": NaN}\n{"a": 2} {"a": 3}\n{"a": 4}\n'),
    ]);
    const path = fileWith(".jsonl", content);
    expect(await faultsOf(path)).toEqual([
      "not valid JSON: an object is not closed · line 2, column 7",
      "a row must be an object with named fields, this is a list · line 3",
      "byte 0xff is not valid UTF-8 · line 4, byte 10 of the line",
      "not valid JSON: NaN is no JSON value (write null, or leave the field out) · line 5, column 7",
      'not valid JSON: unexpected "{" after the value · line 6, column 10',
    ]);
    const faults: Fault[] = [];
    const seen: number[] = [];
    for await (const { line } of readRows(path, { onFault: (fault) => faults.push(fault) })) seen.push(line);
    expect(seen).toEqual([1, 7]);
    expect(faults).toHaveLength(5);
  });

  test("a file of nothing but faults is not read to its end", async () => {
    const faults = await faultsOf(fileWith(".jsonl", "oops\n".repeat(5000)));
    expect(faults).toHaveLength(1001);
    expect(faults.at(-1)).toContain("reading ended after 1000 faults");
  });

  test("lines that lie across the pieces in which a file is read", async () => {
    const many = Array.from({ length: 3000 }, (_, i) => ({ i, text: `é👋${i}`.repeat((i * 7) % 200) }));
    const path = fileWith(".jsonl", many.map((row) => JSON.stringify(row)).join("\n"));
    expect(readFileSync(path).length).toBeGreaterThan(2 ** 21);
    const found = await readAll(path);
    expect(found.map(({ fields }) => fields)).toEqual(many);
    expect(found.every(({ line }, i) => line === i + 1)).toBe(true);
  });
});

describe("CSV", () => {
  test.each(["plain.csv", "quoted.csv", "tabs.tsv"])("%s: what Python's csv reads", async (name) => {
    const wanted = JSON.parse(readFileSync(join(fixtures, "cells.expected.json"), "utf8"));
    expect(await fieldsOf(join(fixtures, name))).toEqual(wanted);
  });

  test("any cells, however they are quoted and ended, across the pieces of a file", () => {
    const cell = fc.string({
      unit: fc.constantFrom("a", "é", "👋", '"', ",", "\n", "\r\n", " ", "\t", ";"),
      maxLength: 8,
    });
    return fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(cell, cell, cell), { minLength: 1, maxLength: 30 }),
        fc.constantFrom("\n", "\r\n", "\r"),
        fc.boolean(),
        fc.boolean(),
        async (cells, lineEnd, quoteAll, endsOpen) => {
          const quote = (text: string) =>
            quoteAll || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
          const lines = [["a", "b", "c"], ...cells].map((row) => row.map(quote).join(",") + lineEnd);
          const path = join(folder, "any.csv");
          writeFileSync(path, endsOpen ? lines.join("").slice(0, -lineEnd.length) : lines.join(""));
          expect(await fieldsOf(path)).toEqual(cells.map(([a, b, c]) => ({ a, b, c })));
          const starts = lines.map(
            (_, i) =>
              1 +
              lines
                .slice(0, i)
                .join("")
                .split(/\r\n|\r|\n/).length -
              1,
          );
          if (lineEnd !== "\r") expect(await linesOf(path)).toEqual(starts.slice(1));
        },
      ),
      { numRuns: 300 },
    );
  });

  test("a quoted cell larger than a piece of the file", async () => {
    const long = 'x,"\n'.repeat(700_000);
    const path = fileWith(".csv", `a,b\n1,"${long.replaceAll('"', '""')}"\n2,y\n`);
    const found = await readAll(path);
    expect(found.map(({ line }) => line)).toEqual([2, 700_003]);
    expect(found[0]?.fields.b === long).toBe(true);
    expect(found[1]?.fields).toEqual({ a: "2", b: "y" });
  });

  test("quotes within a bare cell belong to it; blank lines are skipped, quoted empty cells are not", async () => {
    expect(await fieldsOf(fileWith(".csv", 'a\n5" disk\n\n""\r\n \n'))).toEqual([
      { a: '5" disk' },
      { a: "" },
      { a: " " },
    ]);
    expect(await fieldsOf(fileWith(".csv", "__proto__,b\n1,"))).toEqual([
      Object.fromEntries([
        ["__proto__", "1"],
        ["b", ""],
      ]),
    ]);
  });

  test.each([
    [
      "a,b\n1\n2,3\n4,5,6\n",
      [
        "the row has 1 columns, the header has 2 (a, b) · line 2",
        "the row has 3 columns, the header has 2 (a, b) · line 4",
      ],
    ],
    ["a,b,a,b\n1,2,3,4\n", ['the header names "a", "b" more than once · line 1']],
    [
      'a,b\n1,"x" y\n2,3\n"open,4\n5,6\n',
      ['text follows a closing quote: " y" · line 2', "a quote opens here and is never closed · line 4"],
    ],
    [
      'a,b\n"l\n2",1\n1,"x\ny" z\n3\n',
      [
        'text follows a closing quote: " z" · line 5',
        "the row has 1 columns, the header has 2 (a, b) · line 6",
      ],
    ],
    ["a,b\n", ["the file holds no rows · "]],
    ["", ["the file holds no rows · "]],
  ])("%j", async (text, faults) => {
    expect(await faultsOf(fileWith(".csv", text))).toEqual(faults);
  });

  test("a header of very many columns: at once, and not repeated in full for each row", async () => {
    const names = Array.from({ length: 100_000 }, (_, i) => `c${i}`);
    const rows = "1\n".repeat(50);
    const started = performance.now();
    const faults = await faultsOf(fileWith(".csv", `${names}\n${rows}`));
    expect(performance.now() - started).toBeLessThan(2000);
    expect(faults).toHaveLength(50);
    expect(faults[0]).toMatch(/the header has 100000 \(c0, .*c19, …\) · line 2$/);
    expect((await faultsOf(fileWith(".csv", `${names},${names}\n${rows}`)))[0]).toMatch(
      /"c19", … more than once/,
    );
  });

  test("invalid UTF-8", async () => {
    const bytes = Buffer.concat([Buffer.from("a,b\n1,2\n3,"), Buffer.of(0xe9), Buffer.from("\n")]);
    expect(await faultsOf(fileWith(".csv", bytes))).toEqual([
      "byte 0xe9 is not valid UTF-8 · line 3, byte 3 of the line",
    ]);
  });
});

describe("which file", () => {
  test("a missing file: the nearest name, what the folder holds, or nothing", async () => {
    const root = mkdtempSync(join(tmpdir(), "phinetune-names-"));
    writeFileSync(join(root, "train.jsonl"), "");
    writeFileSync(join(root, "notes.txt"), "");
    const messageOf = async (path: string) =>
      ((await readAll(path).catch((e: unknown) => e)) as Error).message;
    expect(await messageOf(join(root, "trian.jsonl"))).toContain(
      `did you mean ${join(root, "train.jsonl")}?`,
    );
    expect(await messageOf(join(root, "something-else.json"))).toContain(`${root} holds train.jsonl`);
    expect(await messageOf(join(root, "none", "a.json"))).toContain("there is no such file or folder");
    expect(await messageOf(join(root, "notes.txt"))).toContain(
      'files of kind ".txt" are not read; supported are .json',
    );
    expect(await messageOf(fileWith(".gz", ""))).toContain("unpack the file");
  });

  test("a folder with one data file is that file; with several it is refused", async () => {
    const root = mkdtempSync(join(tmpdir(), "phinetune-names-"));
    await expect(readAll(root)).rejects.toThrow("the folder holds no data file (.json, .jsonl");
    writeFileSync(join(root, "README.md"), "");
    writeFileSync(join(root, "b.JSONL"), '{"a": 1}');
    expect(await readAll(root)).toEqual([{ source: join(root, "b.JSONL"), line: 1, fields: { a: 1 } }]);
    writeFileSync(join(root, "a.csv"), "a\n1");
    await expect(readAll(root)).rejects.toThrow("the folder holds 2 data files: a.csv, b.JSONL");
  });

  test("a folder with the name of a file", async () => {
    const path = join(folder, "folder.json");
    mkdirSync(join(path, "inner.json"), { recursive: true });
    await expect(readAll(path)).rejects.toThrow(PhinetuneError);
  });
});

test.each([".json", ".jsonl", ".csv", ".tsv"])("%s of any bytes: rows or a PhinetuneError", (extension) => {
  const path = join(folder, `bytes${extension}`);
  const structured = fc.string({ unit: fc.constantFrom(...'{}[]",:\\\n\r\t ax1é\0'), maxLength: 40 });
  return fc.assert(
    fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 60 }), structured), async (content) => {
      writeFileSync(path, content);
      const result = await readAll(path).catch((caught: unknown) => caught);
      expect(Array.isArray(result) || result instanceof PhinetuneError).toBe(true);
    }),
    { numRuns: 300 },
  );
});
