import { mkdtempSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PhinetuneError } from "../../src/errors.js";
import { toFloat32 } from "../../src/formats/dtype.js";
import {
  encodeSafetensors,
  openSafetensors,
  readTensor,
  writeSafetensors,
} from "../../src/formats/safetensors.js";
import { bytesPerElement, type DType, elementCount, type Tensor } from "../../src/formats/tensor.js";

const fixtures = fileURLToPath(new URL("../fixtures/safetensors/", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "phinetune-safetensors-"));
let files = 0;

/** A file with this header; a number stands for the header's length where it lies. */
function fileWith(header: string | Uint8Array, data = new Uint8Array(), length?: number | bigint): string {
  const bytes = typeof header === "string" ? Buffer.from(header) : header;
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(length ?? bytes.length));
  const path = join(folder, `${files++}.safetensors`);
  writeFileSync(path, Buffer.concat([prefix, bytes, data]));
  return path;
}

async function messageOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (caught: unknown) => caught,
  );
  expect(error).toBeInstanceOf(PhinetuneError);
  return (error as PhinetuneError).message;
}

async function readAll(path: string): Promise<Map<string, Tensor>> {
  const { entries } = await openSafetensors(path);
  const tensors = new Map<string, Tensor>();
  for (const [name, entry] of entries) tensors.set(name, await readTensor(entry));
  return tensors;
}

describe("files that Python wrote", () => {
  test.each(["every_dtype", "odd_names", "no_tensors"])(
    "%s: the same bytes come back, in any order",
    async (name) => {
      const path = join(fixtures, `${name}.safetensors`);
      const { metadata } = await openSafetensors(path);
      const reversed = new Map([...(await readAll(path))].reverse());
      const encoded = encodeSafetensors(reversed, name === "every_dtype" ? metadata : undefined);
      expect(Buffer.from(encoded).equals(readFileSync(path))).toBe(true);
    },
  );

  test("the values are those that Python stored", async () => {
    const tensors = await readAll(join(fixtures, "every_dtype.safetensors"));
    const steps = Array.from({ length: 11 }, (_, i) => i * 0.5 - 2.5);
    const whole = (value: number) => Math.trunc(value) + 0;
    expect(Object.fromEntries([...tensors].map(([name, tensor]) => [name, [...toFloat32(tensor)]]))).toEqual({
      t_bool: steps.map((value) => (value === 0 ? 0 : 1)),
      ...Object.fromEntries(
        ["int8", "int16", "int32", "int64"].map((name) => [`t_${name}`, steps.map(whole)]),
      ),
      ...Object.fromEntries(
        ["uint8", "uint16", "uint32", "uint64"].map((name) => [
          `t_${name}`,
          steps.map((value) => whole(Math.abs(value))),
        ]),
      ),
      ...Object.fromEntries(
        ["float16", "bfloat16", "float32", "float64"].map((name) => [`t_${name}`, steps]),
      ),
    });
  });

  test("entries tell where the bytes lie; nothing else is needed to map them", async () => {
    const path = join(fixtures, "odd_names.safetensors");
    const { entries, metadata } = await openSafetensors(path);
    const { file, offset, length, shape, dtype } = entries.get("scalar")!;
    expect({ file, shape, dtype, length, metadata }).toEqual({
      file: path,
      shape: [],
      dtype: "F32",
      length: 4,
      metadata: {},
    });
    expect(readFileSync(file).readFloatLE(offset)).toBe(1.5);
    expect(entries.get("empty")).toMatchObject({ shape: [0, 4], length: 0 });
  });
});

