// Text -> words, with whitespace and letters as Python sees them: the metrics' definitions are Python programs.

/** What `str.split` and `str.strip` take for whitespace; unlike JavaScript's `\s` with U+001C–1F and U+0085, without U+FEFF. */
const SPACE =
  "[\\t-\\r\\u001c-\\u0020\\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";

const SPACES = new RegExp(`${SPACE}+`, "u");
const LEADING_SPACES = new RegExp(`^${SPACE}+`, "u");

/** Words between whitespace: Python's `text.split()`. */
export function splitWords(text: string): string[] {
  return text.split(SPACES).filter((word) => word !== "");
}

/** Python's `text.strip()`. */
export function strip(text: string): string {
  return stripEnd(text.replace(LEADING_SPACES, ""));
}

/** Python's `text.rstrip()`. A regex anchored at the end would try every run of spaces. */
export function stripEnd(text: string): string {
  let end = text.length;
  while (end > 0 && SPACES.test(text[end - 1]!)) end--;
  return text.slice(0, end);
}
