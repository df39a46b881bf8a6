// The pages of a Parquet column -> nothing when their lengths and counts hold, else an error that says what does not.
//
// The library writes as many values as a run-length header claims, wherever the array ends: one damaged byte asks for
// an array larger than V8 can make, which ends the process without an exception. So runs are counted beforehand.
// Source: https://parquet.apache.org/docs/file-format/data-pages/
import type { ColumnMetaData, Compressors } from "hyparquet";

/** The deepest levels of a column, from its path in the schema. */
export interface Levels {
  readonly maxRepetition: number;
  readonly maxDefinition: number;
}

interface Reader {
  readonly view: DataView;
  offset: number;
}

/** A page's header, numbered as in parquet.thrift: field id -> number or nested struct. */
type Struct = ReadonlyMap<number, number | boolean | Struct>;

const DATA_PAGE = 0;
const DICTIONARY_PAGE = 2;
const DATA_PAGE_V2 = 3;
/** Encodings that hold runs: PLAIN_DICTIONARY, RLE, RLE_DICTIONARY. */
const PLAIN_DICTIONARY = 2;
const RLE = 3;
const RLE_DICTIONARY = 8;

/**
 * Checks all pages of one column of one row group.
 * @param bytes the column's bytes as they lie in the file
 * @throws Error with what is wrong
 */
export function checkPages(
  bytes: Uint8Array,
  column: ColumnMetaData,
  levels: Levels,
  decompressors: Compressors,
): void {
  const reader: Reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), offset: 0 };
  let values = 0;
  while (values < column.num_values) {
    const header = readStruct(reader, 0);
    const size = numberIn(header, 3);
    const unpackedSize = numberIn(header, 2);
    if (size > bytes.length - reader.offset)
      throw new Error(`a page of ${size} bytes does not fit in its column`);
    if (unpackedSize > column.total_uncompressed_size)
      throw new Error(`a page claims to unpack to ${unpackedSize} bytes, more than its column`);
    const page = bytes.subarray(reader.offset, reader.offset + size);
    reader.offset += size;
    const count = checkPage(header, page, unpackedSize, column, levels, decompressors);
    values += count;
    if (count > column.num_values) throw new Error(`a page claims ${count} values, more than its column`);
  }
  if (BigInt(values) !== column.num_values)
    throw new Error(`a column of ${column.num_values} values has pages of ${values}`);
}

/** @returns the number of values in the page, 0 for a dictionary */
function checkPage(
  header: Struct,
  page: Uint8Array,
  unpackedSize: number,
  column: ColumnMetaData,
  levels: Levels,
  decompressors: Compressors,
): number {
  const unpack = (packed: Uint8Array, size: number) => {
    if (column.codec === "UNCOMPRESSED") return packed;
    const decompress = decompressors[column.codec];
    if (!decompress) throw new Error(`compression ${column.codec} is not supported`);
    return decompress(packed, size);
  };
  const type = numberIn(header, 1);
  if (type === DICTIONARY_PAGE) {
    // Values of no bytes at all do not exist, booleans are never in a dictionary.
    const count = numberIn(structIn(header, 7), 1);
    if (count > unpackedSize) throw new Error(`a dictionary claims ${count} values in ${unpackedSize} bytes`);
    return 0;
  }
  if (type === DATA_PAGE) {
    const info = structIn(header, 5);
    const count = numberIn(info, 1);
    const bytes = unpack(page, unpackedSize);
    let at = 0;
    let present = count;
    for (const level of [levels.maxRepetition, levels.maxDefinition]) {
      if (level === 0) continue;
      const size = new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(at, true);
      present = checkRuns(slice(bytes, at + 4, at + 4 + size), bitWidth(level), count, level);
      at += 4 + size;
    }
    // Nulls have a level (the last one counted, below the deepest) but no value.
    if (levels.maxDefinition === 0) present = count;
    checkValues(slice(bytes, at, bytes.length), numberIn(info, 2), present, column.type);
    return count;
  }
  if (type === DATA_PAGE_V2) {
    const info = structIn(header, 8);
    const count = numberIn(info, 1);
    const present = count - numberIn(info, 2);
    if (present < 0) throw new Error(`a page claims ${count - present} nulls in ${count} values`);
    const definitionSize = numberIn(info, 5);
    const repetitionSize = numberIn(info, 6);
    const dataStart = repetitionSize + definitionSize;
    if (levels.maxRepetition > 0)
      checkRuns(slice(page, 0, repetitionSize), bitWidth(levels.maxRepetition), count);
    if (levels.maxDefinition > 0)
      checkRuns(slice(page, repetitionSize, dataStart), bitWidth(levels.maxDefinition), count);
    const packed = slice(page, dataStart, page.length);
    const bytes = info.get(7) === false ? packed : unpack(packed, unpackedSize - dataStart);
    checkValues(bytes, numberIn(info, 4), present, column.type);
    return count;
  }
  throw new Error(`a page of the unknown type ${type}`);
}

