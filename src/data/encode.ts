// An example -> token ids and labels: prompt and answer tokenised apart, EOS after each answer, cut to a length.
import { fail } from "../errors.js";
import type { Tokenizer } from "../formats/tokenizer.js";
import { type Encoded, type Example, IGNORED_LABEL } from "./types.js";

export interface EncodeSettings {
  /** Longer rows lose their end; undefined for no limit. */
  readonly maxLength?: number | undefined;
  /** Only answers count in the loss; false: every token counts. */
  readonly completionOnlyLoss: boolean;
  /** Whether the end token after an answer counts; without it a model never learns to stop. True if left out. */
  readonly trainOnEos?: boolean | undefined;
}

/** The longest row that a model can take: what the user allows, within the model's positions. */
export function lengthLimit(maxLength: number, maxPositions: number): number {
  return Math.min(maxLength, maxPositions);
}

/** Why a row cannot be trained on. */
export type DropReason = "empty answer" | "answer truncated" | "no trained token";

/**
 * Refuses a tokenizer that knows ids which the model has no embedding for.
 * @param vocabSize rows of the model's embedding
 */
export function checkVocabulary(tokenizer: Tokenizer, vocabSize: number): void {
  if (tokenizer.vocabSize <= vocabSize) return;
  fail(
    "tokenizer",
    `the tokenizer has ids up to ${tokenizer.vocabSize - 1} (${tokenizer.vocabSize} tokens), the model's vocabulary has ${vocabSize}`,
    { where: tokenizer.path, fix: "use the tokenizer that belongs to the model" },
  );
}

/** The id that fills short rows of a batch: padding, else EOS, else 0. Masks and labels go by position, so any will do. */
export function paddingId(tokenizer: Tokenizer): number {
  return tokenizer.padTokenId ?? tokenizer.eosTokenId ?? 0;
}

/** Token ids of the text that a sequence starts with: BOS first when the tokenizer adds one, and never twice. */
export function encodePrompt(text: string, tokenizer: Tokenizer): number[] {
  const ids = tokenizer.encode(text, { addSpecialTokens: false });
  const { bosTokenId } = tokenizer;
  return tokenizer.addBos && bosTokenId !== undefined && ids[0] !== bosTokenId ? [bosTokenId, ...ids] : ids;
}

/**
 * Token ids and labels of one example.
 * Each answer gets EOS as a trained token unless it ends with one; an answer in the middle of a conversation may end
 * with another special token of the chat template instead (`<|im_end|>`).
 */
export function encodeExample(
  example: Example,
  tokenizer: Tokenizer,
  { maxLength, completionOnlyLoss, trainOnEos = true }: EncodeSettings,
): Encoded | { readonly dropped: DropReason } {
  const trained = example.segments.filter((segment) => segment.trained);
  if (trained.length > 0 && trained.every(({ text }) => text === "")) return { dropped: "empty answer" };
  const ids: number[] = [];
  const labels: number[] = [];
  let firstTrained: number | undefined;
  for (const segment of example.segments) {
    if (segment.text === "") continue;
    const part =
      ids.length === 0
        ? encodePrompt(segment.text, tokenizer)
        : tokenizer.encode(segment.text, { addSpecialTokens: false, continuation: true });
    if (segment.trained) {
      if (!isEnded(part, tokenizer, segment === trained.at(-1))) part.push(endTokenOf(tokenizer));
      // A token at position 0 has nothing before it that could predict it.
      firstTrained ??= Math.max(ids.length, 1);
    }
    for (const id of part) {
      ids.push(id);
      const isCounted = segment.trained || !completionOnlyLoss;
      labels.push(isCounted && (trainOnEos || !tokenizer.stopTokenIds.includes(id)) ? id : IGNORED_LABEL);
    }
  }
  const length = Math.min(ids.length, maxLength ?? ids.length);
  if (firstTrained === undefined || firstTrained >= ids.length) return { dropped: "no trained token" };
  if (firstTrained >= length) return { dropped: "answer truncated" };
  return {
    source: example.source,
    line: example.line,
    inputIds: Int32Array.from(ids.slice(0, length)),
    labels: Int32Array.from(labels.slice(0, length)),
    truncatedTokens: ids.length - length,
  };
}

function isEnded(ids: readonly number[], tokenizer: Tokenizer, isLastAnswer: boolean): boolean {
  const end = ids.at(-1);
  if (end === undefined) return false;
  return tokenizer.stopTokenIds.includes(end) || (!isLastAnswer && tokenizer.specialTokenIds.has(end));
}

function endTokenOf(tokenizer: Tokenizer): number {
  return (
    tokenizer.eosTokenId ??
    fail("tokenizer", "the tokenizer names no end-of-sequence token, so no answer could end", {
      where: tokenizer.path,
      fix: "put a tokenizer_config.json with eos_token beside it",
    })
  );
}

/** Cuts rows that hold token ids already, keeping the start; a row left without a trained token is dropped. */
export function truncateEncoded(
  encoded: Encoded,
  { maxLength }: Pick<EncodeSettings, "maxLength">,
): Encoded | { readonly dropped: DropReason } {
  const isTrainable = (labels: Int32Array): boolean =>
    labels.subarray(1).some((label) => label !== IGNORED_LABEL);
  if (!isTrainable(encoded.labels)) return { dropped: "no trained token" };
  if (maxLength === undefined || encoded.inputIds.length <= maxLength) return encoded;
  const labels = encoded.labels.slice(0, maxLength);
  if (!isTrainable(labels)) return { dropped: "answer truncated" };
  return {
    ...encoded,
    inputIds: encoded.inputIds.slice(0, maxLength),
    labels,
    truncatedTokens: encoded.inputIds.length - maxLength,
  };
}
