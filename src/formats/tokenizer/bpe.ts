// The `model` entry of tokenizer.json (BPE) -> a function from a word to its token ids.
import { type Fault, fail, failIfAny } from "../../errors.js";
import { booleanField, type Json, listField, objectField, stringField, unsupported } from "./fields.js";

/** Byte-pair encoding over a vocabulary. */
export interface BytePairModel {
  /** Token text -> id. */
  readonly vocabulary: ReadonlyMap<string, number>;
  /** Token ids of one word. */
  encodeWord(word: string): readonly number[];
}

/** Larger ids cannot be packed in pairs into one exact number (2²⁶ · 2²⁶ < 2⁵³). */
export const MAX_TOKEN_ID = 2 ** 26 - 1;
/** A queue entry packs the rank above 32 bits of position. */
const MAX_MERGES = 2 ** 21;
const POSITIONS = 2 ** 32;
const CACHED_WORDS = 50_000;
const CACHED_LENGTH = 64;

/** The merges of a model: pair of ids -> rank, rank -> id of the merged token. */
interface Merges {
  readonly rankOfPair: ReadonlyMap<number, number>;
  readonly idOfRank: Int32Array;
}
const pairKey = (left: number, right: number): number => left * (MAX_TOKEN_ID + 1) + right;

/** Reads the model. Errors list every merge that names an unknown token. Source: tokenizers/src/models/bpe. */
export function createBytePairModel(value: unknown, where = "model"): BytePairModel {
  const entry = objectField(value, where);
  // Old files leave the type out.
  if (entry.type !== "BPE" && !(entry.type === undefined && entry.merges !== undefined))
    unsupported(entry.type, `${where}.type`, ["BPE"]);
  if (typeof entry.dropout === "number" && entry.dropout > 0)
    fail("tokenizer", `BPE dropout ${entry.dropout} would make token ids random`, {
      where: `${where}.dropout`,
    });
  const prefix = stringField(entry.continuing_subword_prefix, `${where}.continuing_subword_prefix`, "");
  const suffix = stringField(entry.end_of_word_suffix, `${where}.end_of_word_suffix`, "");
  const vocabulary = readVocabulary(entry.vocab, `${where}.vocab`);
  const merges = readMerges(entry.merges, vocabulary, prefix, `${where}.merges`);
  const ignoreMerges = booleanField(entry.ignore_merges, `${where}.ignore_merges`, false);
  const symbols = createSymbols(entry, vocabulary, prefix, suffix, where);
  const cache = new Map<string, readonly number[]>();
  return {
    vocabulary,
    encodeWord(word) {
      const whole = ignoreMerges ? vocabulary.get(word) : undefined;
      if (whole !== undefined) return [whole];
      const cached = cache.get(word);
      if (cached) return cached;
      const ids = mergeSymbols(symbols(word), merges);
      if (word.length <= CACHED_LENGTH) {
        if (cache.size >= CACHED_WORDS) cache.clear();
        cache.set(word, ids);
      }
      return ids;
    },
  };
}

function readVocabulary(value: unknown, where: string): Map<string, number> {
  const vocabulary = new Map<string, number>();
  const tokenOfId = new Map<number, string>();
  const faults: Fault[] = [];
  for (const [token, id] of Object.entries(objectField(value, where))) {
    if (!Number.isInteger(id) || (id as number) < 0 || (id as number) > MAX_TOKEN_ID)
      faults.push({
        code: "tokenizer",
        what: `token ${JSON.stringify(token)} has the id ${JSON.stringify(id)}`,
        where,
      });
    const other = tokenOfId.get(id as number);
    if (other !== undefined)
      faults.push({
        code: "tokenizer",
        what: `the tokens ${JSON.stringify(other)} and ${JSON.stringify(token)} have the same id ${id}`,
        where,
      });
    tokenOfId.set(id as number, token);
    vocabulary.set(token, id as number);
  }
  if (vocabulary.size === 0) faults.push({ code: "tokenizer", what: "the vocabulary is empty", where });
  failIfAny(faults);
  return vocabulary;
}

/** Merges are `["a", "b"]` or, in older files, `"a b"`. */
function readMerges(
  value: unknown,
  vocabulary: ReadonlyMap<string, number>,
  prefix: string,
  where: string,
): Merges {
  const list = listField(value, where);
  if (list.length > MAX_MERGES)
    fail("tokenizer", `${list.length} merges; at most ${MAX_MERGES} are supported`, { where });
  const rankOfPair = new Map<number, number>();
  const idOfRank = new Int32Array(list.length);
  const faults: Fault[] = [];
  list.forEach((merge, rank) => {
    const parts: readonly unknown[] =
      typeof merge === "string" ? merge.split(" ") : Array.isArray(merge) ? merge : [];
    const [left, right] = parts;
    if (parts.length !== 2 || typeof left !== "string" || typeof right !== "string") {
      faults.push({
        code: "tokenizer",
        what: `${JSON.stringify(merge)} is not a pair of tokens`,
        where: `${where}[${rank}]`,
      });
      return;
    }
    const ids = [left, right, left + right.slice(prefix.length)].map((token) => vocabulary.get(token));
    const [a, b, merged] = ids;
    if (a === undefined || b === undefined || merged === undefined) {
      const missing = [left, right, left + right.slice(prefix.length)][ids.indexOf(undefined)];
      faults.push({
        code: "tokenizer",
        what: `the token ${JSON.stringify(missing)} is not in the vocabulary`,
        where: `${where}[${rank}]`,
      });
      return;
    }
    rankOfPair.set(pairKey(a, b), rank);
    idOfRank[rank] = merged;
  });
  failIfAny(faults);
  return { rankOfPair, idOfRank };
}

