// Text -> NFC, NFD, NFKC or NFKD as Rust's tokenizers compute it.

/**
 * Characters younger than Unicode 9 that have a combining class or take part in a composition. The crate behind
 * Rust's tokenizers (unicode-normalization-alignments) has tables of that age and takes them for plain letters;
 * JavaScript's tables are newer. Found by comparing all code points.
 */
const YOUNG = new RegExp(
  `[${[
    "\\u07FD\\u0897-\\u089F\\u08CA-\\u08D3\\u09FE\\u0C3C\\u0D3B-\\u0D3C\\u0EBA\\u1715\\u1ABF-\\u1ADD\\u1AE0-\\u1AEB",
    "\\u1DF6-\\u1DFA\\uA82C\\u{105C0}-\\u{105FF}\\u{10D24}-\\u{10D27}\\u{10D69}-\\u{10D6D}\\u{10EAB}-\\u{10EAC}",
    "\\u{10EFA}-\\u{10EFB}\\u{10EFD}-\\u{10EFF}\\u{10F46}-\\u{10F50}\\u{10F82}-\\u{10F85}\\u{11070}\\u{1133B}",
    "\\u{11380}-\\u{113FF}\\u{1145E}\\u{11839}-\\u{1183A}\\u{11900}-\\u{1195F}\\u{119E0}\\u{11A34}\\u{11A47}",
    "\\u{11A99}\\u{11D42}\\u{11D44}-\\u{11D45}\\u{11D97}\\u{11F41}-\\u{11F42}\\u{16100}-\\u{1613F}",
    "\\u{16D40}-\\u{16D7F}\\u{16FF0}-\\u{16FF1}\\u{1E08F}\\u{1E130}-\\u{1E136}\\u{1E2AE}\\u{1E2EC}-\\u{1E2EF}",
    "\\u{1E4EC}-\\u{1E4EF}\\u{1E5EE}-\\u{1E5EF}\\u{1E6E3}\\u{1E6E6}\\u{1E6EE}-\\u{1E6EF}\\u{1E6F5}",
  ].join("")}]`,
  "gu",
);

/** Normalises the stretches between young characters, which stay as they are. */
export function normalizeUnicode(text: string, form: "NFC" | "NFD" | "NFKC" | "NFKD"): string {
  if (text.search(YOUNG) === -1) return text.normalize(form);
  let result = "";
  let end = 0;
  for (const match of text.matchAll(YOUNG)) {
    result += text.slice(end, match.index).normalize(form) + match[0];
    end = match.index + match[0].length;
  }
  return result + text.slice(end).normalize(form);
}
