// A pattern with *, ** and [abc] -> whether a path matches it, as fsspec decides for Python's datasets.
// Source: https://github.com/fsspec/filesystem_spec/blob/master/fsspec/utils.py (glob_translate)

/** A pattern of paths with forward slashes; `**` stands for any number of folders. */
export function globPattern(pattern: string): RegExp {
  const parts = pattern.replace(/^(?:\.\/)+/, "").split("/");
  const last = parts.length - 1;
  const source = parts.map((part, i) => {
    if (part === "**") return i < last ? "(?:.+/)?" : ".*";
    const text = part === "*" ? "[^/]+" : segment(part);
    return i < last ? `${text}/` : text;
  });
  return new RegExp(`^${source.join("")}$`, "su");
}

/** The part of a pattern between two slashes. */
function segment(part: string): string {
  return part.replace(/\*+|\?|\[!?\]?[^\]]*\]|[\s\S]/gu, (token) => {
    if (token.startsWith("*")) return "[^/]*";
    if (token === "?") return "[^/]";
    if (token.length < 3 || !token.startsWith("[")) return literal(token);
    const inner = token.slice(1, -1);
    const isNegated = inner.startsWith("!");
    const set = (isNegated ? inner.slice(1) : inner).replace(/[\\\]^[&~|]/gu, "\\$&");
    // A hyphen at either end is one; elsewhere it makes a range, which must not go backwards.
    const safe = set.replace(/(.)-(.)/gsu, (range, from: string, to: string) => (from <= to ? range : ""));
    return safe === "" ? "(?!)" : `[${isNegated ? "^/" : ""}${safe}]`;
  });
}

function literal(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/gu, "\\$&");
}