/** Word -> the ids of its characters; unknown ones become bytes or the unknown token, or are left out. */
function createSymbols(
  entry: Json,
  vocabulary: ReadonlyMap<string, number>,
  prefix: string,
  suffix: string,
  where: string,
): (word: string) => number[] {
  const unknownToken = stringField(entry.unk_token, `${where}.unk_token`, "");
  const unknownId = unknownToken === "" ? undefined : vocabulary.get(unknownToken);
  const fuse = booleanField(entry.fuse_unk, `${where}.fuse_unk`, false);
  const fallsBack = booleanField(entry.byte_fallback, `${where}.byte_fallback`, false);
  const byteIds = Array.from({ length: 256 }, (_, byte) =>
    vocabulary.get(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`),
  );
  const encoder = new TextEncoder();
  return (word) => {
    const ids: number[] = [];
    // An unknown stretch is written only when a known character follows, as Rust's merge_word does.
    let pending = false;
    const flush = (): void => {
      if (pending && unknownId !== undefined) ids.push(unknownId);
      pending = false;
    };
    const chars = Array.from(word);
    chars.forEach((char, i) => {
      const symbol = (i > 0 ? prefix : "") + char + (i === chars.length - 1 ? suffix : "");
      const id = vocabulary.get(symbol);
      if (id !== undefined) {
        flush();
        ids.push(id);
        return;
      }
      if (fallsBack) {
        const bytes = Array.from(encoder.encode(symbol), (byte) => byteIds[byte]);
        if (bytes.every((byte) => byte !== undefined)) {
          ids.push(...bytes);
          return;
        }
      }
      if (unknownToken !== "" && unknownId === undefined)
        fail("tokenizer", `the unknown token ${JSON.stringify(unknownToken)} is not in the vocabulary`, {
          where: `${where}.unk_token`,
        });
      if (!fuse) flush();
      pending = true;
    });
    flush();
    return ids;
  };
}

/**
 * Merges the pair of lowest rank, leftmost first, until none is left: O(n log n) in the length of the word.
 * A port of Word::merge_all in tokenizers/src/models/bpe/word.rs.
 */
function mergeSymbols(ids: readonly number[], { rankOfPair, idOfRank }: Merges): readonly number[] {
  const n = ids.length;
  if (n < 2) return ids;
  const symbol = Int32Array.from(ids);
  const next = Int32Array.from({ length: n }, (_, i) => (i + 1 < n ? i + 1 : -1));
  const previous = Int32Array.from({ length: n }, (_, i) => i - 1);
  const removed = new Uint8Array(n);
  const queue: number[] = [];
  const consider = (left: number, right: number): void => {
    const rank = rankOfPair.get(pairKey(symbol[left]!, symbol[right]!));
    if (rank !== undefined) pushSmallest(queue, rank * POSITIONS + left);
  };
  for (let i = 0; i + 1 < n; i++) consider(i, i + 1);
  while (queue.length > 0) {
    const entry = popSmallest(queue);
    const left = entry % POSITIONS;
    const merged = idOfRank[Math.floor(entry / POSITIONS)]!;
    const right = next[left]!;
    if (removed[left] === 1 || right === -1) continue;
    // The pair may have changed since it was queued.
    const rank = rankOfPair.get(pairKey(symbol[left]!, symbol[right]!));
    if (rank === undefined || idOfRank[rank] !== merged) continue;
    symbol[left] = merged;
    removed[right] = 1;
    const after = next[right]!;
    next[left] = after;
    if (after !== -1) previous[after] = left;
    if (previous[left] !== -1) consider(previous[left]!, left);
    if (after !== -1) consider(left, after);
  }
  const merged: number[] = [];
  for (let i = 0; i !== -1; i = next[i]!) merged.push(symbol[i]!);
  return merged;
}

/** Adds to a binary min-heap. */
function pushSmallest(heap: number[], value: number): void {
  let i = heap.length;
  heap.push(value);
  while (i > 0) {
    const parent = (i - 1) >> 1;
    if (heap[parent]! <= value) break;
    heap[i] = heap[parent]!;
    i = parent;
  }
  heap[i] = value;
}

/** Takes the smallest of a binary min-heap that is not empty. */
function popSmallest(heap: number[]): number {
  const smallest = heap[0]!;
  const last = heap.pop()!;
  if (heap.length === 0) return smallest;
  let i = 0;
  for (;;) {
    let child = 2 * i + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child++;
    if (heap[child]! >= last) break;
    heap[i] = heap[child]!;
    i = child;
  }
  heap[i] = last;
  return smallest;
}
