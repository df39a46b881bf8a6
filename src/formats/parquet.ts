// A Parquet file -> rows of plain JavaScript values, one row group in memory at a time.
import { type FileHandle, open } from "node:fs/promises";
import { brotliDecompressSync, unzipSync } from "node:zlib";
import {
  type AsyncBuffer,
  type ColumnMetaData,
  type CompressionCodec,
  type Compressors,
  type FileMetaData,
  type ParquetParsers,
  parquetMetadataAsync,
  parquetRead,
  parquetSchema,
  type RowGroup,
  type SchemaTree,
} from "hyparquet";
import { compressors } from "hyparquet-compressors";
import type { Row } from "../data/types.js";
import type { Fault } from "../errors.js";
import { parseJson } from "./json.js";
import { checkPages, type Levels } from "./parquet_pages.js";
import { checkZstd } from "./zstd.js";

type Decompressor = NonNullable<Compressors[CompressionCodec]>;

/** More rows in one group are a lie of the header, or would not fit in memory. */
const MAX_GROUP_ROWS = 2 ** 26;
/** And so many elements of lists. */
const MAX_GROUP_VALUES = 2 ** 28;

/**
 * Rows of a Parquet file; `line` is the row's index from 1. Null stays null; integers become numbers where they are
 * exact and else decimal strings, dates and times ISO strings; lists and structs become arrays and objects; bytes
 * without a text type stay a Uint8Array. A file that cannot be read yields one fault.
 */
export async function* readParquetRows(path: string): AsyncGenerator<Row | Fault> {
  const handle = await open(path, "r");
  let where = path;
  try {
    const { size } = await handle.stat();
    const file = bufferOf(handle, size);
    const metadata = await readMetadata(file);
    let start = 0;
    for (const [index, group] of metadata.row_groups.entries()) {
      const end = start + Number(group.num_rows);
      where = `${path}, row group ${index + 1} (rows ${start + 1} to ${end})`;
      await checkColumns(file, metadata, group);
      for (const fields of await readGroup(file, metadata, start, end))
        yield { source: path, line: ++start, fields };
    }
  } catch (error) {
    // The library throws plain errors for whatever is wrong with the bytes; those of the file system go on.
    if ((error as NodeJS.ErrnoException).syscall !== undefined) throw error;
    yield {
      code: "data",
      what: `the Parquet file is damaged, or uses what is not supported: ${(error as Error).message}`,
      where,
      fix: "make or download the file again",
    };
  } finally {
    await handle.close();
  }
}

function bufferOf(handle: FileHandle, size: number): AsyncBuffer {
  return {
    byteLength: size,
    async slice(start, end = size) {
      if (!(start >= 0 && start <= end && end <= size))
        throw new Error(`bytes ${start} to ${end} are wanted of a file of ${size}`);
      const bytes = new Uint8Array(end - start);
      for (let done = 0; done < bytes.length; ) {
        const { bytesRead } = await handle.read(bytes, done, bytes.length - done, start + done);
        if (bytesRead === 0) throw new Error(`the file ends at byte ${start + done}`);
        done += bytesRead;
      }
      return bytes.buffer;
    },
  };
}

/**
 * Reads the footer and checks what the library takes for granted: a footer that names a column twice or one that
 * the schema lacks would leave it with a rejected promise that nobody awaits, which ends the process.
 */
async function readMetadata(file: AsyncBuffer): Promise<FileMetaData> {
  // Magic at both ends, and the length of the footer.
  if (file.byteLength < 12)
    throw new Error(`it has ${file.byteLength} bytes; the shortest Parquet file has 12`);
  const metadata = await parquetMetadataAsync(file, { geoparquet: false });
  const leaves = leafPaths(parquetSchema(metadata));
  if (new Set(leaves).size < leaves.length) throw new Error("its schema names a column twice");
  let rows = 0;
  for (const group of metadata.row_groups) {
    checkGroup(group, leaves, file.byteLength);
    rows += Number(group.num_rows);
  }
  if (BigInt(rows) !== metadata.num_rows)
    throw new Error(`its footer tells of ${metadata.num_rows} rows, its row groups of ${rows}`);
  return metadata;
}

/** Every path in one string each; a separator that no name can hold. */
function leafPaths({ children, path }: SchemaTree): readonly string[] {
  return children.length > 0 ? children.flatMap(leafPaths) : [path.join("\0")];
}

function checkGroup({ columns, num_rows }: RowGroup, leaves: readonly string[], fileSize: number): void {
  if (!(num_rows >= 0n && num_rows <= MAX_GROUP_ROWS))
    throw new Error(`a row group claims ${num_rows} rows (at most ${MAX_GROUP_ROWS} are read)`);
  const paths = columns.map(({ meta_data }) => meta_data?.path_in_schema.join("\0"));
  if (paths.length !== leaves.length || paths.some((path, i) => path !== leaves[i]))
    throw new Error("a row group does not hold the columns of the schema");
  for (const { meta_data, file_path } of columns) {
    const [start, end] = rangeOf(meta_data!);
    if (!(file_path === undefined && start >= 4n && start <= end && end <= fileSize))
      throw new Error(`a column claims bytes ${start} to ${end} of a file of ${fileSize}`);
  }
}

/** Where a column lies in the file. A dictionary, where there is one, comes first. */
function rangeOf(column: ColumnMetaData): readonly [start: bigint, end: bigint] {
  const start = column.dictionary_page_offset || column.data_page_offset;
  return [start, start + column.total_compressed_size];
}

