// Encoded rows and their figures -> text in which it can be seen what is trained.
import type { PackingFigures } from "../data/batches.js";
import type { DatasetStatistics } from "../data/statistics.js";
import { type Encoded, IGNORED_LABEL } from "../data/types.js";
import type { Tokenizer } from "../formats/tokenizer.js";
import { count, packingText, plural, share } from "./quantities.js";
import { type Output, printable } from "./terminal.js";

/** Tokens one after another that are alike. */
interface Stretch {
  readonly text: string;
  readonly trained: boolean;
  /** BOS, EOS, `<|im_end|>`, … */
  readonly special: boolean;
}

/** A row as the model sees it. */
export interface ShownRow {
  /** Counted from 1 among the rows that are trained on. */
  readonly row: number;
  readonly source: string;
  readonly line: number;
  readonly tokens: number;
  readonly trained_tokens: number;
  readonly truncated_tokens: number;
  readonly stretches: readonly Stretch[];
  readonly input_ids: readonly number[];
  readonly labels: readonly number[];
}

type Decoder = Pick<Tokenizer, "decode" | "specialTokenIds">;

/** Puts a row together for showing. */
export function showRow(
  { source, line, inputIds, labels, truncatedTokens }: Encoded,
  row: number,
  tokenizer: Decoder,
): ShownRow {
  return {
    row,
    source,
    line,
    tokens: inputIds.length,
    trained_tokens: labels.filter((label, t) => t > 0 && label !== IGNORED_LABEL).length,
    truncated_tokens: truncatedTokens,
    stretches: stretchesOf(inputIds, labels, tokenizer),
    input_ids: [...inputIds],
    labels: [...labels],
  };
}

function stretchesOf(inputIds: Int32Array, labels: Int32Array, tokenizer: Decoder): readonly Stretch[] {
  const kindAt = (t: number) => ({
    trained: labels[t] !== IGNORED_LABEL,
    special: tokenizer.specialTokenIds.has(inputIds[t]!),
  });
  const decode = (from: number, to: number) =>
    tokenizer.decode(inputIds.subarray(from, to), { skipSpecialTokens: false });
  const stretches: Stretch[] = [];
  let before = "";
  for (let start = 0, end = 0; start < inputIds.length; start = end) {
    const { trained, special } = kindAt(start);
    while (end < inputIds.length && kindAt(end).trained === trained && kindAt(end).special === special) end++;
    // Of the text so far, the new part: some tokenizers drop a space at the start of what they decode.
    const whole = decode(0, end);
    const text = whole.startsWith(before) ? whole.slice(before.length) : decode(start, end);
    stretches.push({ text, trained, special });
    before = whole;
  }
  return stretches;
}

/** `row 1  alpaca.json:1  120 tokens, 45 trained` */
export function rowHeading(
  { row, source, line, tokens, trained_tokens, truncated_tokens }: ShownRow,
  out: Output,
): string {
  const cut = truncated_tokens > 0 ? `, ${plural(truncated_tokens, "token")} cut off` : "";
  const heading = `row ${row}  ${source}:${line}  ${plural(tokens, "token")}, ${count(trained_tokens)} trained${cut}`;
  return out.paint(heading, "bold");
}

/** The row's text; trained tokens are green, or without colours between ⟦ and ⟧; special tokens are magenta. */
export function tokensText({ stretches }: ShownRow, out: Output): string {
  let isOpen = false;
  const marked = stretches.map(({ text, trained, special }) => {
    const shown = printable(text);
    if (out.hasColour)
      return out.paint(shown, trained ? (special ? "magenta" : "green") : special ? "cyan" : "dim");
    const mark = trained === isOpen ? "" : trained ? "⟦" : "⟧";
    isOpen = trained;
    return `${mark}${shown}`;
  });
  return `${marked.join("")}${isOpen ? "⟧" : ""}`;
}

/** The figures of a data set, a line each. */
export function figuresText(
  format: string,
  statistics: DatasetStatistics,
  maxLength: number,
  packing: PackingFigures | undefined,
  out: Output,
): string {
  const {
    rows,
    kept,
    dropped,
    truncatedRows,
    truncatedTokens,
    tokens,
    trainedTokens,
    answers,
    answersEndingInEos,
    length,
    histogram,
  } = statistics;
  const lines: string[] = [];
  const row = (name: string, value: string) => lines.push(`${name.padEnd(10)}${value}`);
  row(
    "marks",
    out.hasColour
      ? `${out.paint("trained", "green")}, ${out.paint("trained special token", "magenta")}, ${out.paint("not trained", "dim")}`
      : "trained tokens stand between ⟦ and ⟧",
  );
  row("format", format);
  row("rows", `${count(rows)} read, ${count(kept)} to train on`);
  for (const [reason, n] of Object.entries(dropped)) row("left out", `${plural(n, "row")}: ${reason}`);
  row(
    "tokens",
    `${count(tokens)}, of which ${count(trainedTokens)} (${share(trainedTokens, tokens)}) are trained`,
  );
  row("answers", `${count(answers)}, of which ${share(answersEndingInEos, 1)} end with a trained end token`);
  row(
    "length",
    `${length.min} to ${length.max} tokens, mean ${length.mean.toFixed(1)}, median ${length.median}`,
  );
  if (truncatedRows > 0)
    row(
      "cut",
      `${plural(truncatedRows, "row")} lost ${plural(truncatedTokens, "token")} at --max-length ${maxLength}`,
    );
  if (packing) row("packed", packingText(packing));
  const most = Math.max(...histogram.map((entry) => entry.rows), 1);
  for (const { upTo, rows: n } of histogram)
    row("", `${`to ${upTo}`.padEnd(9)}${"▇".repeat(Math.round((30 * n) / most))} ${count(n)}`);
  return `${lines.join("\n")}\n`;
}
