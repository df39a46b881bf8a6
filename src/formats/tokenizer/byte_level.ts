// Bytes <-> the printable characters that stand for them in byte-level vocabularies (GPT-2's table).

/** Bytes that stand for themselves: the printable ones of Latin-1. */
const isPrintable = (byte: number): boolean =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;

/** Character of each byte. Source: https://github.com/openai/gpt-2/blob/master/src/encoder.py, bytes_to_unicode */
const charOfByte: readonly string[] = (() => {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(isPrintable(byte) ? byte : next++));
})();

const byteOfChar: ReadonlyMap<string, number> = new Map(charOfByte.map((char, byte) => [char, byte]));

const encoder = new TextEncoder();
// ignoreBOM: a byte order mark is text here, not a mark.
const lossyDecoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** UTF-8 bytes of `text`, a character each. */
export function bytesToChars(text: string): string {
  let chars = "";
  for (const byte of encoder.encode(text)) chars += charOfByte[byte];
  return chars;
}

/**
 * The text of byte-level tokens; invalid UTF-8 becomes U+FFFD.
 * A token with a character outside the table (an added token with a space, say) stands for its own UTF-8 bytes.
 */
export function charsToText(tokens: readonly string[]): string {
  const bytes: number[] = [];
  for (const token of tokens) {
    const own: number[] = [];
    for (const char of token) {
      const byte = byteOfChar.get(char);
      if (byte === undefined) {
        own.length = 0;
        for (const raw of encoder.encode(token)) own.push(raw);
        break;
      }
      own.push(byte);
    }
    for (const byte of own) bytes.push(byte);
  }
  return lossyDecoder.decode(Uint8Array.from(bytes));
}
