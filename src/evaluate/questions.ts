// Rows of a data set -> questions: the prompt as training saw it, and the answer to compare with.
import { encodePrompt } from "../data/encode.js";
import { answerOf, renderPrompt } from "../data/shapes.js";
import { type Encoded, IGNORED_LABEL, type Row } from "../data/types.js";
import type { Tokenizer } from "../formats/tokenizer.js";

export interface Question {
  /** Token ids. */
  readonly prompt: readonly number[];
  /** The prompt as text, without special tokens. */
  readonly text: string;
  readonly reference: string;
  /** `task` or `category` of the row, for tables. */
  readonly task: string | undefined;
  /** `label` of the row: the right one of a few answers. */
  readonly label?: string | undefined;
}

/**
 * The question of a row. Rows of token ids and of plain text have no answer of their own: the tokens before the
 * first trained one are the prompt, of plain text its first quarter.
 */
export function questionOf(row: Row, encoded: Encoded, tokenizer: Tokenizer): Question {
  const about = {
    task: textField(row, "task") ?? textField(row, "category"),
    label: textField(row, "label"),
  };
  const show = (ids: ArrayLike<number>) => tokenizer.decode(ids, { skipSpecialTokens: true });
  const answer = row.fields.input_ids === undefined ? answerOf(row) : undefined;
  if (answer === undefined) {
    const { prompt, reference } = splitTokens(encoded);
    return { prompt, text: show(prompt), reference: show(reference), ...about };
  }
  const prompt = encodePrompt(renderPrompt(row, tokenizer), tokenizer);
  return { prompt, text: show(prompt), reference: answer, ...about };
}

function textField({ fields }: Row, name: string): string | undefined {
  const value = fields[name];
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
    ? String(value)
    : undefined;
}

/** The tokens before the first trained one, and the first run of trained ones. */
function splitTokens({ inputIds, labels }: Encoded): { prompt: number[]; reference: number[] } {
  const first = labels.findIndex((label) => label !== IGNORED_LABEL);
  const start = first > 0 ? first : Math.max(1, Math.floor(inputIds.length / 4));
  const after = labels.findIndex((label, t) => t > start && label === IGNORED_LABEL);
  return {
    prompt: [...inputIds.subarray(0, start)],
    reference: [...inputIds.subarray(start, after < 0 ? undefined : after)],
  };
}