describe("a header that does not keep what the format promises", () => {
  const u8 = (begin: number, end: number, shape: unknown = [end - begin]) =>
    JSON.stringify({ dtype: "U8", shape, data_offsets: [begin, end] });

  const cases: readonly [what: string, path: string, message: string][] = [
    [
      "shorter than a length",
      join(folder, "short"),
      "the file has 7 bytes; a safetensors file has at least 8",
    ],
    [
      "a header longer than the file",
      fileWith("{}", undefined, 1000),
      "its header alone needs 1008 bytes, the file has 10",
    ],
    [
      "a header longer than allowed",
      fileWith("{}", undefined, 100_000_001),
      "the header would have 100000001 bytes",
    ],
    ["a header of 2^64 - 1 bytes", fileWith("{}", undefined, 2n ** 64n - 1n), "18446744073709551615 bytes"],
    ["an empty header", fileWith(""), "the header is not valid JSON: a value is missing"],
    ["a header that is a list", fileWith("[]"), "the header is not a JSON object"],
    ["bad JSON", fileWith('{"a":}'), 'not valid JSON: a value is expected, not "}"'],
    ["bad UTF-8", fileWith(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d)), "not valid UTF-8"],
    ["zeros after the header", fileWith("{}\0\0"), "unexpected U+0000 after the value"],
    [
      "a name twice",
      fileWith(`{"a":${u8(0, 1)},"a":${u8(0, 1)}}`, new Uint8Array(1)),
      'the key "a" occurs twice',
    ],
    [
      "an entry that is no object",
      fileWith('{"a":3}'),
      'tensor "a": its entry in the header is not an object',
    ],
    [
      "an unknown dtype",
      fileWith('{"a":{"dtype":"F8_E4M3","shape":[],"data_offsets":[0,1]}}'),
      'dtype "F8_E4M3" is not supported',
    ],
    [
      "a dtype from Object",
      fileWith('{"a":{"dtype":"toString","shape":[],"data_offsets":[0,1]}}'),
      '"toString" is not supported',
    ],
    ["a negative size", fileWith(`{"a":${u8(0, 1, [-1])}}`), "shape [-1] is not a list of whole numbers"],
    ["a size that is no number", fileWith(`{"a":${u8(0, 1, ["1"])}}`), 'shape ["1"] is not a list'],
    [
      "offsets that decrease",
      fileWith(`{"a":${u8(1, 0, [1])}}`),
      "data_offsets [1,0] are not two increasing",
    ],
    ["one offset", fileWith('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0]}}'), "data_offsets [0]"],
    ["no offsets", fileWith('{"a":{"dtype":"U8","shape":[1]}}'), "data_offsets undefined"],
    [
      "too few bytes for the shape",
      fileWith(`{"a":${u8(0, 3, [2, 2])}}`, new Uint8Array(3)),
      "U8 of shape [2,2] needs 4 bytes; data_offsets [0, 3] give it 3",
    ],
    [
      "a product that overflows",
      fileWith(`{"a":${u8(0, 0, [2 ** 52, 2 ** 52, 0])}}`),
      "needs Infinity bytes",
    ],
    [
      "a hole",
      fileWith(`{"a":${u8(0, 1)},"b":${u8(3, 4)}}`, new Uint8Array(4)),
      'tensor "b": its bytes leave a hole of 2 bytes',
    ],
    [
      "a hole at the start",
      fileWith(`{"a":${u8(2, 3)}}`, new Uint8Array(3)),
      'tensor "a": its bytes leave a hole of 2 bytes',
    ],
    [
      "an overlap",
      fileWith(`{"a":${u8(0, 4)},"b":${u8(2, 6)}}`, new Uint8Array(6)),
      'tensor "b": its bytes overlap the tensor before by 2 bytes',
    ],
    [
      "the same bytes twice",
      fileWith(`{"a":${u8(0, 4)},"b":${u8(0, 4)}}`, new Uint8Array(4)),
      "overlap the tensor before by 4 bytes",
    ],
    ["bytes after the last tensor", fileWith(`{"a":${u8(0, 1)}}`, new Uint8Array(6)), "5 too many"],
    [
      "metadata that is not text",
      fileWith('{"__metadata__":{"a":1}}'),
      "__metadata__ must map names to strings",
    ],
  ];
  writeFileSync(join(folder, "short"), new Uint8Array(7));

  test.each(cases)("%s", async (_, path, message) => {
    const text = await messageOf(openSafetensors(path));
    expect(text).toContain(message);
    expect(text).toContain(path);
  });

  test("a truncated file tells both sizes", async () => {
    const path = join(folder, "truncated.safetensors");
    const bytes = readFileSync(join(fixtures, "every_dtype.safetensors"));
    writeFileSync(path, bytes);
    truncateSync(path, bytes.length - 10);
    const message = await messageOf(openSafetensors(path));
    expect(message).toContain(`its header tells of ${bytes.length} bytes, the file has ${bytes.length - 10}`);
    expect(message).toContain("download or copy the file again");
  });

  test("all faults of a header are told at once", async () => {
    const path = fileWith(`{"a":3,"b":${u8(0, 3, [2])},"c":{"dtype":"X"}}`, new Uint8Array(3));
    expect((await messageOf(openSafetensors(path))).split("\n")).toHaveLength(3);
  });

  test("a missing file and a folder", async () => {
    expect(await messageOf(openSafetensors(join(folder, "none")))).toContain("there is no such file");
    expect(await messageOf(openSafetensors(folder))).toContain("it is a folder, not a file");
  });

  test("a file cut short after it was opened", async () => {
    const path = join(folder, "cut.safetensors");
    writeFileSync(path, readFileSync(join(fixtures, "every_dtype.safetensors")));
    const { entries } = await openSafetensors(path);
    truncateSync(path, 1300);
    const message = await messageOf(Promise.all([...entries.values()].map(readTensor)));
    expect(message).toMatch(/tensor t_\w+ cannot be read: .* but the file has only 1300 now/);
  });

  test("only the header is read: a file of 64 GiB opens at once", async () => {
    const size = 2 ** 36;
    const path = fileWith(`{"a":${u8(0, size)}}`);
    truncateSync(path, statSync(path).size + size);
    const { entries } = await openSafetensors(path);
    expect(entries.get("a")?.length).toBe(size);
  });
});

