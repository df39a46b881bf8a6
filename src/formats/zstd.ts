// The frames of Zstandard -> nothing when what they claim can be true, else an error that says what cannot.
//
// The library makes an array as large as a frame's header claims, before it looks at a block: a damaged byte asks for
// gigabytes. Source: https://www.rfc-editor.org/rfc/rfc8878, section 3.1

const FRAME = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;
/** What one block can unpack to, and the window that the reference program grants a frame. */
const MAX_BLOCK = 2 ** 17;
const MAX_WINDOW = 2 ** 27;

/**
 * Walks through all frames without unpacking them.
 * @param length what they should unpack to
 * @throws Error with what is wrong
 */
export function checkZstd(bytes: Uint8Array, length: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length; ) {
    const magic = view.getUint32(at, true);
    // Its last four bits may be anything.
    if (magic - (magic % 16) === SKIPPABLE) at += 8 + view.getUint32(at + 4, true);
    else if (magic === FRAME) at = checkFrame(view, at + 4, length);
    else throw new Error(`there is no Zstandard frame at byte ${at} of a page`);
  }
}

/** @returns the offset after the frame whose header goes on at `start` */
function checkFrame(view: DataView, start: number, length: number): number {
  const descriptor = view.getUint8(start);
  const isSingle = (descriptor & 0x20) !== 0;
  const sizeBytes = descriptor >> 6 === 0 ? Number(isSingle) : 1 << (descriptor >> 6);
  let at = start + 1;
  const window = isSingle ? 0 : windowSize(view.getUint8(at++));
  at += [0, 1, 2, 4][descriptor & 3]!;
  let content = sizeBytes === 2 ? 256 : 0;
  for (let i = 0; i < sizeBytes; i++) content += view.getUint8(at++) * 256 ** i;

  let blocks = 0;
  for (let isLast = false; !isLast; blocks++) {
    const header = view.getUint16(at, true) + view.getUint8(at + 2) * 2 ** 16;
    const isRepeated = ((header >> 1) & 3) === 1;
    isLast = (header & 1) === 1;
    at += 3 + (isRepeated ? 1 : header >> 3);
  }
  if (content > length || content > blocks * MAX_BLOCK)
    throw new Error(`a Zstandard frame of ${blocks} blocks claims ${content} bytes, its page ${length}`);
  if (window > MAX_WINDOW) throw new Error(`a Zstandard frame wants a window of ${window} bytes`);
  return at + (descriptor & 4 ? 4 : 0);
}

function windowSize(byte: number): number {
  const base = 2 ** (10 + (byte >> 3));
  return base + (base / 8) * (byte & 7);
}
