// A text file -> blocks of whole lines, read as a stream; and where bytes are no UTF-8.
import { isUtf8 } from "node:buffer";
import { createReadStream } from "node:fs";
import type { Fault } from "../errors.js";

/** Some whole lines of a file, with their line ends. */
export interface LineBlock {
  readonly bytes: Buffer;
  /** 1-based number of the first line. */
  readonly firstLine: number;
}

const READ_SIZE = 1 << 20;
/** A longer line is no text: a string holds at most 2^29 characters. */
const MAX_LINE = 1 << 28;
const NEWLINE = 0x0a;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/** Blocks of about a megabyte, the byte order mark dropped; a fault ends the stream. */
export async function* readLineBlocks(path: string): AsyncGenerator<LineBlock | Fault> {
  let firstLine = 1;
  let rest: Buffer[] = [];
  let restSize = 0;
  let isStart = true;
  const block = (end: Buffer): LineBlock => {
    const joined = rest.length === 0 ? end : Buffer.concat([...rest, end]);
    const bytes = isStart ? withoutByteOrderMark(joined) : joined;
    const result = { bytes, firstLine };
    isStart = false;
    firstLine += countNewlines(bytes);
    rest = [];
    restSize = 0;
    return result;
  };
  for await (const chunk of createReadStream(path, { highWaterMark: READ_SIZE }) as AsyncIterable<Buffer>) {
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    if (end > 0) yield block(chunk.subarray(0, end));
    if (end < chunk.length) rest.push(chunk.subarray(end));
    restSize += chunk.length - end;
    if (restSize > MAX_LINE) {
      const what = `the line is longer than ${MAX_LINE} bytes`;
      yield { code: "data", what, where: `${path}, line ${firstLine}` };
      return;
    }
  }
  if (restSize > 0) yield block(Buffer.alloc(0));
}

/** The bytes after the byte order mark that some editors put at the start. */
export function withoutByteOrderMark(bytes: Buffer): Buffer {
  return bytes.subarray(0, 3).equals(BYTE_ORDER_MARK) ? bytes.subarray(3) : bytes;
}

function countNewlines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) count++;
  return count;
}

/**
 * The fault of bytes that are no UTF-8, with line and byte; undefined when they are.
 * @param firstLine number of the line with which the bytes begin
 */
export function findUtf8Fault(bytes: Buffer, path: string, firstLine = 1): Fault | undefined {
  if (isUtf8(bytes)) return undefined;
  const at = findInvalidUtf8(bytes);
  const line = firstLine + countNewlines(bytes.subarray(0, at));
  const column = at - bytes.lastIndexOf(NEWLINE, at - 1 - bytes.length);
  const isUtf16 = line === 1 && column === 1 && [0xfe, 0xff].includes(bytes[at]!);
  return {
    code: "data",
    what: isUtf16
      ? "the file is UTF-16"
      : `byte 0x${bytes[at]!.toString(16).padStart(2, "0")} is not valid UTF-8`,
    where: `${path}, line ${line}, byte ${column} of the line`,
    fix: "save the file as UTF-8",
  };
}

/** The offset of the first byte that begins no valid character. */
function findInvalidUtf8(bytes: Buffer): number {
  let at = 0;
  // Large valid stretches are skipped at once; a stretch ends before a character begins.
  for (let size = 1 << 16; size > 4; size >>= 1) {
    for (;;) {
      let end = Math.min(at + size, bytes.length);
      while (end < bytes.length && end > at && (bytes[end]! & 0xc0) === 0x80) end--;
      if (end === at || !isUtf8(bytes.subarray(at, end))) break;
      at = end;
    }
  }
  for (;;) {
    const lead = bytes[at]!;
    const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (at + length > bytes.length || !isUtf8(bytes.subarray(at, at + length))) return at;
    at += length;
  }
}