describe("any bytes", () => {
  const original = readFileSync(join(fixtures, "every_dtype.safetensors"));
  const path = join(folder, "damaged.safetensors");

  /** Whatever a damaged file says, its tensors lie inside it, or it is refused. */
  async function isRefusedOrSound(bytes: Uint8Array): Promise<void> {
    writeFileSync(path, bytes);
    try {
      const { entries } = await openSafetensors(path);
      for (const entry of entries.values()) {
        expect(entry.offset + entry.length).toBeLessThanOrEqual(bytes.length);
        expect(toFloat32(await readTensor(entry)).length).toBe(elementCount(entry.shape));
      }
    } catch (error) {
      if (!(error instanceof PhinetuneError)) throw error;
    }
  }

  test("random bytes", () =>
    fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), isRefusedOrSound), { numRuns: 200 }));

  test("a good file with bytes changed", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(original.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        async (changes) => {
          const bytes = Uint8Array.from(original);
          for (const [at, byte] of changes) bytes[at] = byte;
          await isRefusedOrSound(bytes);
        },
      ),
      { numRuns: 400 },
    ));

  test("a good file cut anywhere is refused", () =>
    fc.assert(
      fc.asyncProperty(fc.nat(original.length - 1), async (length) => {
        writeFileSync(path, original.subarray(0, length));
        await messageOf(openSafetensors(path));
      }),
    ));
});

describe("writing", () => {
  const dtypes = Object.keys(bytesPerElement) as DType[];
  const anyTensor = fc
    .tuple(fc.constantFrom(...dtypes), fc.array(fc.nat(4), { maxLength: 3 }), fc.nat(255))
    .map(([dtype, shape, fill]): Tensor => {
      return { dtype, shape, bytes: new Uint8Array(elementCount(shape) * bytesPerElement[dtype]).fill(fill) };
    });
  const anyName = fc.string({ unit: "grapheme" }).filter((name) => name !== "__metadata__");

  test("what is written is read again", () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(anyName, anyTensor), { maxLength: 8 }),
        fc.option(fc.dictionary(anyName, fc.string({ unit: "grapheme" }))),
        async (pairs, metadata) => {
          const tensors = new Map(pairs);
          const path = join(folder, "round.safetensors");
          await writeSafetensors(path, tensors, metadata ?? undefined);
          expect(readFileSync(path).equals(encodeSafetensors(tensors, metadata ?? undefined))).toBe(true);
          expect((await openSafetensors(path)).metadata).toEqual(metadata ?? {});
          expect(new Map([...(await readAll(path))].sort())).toEqual(new Map([...tensors].sort()));
        },
      ),
      { numRuns: 60 },
    ));

  test("tensors that cannot be stored are refused, all at once, and no file appears", async () => {
    const tensor: Tensor = { dtype: "F32", shape: [2], bytes: new Uint8Array(8) };
    const path = join(folder, "never.safetensors");
    const message = await messageOf(
      writeSafetensors(
        path,
        new Map([
          ["__metadata__", tensor],
          ["\ud800", tensor],
          ["short", { ...tensor, shape: [3] }],
        ]),
      ),
    );
    expect(message).toContain("the format reserves this name");
    expect(message).toContain("the name is not valid Unicode");
    expect(message).toContain("F32 of shape [3] needs 12 bytes; there are 8");
    expect(readdirSync(folder).filter((name) => name.includes("never"))).toEqual([]);
  });
});