/** Checks the pages of every column of a row group, before the library reads them. */
async function checkColumns(file: AsyncBuffer, metadata: FileMetaData, group: RowGroup): Promise<void> {
  const levels = leafLevels(parquetSchema(metadata), { maxRepetition: 0, maxDefinition: 0 });
  for (const [i, { meta_data }] of group.columns.entries()) {
    const [start, end] = rangeOf(meta_data!);
    const { num_values } = meta_data!;
    const isList = levels[i]!.maxRepetition > 0;
    if (isList ? num_values > MAX_GROUP_VALUES : num_values !== group.num_rows)
      throw new Error(`a column claims ${num_values} values in ${group.num_rows} rows`);
    const bytes = new Uint8Array(await file.slice(Number(start), Number(end)));
    checkPages(bytes, meta_data!, levels[i]!, decompressors);
  }
}

function leafLevels({ children }: SchemaTree, above: Levels): readonly Levels[] {
  return children.flatMap((child) => {
    const { repetition_type } = child.element;
    const own = {
      maxRepetition: above.maxRepetition + (repetition_type === "REPEATED" ? 1 : 0),
      maxDefinition: above.maxDefinition + (repetition_type === "REQUIRED" ? 0 : 1),
    };
    return child.children.length > 0 ? leafLevels(child, own) : [own];
  });
}

/** The rows from `rowStart` to `rowEnd`, which are one row group. */
async function readGroup(
  file: AsyncBuffer,
  metadata: FileMetaData,
  rowStart: number,
  rowEnd: number,
): Promise<readonly Record<string, unknown>[]> {
  if (rowStart === rowEnd) return [];
  const ends = new Map<string, number>();
  let rows: readonly unknown[][] = [];
  await parquetRead({
    file,
    metadata,
    rowStart,
    rowEnd,
    compressors: decompressors,
    parsers,
    utf8: false,
    geoparquet: false,
    onChunk: ({ columnName, rowEnd }) => ends.set(columnName, rowEnd),
    onComplete: (read) => {
      rows = read;
    },
  });
  for (const [column, end] of ends)
    if (end !== rowEnd)
      throw new Error(`column ${column} has ${end - rowStart} of ${rowEnd - rowStart} rows`);
  const names = parquetSchema(metadata).children.map(({ element }) => element.name);
  // fromEntries makes a column named __proto__ a field like any other.
  return rows.map((row) => Object.fromEntries(names.map((name, i) => [name, plainValue(row[i])])));
}

/** How far these can shrink bytes at most. The library makes an array of the claimed length at once. */
const MAX_RATIO: Readonly<Record<string, number>> = { SNAPPY: 32, LZ4: 256, LZ4_RAW: 256 };

/**
 * Node's own where it has one: strict about lengths and checksums, and fast. Nothing is asked to unpack to nothing:
 * the library's LZ4 takes the one byte of an empty block for a match.
 */
export const decompressors: Compressors = Object.fromEntries(
  Object.entries<Decompressor>({
    ...(compressors as Record<string, Decompressor>),
    GZIP: (input, length) => unzipSync(input, { maxOutputLength: length }),
    BROTLI: (input, length) => brotliDecompressSync(input, { maxOutputLength: length }),
    ZSTD: (input, length) => {
      checkZstd(input, length);
      return compressors.ZSTD!(input, length);
    },
  }).map(([codec, decompress]) => [
    codec,
    (input: Uint8Array, length: number) => {
      if (length > (MAX_RATIO[codec] ?? Number.POSITIVE_INFINITY) * input.length)
        throw new Error(`a page of ${input.length} bytes claims to unpack to ${length}`);
      return length === 0 ? new Uint8Array() : decompress(input, length);
    },
  ]),
);

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const parsers: Partial<ParquetParsers> = {
  stringFromBytes: (bytes) => utf8.decode(bytes),
  jsonFromBytes: (bytes) => parseJson(utf8.decode(bytes)),
  dateFromDays: (days) => isoTime(BigInt(days) * 86400n, 0).slice(0, -"T00:00:00Z".length),
  timestampFromMilliseconds: (units) => isoTime(units, 3),
  timestampFromMicroseconds: (units) => isoTime(units, 6),
  timestampFromNanoseconds: (units) => isoTime(units, 9),
};

/** ISO 8601 with as many digits as the unit has; without a fraction where there is none. */
function isoTime(units: bigint, digits: 0 | 3 | 6 | 9): string {
  const scale = 10n ** BigInt(digits);
  const fraction = ((units % scale) + scale) % scale;
  const date = new Date(Number((units - fraction) / scale) * 1000);
  if (Number.isNaN(date.getTime())) throw new Error(`a time of ${units} · 10^-${digits} s is out of range`);
  const tail = fraction === 0n ? "" : `.${fraction.toString().padStart(digits, "0")}`;
  return date.toISOString().replace(".000Z", `${tail}Z`);
}

function plainValue(value: unknown): unknown {
  if (value === undefined || value === null) return null;
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : value.toString();
  }
  if (typeof value !== "object" || value instanceof Uint8Array) return value;
  if (Array.isArray(value)) return value.map(plainValue);
  if (ArrayBuffer.isView(value)) return Array.from(value as unknown as ArrayLike<unknown>, plainValue);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plainValue(inner)]));
}