/** @param present the number of values in the page, without the nulls */
function checkValues(bytes: Uint8Array, encoding: number, present: number, type: string): void {
  if (type === "BOOLEAN" && encoding === RLE) {
    checkRuns(slice(bytes, 4, bytes.length), 1, present);
  } else if (encoding === PLAIN_DICTIONARY || encoding === RLE_DICTIONARY || encoding === RLE) {
    const width = bytes[0] ?? 0;
    if (width > 32) throw new Error(`a page claims indices of ${width} bits`);
    // With one value in the dictionary nothing needs to be written at all.
    if (width > 0 || bytes.length > 1) checkRuns(bytes.subarray(1), width, present);
  }
}

/**
 * Walks the runs of the RLE / bit-packing hybrid until `count` values are seen: no run may claim more than remain
 * (but for the padding to eight).
 * @returns how often `wanted` occurs among the values
 */
function checkRuns(bytes: Uint8Array, width: number, count: number, wanted?: number): number {
  const reader: Reader = { view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), offset: 0 };
  let found = 0;
  for (let seen = 0; seen < count; ) {
    const header = readVarInt(reader);
    const isPacked = header % 2 === 1;
    const length = isPacked ? ((header - 1) / 2) * 8 : header / 2;
    const remaining = count - seen;
    if (length >= remaining + 8) throw new Error(`a run claims ${length} values where ${remaining} remain`);
    if (isPacked) {
      if (wanted !== undefined)
        found += countPacked(bytes, reader.offset, width, Math.min(length, remaining), wanted);
      reader.offset += (length / 8) * width;
    } else {
      const size = Math.ceil(width / 8);
      if (reader.offset + size > bytes.length) throw new Error("a run goes past the end of its page");
      if (wanted !== undefined && bytes[reader.offset] === wanted) found += Math.min(length, remaining);
      reader.offset += size;
    }
    seen += length;
  }
  return found;
}

/** How many of `count` values of `width` bits, lowest bit first, are `wanted`; levels have at most 8 bits. */
function countPacked(bytes: Uint8Array, start: number, width: number, count: number, wanted: number): number {
  let found = 0;
  for (let i = 0; i < count; i++) {
    const bit = i * width;
    const at = start + (bit >> 3);
    const two = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8);
    if (((two >> (bit & 7)) & ((1 << width) - 1)) === wanted) found++;
  }
  return found;
}

function slice(bytes: Uint8Array, start: number, end: number): Uint8Array {
  if (!(start >= 0 && start <= end && end <= bytes.length))
    throw new Error(`a page of ${bytes.length} bytes claims levels or values from ${start} to ${end}`);
  return bytes.subarray(start, end);
}

/** Bits that hold the values 0 to `largest`. */
function bitWidth(largest: number): number {
  return 32 - Math.clz32(largest);
}

function numberIn(struct: Struct, field: number): number {
  const value = struct.get(field);
  if (typeof value !== "number" || value < 0) throw new Error(`a page header has no sound field ${field}`);
  return value;
}

function structIn(struct: Struct, field: number): Struct {
  const value = struct.get(field);
  if (!(value instanceof Map)) throw new Error(`a page header has no field ${field}`);
  return value;
}

/** A struct of Thrift's compact protocol: its numbers, booleans and structs; texts and lists are skipped. */
function readStruct(reader: Reader, depth: number): Struct {
  const fields = new Map<number, number | boolean | Struct>();
  if (depth > 8) throw new Error("a page header is nested too deeply");
  for (let id = 0; ; ) {
    const byte = reader.view.getUint8(reader.offset++);
    const type = byte & 15;
    if (type === 0) return fields;
    id = byte >> 4 === 0 ? readZigZag(reader) : id + (byte >> 4);
    const value = readField(reader, type, depth);
    if (value !== undefined) fields.set(id, value);
  }
}

function readField(reader: Reader, type: number, depth: number): number | boolean | Struct | undefined {
  switch (type) {
    case 1:
    case 2:
      return type === 1;
    case 3:
      return reader.view.getInt8(reader.offset++);
    case 4:
    case 5:
    case 6:
      return readZigZag(reader);
    case 7:
      reader.offset += 8;
      return undefined;
    case 8: {
      const length = readVarInt(reader);
      reader.offset += length;
      return undefined;
    }
    case 12:
      return readStruct(reader, depth + 1);
    default:
      // A page header has no lists, sets or maps.
      throw new Error(`a page header has a field of the unexpected type ${type}`);
  }
}

function readZigZag(reader: Reader): number {
  const value = readVarInt(reader);
  return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
}

/** At most seven bytes, so that the result is exact: no count or size of a page is larger. */
function readVarInt(reader: Reader): number {
  let result = 0;
  for (let factor = 1, i = 0; i < 7; i++, factor *= 128) {
    const byte = reader.view.getUint8(reader.offset++);
    result += (byte & 0x7f) * factor;
    if (byte < 0x80) return result;
  }
  throw new Error("a page header holds a number that is too large");
}
