// The `added_tokens` entry of tokenizer.json -> text split into added tokens and the stretches between them.
import { type Fault, failIfAny } from "../../errors.js";
import { MAX_TOKEN_ID } from "./bpe.js";
import { booleanField, countField, listField, objectField, stringField } from "./fields.js";
import { type Normalizer, trimEnd } from "./normalizers.js";

/** A token that is found in the text before anything else happens to it. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
  /** Looked for in the normalised text instead of the original. */
  readonly normalized: boolean;
  /** Only where no word character touches it. */
  readonly singleWord: boolean;
  /** Takes the white space before it. */
  readonly lstrip: boolean;
  /** Takes the white space after it. */
  readonly rstrip: boolean;
}

/** The list, with ids of tokens that the vocabulary also holds taken from there, as Rust does. */
export function readAddedTokens(
  value: unknown,
  vocabulary: ReadonlyMap<string, number>,
): readonly AddedToken[] {
  const tokens: AddedToken[] = [];
  const contentOfId = new Map<number, string>();
  const faults: Fault[] = [];
  listField(value ?? [], "added_tokens").forEach((item, i) => {
    const where = `added_tokens[${i}]`;
    const entry = objectField(item, where);
    const content = stringField(entry.content, `${where}.content`);
    const own = countField(entry.id, `${where}.id`, MAX_TOKEN_ID);
    const special = booleanField(entry.special, `${where}.special`, false);
    if (content === "" || tokens.some((token) => token.content === content)) return;
    const id = vocabulary.get(content) ?? own;
    const other = contentOfId.get(id);
    if (other !== undefined)
      faults.push({
        code: "tokenizer",
        what: `${JSON.stringify(other)} and ${JSON.stringify(content)} have the same id ${id}`,
        where,
      });
    contentOfId.set(id, content);
    tokens.push({
      id,
      content,
      special,
      normalized: booleanField(entry.normalized, `${where}.normalized`, !special),
      singleWord: booleanField(entry.single_word, `${where}.single_word`, false),
      lstrip: booleanField(entry.lstrip, `${where}.lstrip`, false),
      rstrip: booleanField(entry.rstrip, `${where}.rstrip`, false),
    });
  });
  failIfAny(faults);
  return tokens;
}

/** Either an added token, or a stretch of plain text; `first` when nothing stands before it. */
export type Section =
  | { readonly kind: "token"; readonly id: number }
  | { readonly kind: "text"; readonly text: string; readonly first: boolean };

interface TrieNode {
  readonly children: Map<number, TrieNode>;
  token?: AddedToken;
}

/** Splits text at the added tokens: first those of the original text, then those of the normalised text. */
export function createSectioner(tokens: readonly AddedToken[], normalize: Normalizer) {
  const original = buildTrie(
    tokens.filter((token) => !token.normalized).map((token) => [token.content, token]),
  );
  const normalized = buildTrie(
    tokens.filter((token) => token.normalized).map((token) => [normalize(token.content, true), token]),
  );
  /** `atStart` is false where `text` continues earlier text. */
  return (text: string, atStart: boolean): Section[] =>
    split(text, original, true).flatMap((section) =>
      section.kind === "token"
        ? [section]
        : split(normalize(section.text, atStart || !section.first), normalized, section.first),
    );
}

function buildTrie(entries: readonly (readonly [string, AddedToken])[]): TrieNode {
  const root: TrieNode = { children: new Map() };
  for (const [pattern, token] of entries) {
    let node = root;
    for (let i = 0; i < pattern.length; i++) {
      const unit = pattern.charCodeAt(i);
      let child = node.children.get(unit);
      if (!child) {
        child = { children: new Map() };
        node.children.set(unit, child);
      }
      node = child;
    }
    if (node !== root) node.token ??= token;
  }
  return root;
}

/** The longest token at `start`, with the end of its match. */
function longestMatch(
  text: string,
  start: number,
  root: TrieNode,
): { token: AddedToken; end: number } | undefined {
  let node: TrieNode | undefined = root;
  let found: { token: AddedToken; end: number } | undefined;
  for (let i = start; node; i++) {
    if (node.token) found = { token: node.token, end: i };
    if (i >= text.length) break;
    node = node.children.get(text.charCodeAt(i));
  }
  return found;
}

/** Leftmost, longest matches. A port of AddedVocabulary::find_matches in tokenizers/src/tokenizer/added_vocabulary.rs. */
function split(text: string, root: TrieNode, first: boolean): Section[] {
  const sections: Section[] = [];
  let done = 0;
  const flush = (end: number): void => {
    if (end > done) sections.push({ kind: "text", text: text.slice(done, end), first: first && done === 0 });
  };
  let i = 0;
  while (i < text.length) {
    const match = longestMatch(text, i, root);
    if (!match) {
      i++;
      continue;
    }
    const { token, end } = match;
    const alone =
      !/[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]$/u.test(text.slice(Math.max(0, i - 2), i)) &&
      !/^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u.test(text.slice(end, end + 2));
    if (!token.singleWord || alone) {
      flush(token.lstrip ? Math.max(done, trimEnd(text.slice(done, i)).length + done) : i);
      sections.push({ kind: "token", id: token.id });
      done = token.rstrip ? end + /^\p{White_Space}*/u.exec(text.slice(end))![0].length : end;
    }
    i = end;
  }
  flush(text.length);
  return sections;
}
