import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { findJsonFault, parseJson, placeOf, skipSpace, skipValue } from "../../src/formats/json.js";

const bytesOf = (text: string) => new TextEncoder().encode(text);

function accepts(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe("findJsonFault accepts exactly what JSON.parse accepts", () => {
  test("valid values", () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(3), (text, indent) => {
        const pretty = JSON.stringify(JSON.parse(text), null, indent);
        return findJsonFault(bytesOf(pretty)) === undefined;
      }),
    );
  });

  test("valid values with a few characters removed, doubled or replaced", () => {
    const edit = fc.tuple(
      fc.nat(),
      fc.constantFrom(...'{}[]",:0123456789.eE+-\\u/tfn\n\t \u0001é'),
      fc.nat(2),
    );
    fc.assert(
      fc.property(fc.json({ maxDepth: 3 }), fc.array(edit, { minLength: 1, maxLength: 3 }), (text, edits) => {
        let damaged = text;
        for (const [position, character, kind] of edits) {
          const at = position % (damaged.length + 1);
          const rest = damaged.slice(kind === 0 ? at : at + 1);
          damaged = damaged.slice(0, at) + (kind === 2 ? "" : character) + rest;
        }
        // A cut surrogate pair has no UTF-8 form.
        const bytes = bytesOf(damaged.replace(/\p{Surrogate}/gu, "?"));
        const fault = findJsonFault(bytes);
        return (fault === undefined) === accepts(new TextDecoder().decode(bytes));
      }),
      { numRuns: 2000 },
    );
  });

  test.each([
    "01",
    "1.",
    ".5",
    "-",
    "+1",
    "1e",
    "1e+",
    "0x1",
    "truely",
    "nul",
    "'a'",
    "[1,]",
    '{"a":1,}',
    "{a:1}",
  ])("%s is refused", (text) => {
    expect(accepts(text)).toBe(false);
    expect(findJsonFault(bytesOf(text))).toBeDefined();
  });
});

describe("the place and the words", () => {
  const cases: readonly [text: string, line: number, column: number, what: string][] = [
    ['{\n  "a": 1\n  "b": 2\n}', 3, 3, 'a comma or } is expected, not "\\""'],
    ['["é", }', 1, 7, 'a value is expected, not "}"'],
    ['{"a": "x\n"}', 1, 7, "a string is not closed on its line (a line break in it is written \\n)"],
    ['{"a" 1}', 1, 6, 'a colon is expected after the key, not "1"'],
    ['{"loss": NaN}', 1, 10, "NaN is no JSON value (write null, or leave the field out)"],
    ["[1, 2", 1, 6, "a list is not closed"],
    ['{"a": 1', 1, 8, "an object is not closed"],
    ["", 1, 1, "a value is missing"],
    ["{'a': 1}", 1, 2, 'a key in double quotes is expected, not "\'"'],
    ['["\\q"]', 1, 3, "\\q is no escape that JSON knows"],
    ['["\u0001"]', 1, 3, "the control character U+0001 in a string must be escaped"],
    ['{"a":1} x', 1, 9, 'unexpected "x" after the value'],
  ];
  test.each(cases)("%j", (text, line, column, what) => {
    const bytes = bytesOf(text);
    const fault = findJsonFault(bytes)!;
    expect(fault.what).toBe(what);
    expect(placeOf(bytes, fault.offset)).toEqual({ line, column });
  });

  test("a key that occurs twice, however it is written", () => {
    const bytes = bytesOf('{"a":{"b":1,"b":2},"\\u0061":3}');
    expect(findJsonFault(bytes)).toBeUndefined();
    expect(findJsonFault(bytes, { uniqueKeys: true })?.offset).toBe(12);
    expect(findJsonFault(bytesOf('{"a":{"b":1},"\\u0061":3}'), { uniqueKeys: true })?.what).toContain('"a"');
  });

  test.each([
    ["[", "]"],
    ['{"a":', "}"],
  ])("1000 nested %s are read, one more is refused, by both", (open, close) => {
    const nested = (depth: number) => `${open.repeat(depth)}1${close.repeat(depth)}`;
    expect(() => parseJson(nested(1000))).not.toThrow();
    expect(findJsonFault(bytesOf(nested(1000)))).toBeUndefined();
    for (const depth of [1001, 60_000]) {
      expect(() => parseJson(nested(depth))).toThrow("nested deeper than 1000");
      expect(findJsonFault(bytesOf(nested(depth)))?.what).toContain("nested deeper than 1000");
    }
  });

  test("a million open brackets are refused, quickly and without overflow", () => {
    expect(findJsonFault(bytesOf("[".repeat(1_000_000)))?.what).toContain("nested deeper than 1000");
  });
});

test("skipValue finds the end of each element of a list", () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue(), { minLength: 1 }), (values) => {
      const bytes = bytesOf(` ${values.map((value) => JSON.stringify(value, null, 1)).join(" , ")} `);
      const found: unknown[] = [];
      for (let at = skipSpace(bytes, 0); at < bytes.length; ) {
        const end = skipValue(bytes, at);
        found.push(JSON.parse(new TextDecoder().decode(bytes.subarray(at, end))));
        at = skipSpace(bytes, skipSpace(bytes, end) + 1);
      }
      expect(JSON.stringify(found)).toBe(JSON.stringify(values));
    }),
  );
});

test.each(['"abc', '"abc\\"', "[1, [2]", '{"a": "]}'])("skipValue of the unclosed %s", (text) => {
  expect(skipValue(bytesOf(text), 0)).toBe(-1);
});
