import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PhinetuneError } from "../../src/errors.js";
import { decompressors } from "../../src/formats/parquet.js";
import { readRows } from "../../src/formats/rows.js";

const fixtures = fileURLToPath(new URL("../fixtures/rows/", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "phinetune-parquet-"));

async function fieldsOf(path: string): Promise<unknown[]> {
  const fields: unknown[] = [];
  let line = 0;
  for await (const row of readRows(path)) {
    expect(row).toMatchObject({ source: path, line: ++line });
    fields.push(row.fields);
  }
  return fields;
}

/** Bytes have no form in JSON; the fixtures write them as {"bytes": [...]}. */
function expected(name: string): unknown {
  return JSON.parse(readFileSync(join(fixtures, `${name}.expected.json`), "utf8"), (_, value) =>
    Array.isArray(value?.bytes) ? Uint8Array.from(value.bytes) : value,
  );
}

test("every type that Python wrote, over several row groups", async () => {
  const rows = await fieldsOf(join(fixtures, "types.parquet"));
  const wanted = expected("types") as unknown[];
  expect(rows).toHaveLength(42);
  for (const [i, row] of rows.entries()) expect(row).toStrictEqual(wanted[i]);
});

test.each(["none", "snappy", "gzip", "brotli", "zstd", "lz4", "v2"])("compression %s", async (name) => {
  expect(await fieldsOf(join(fixtures, `small_${name}.parquet`))).toStrictEqual(expected("small"));
});

async function faultOf(bytes: Uint8Array): Promise<string> {
  const path = join(folder, "bad.parquet");
  writeFileSync(path, bytes);
  const error = await fieldsOf(path).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(PhinetuneError);
  expect((error as PhinetuneError).message).toContain(path);
  return (error as PhinetuneError).message;
}

describe("bytes that are no sound Parquet file", () => {
  const original = readFileSync(join(fixtures, "small_none.parquet"));

  test("too short, another kind of file, an empty file", async () => {
    expect(await faultOf(new Uint8Array())).toContain("it has 0 bytes; the shortest Parquet file has 12");
    expect(await faultOf(Buffer.from('{"text": "not parquet"}'))).toContain("footer != PAR1");
  });

  test("cut anywhere", () =>
    fc.assert(
      fc.asyncProperty(fc.nat(original.length - 1), async (length) => {
        await faultOf(original.subarray(0, length));
      }),
      { numRuns: 60 },
    ));

  test("invalid UTF-8 in a text column", async () => {
    const bytes = Uint8Array.from(original);
    bytes[Buffer.from(bytes).indexOf("plain")] = 0xff;
    expect(await faultOf(bytes)).toContain("rows 1 to 20");
  });

  // The first page of a column: its bytes begin at 20, with the descriptor and the size of a frame from 24 on.
  test.each([
    ["a content of 1.5 GB", [0xa0, 0x60, 0x2f, 0x68, 0x59], /frame of \d+ blocks claims 1500000096 bytes/],
    ["a window of a gigabyte", [0x00, 0xa0], /wants a window of 1073741824 bytes/],
    ["bytes after its frame", [0x20, 0x00], /there is no Zstandard frame at byte 9 of a page/],
  ])("Zstandard with %s asks for no memory", async (_, header, words) => {
    const bytes = Buffer.from(readFileSync(join(fixtures, "small_zstd.parquet")));
    expect(bytes.readUInt32LE(20)).toBe(0xfd2fb528);
    bytes.set(header, 24);
    // One raw block of no bytes, the last one.
    bytes.set([1, 0, 0], 24 + header.length);
    const before = process.memoryUsage().arrayBuffers;
    expect(await faultOf(bytes)).toMatch(words);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 26);
  });

  test.each(["SNAPPY", "LZ4", "LZ4_RAW"] as const)("%s that claims to unpack to a gigabyte", (codec) => {
    expect(() => decompressors[codec]!(new Uint8Array(100), 2 ** 30)).toThrow(
      "a page of 100 bytes claims to unpack to 1073741824",
    );
  });

  // A run-length header with its top bit set claims thousands to billions of values.
  test.each(["small_none", "small_v2"])(
    "%s with the top bit set in any byte before the footer",
    async (name) => {
      const good = readFileSync(join(fixtures, `${name}.parquet`));
      const footer = good.length - 8 - good.readUInt32LE(good.length - 8);
      const path = join(folder, `${name}_bit.parquet`);
      for (let at = 4; at < footer; at++) {
        const bytes = Uint8Array.from(good);
        bytes[at]! |= 0x80;
        writeFileSync(path, bytes);
        const result = await fieldsOf(path).catch((caught: unknown) => caught);
        expect(result instanceof PhinetuneError || Array.isArray(result)).toBe(true);
      }
    },
  );

  test.each(["small_none", "small_snappy", "small_gzip", "small_zstd", "small_v2", "types"])(
    "%s with bytes changed: rows or a PhinetuneError",
    async (name) => {
      const good = readFileSync(join(fixtures, `${name}.parquet`));
      const path = join(folder, `${name}.parquet`);
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 }),
          async (changes) => {
            const bytes = Uint8Array.from(good);
            for (const [at, byte] of changes) bytes[at] = byte;
            writeFileSync(path, bytes);
            const error = await fieldsOf(path).catch((caught: unknown) => caught);
            expect(error instanceof PhinetuneError || Array.isArray(error)).toBe(true);
          },
        ),
        { numRuns: 100 },
      );
    },
  );
});
