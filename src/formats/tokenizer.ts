// A model folder's tokenizer files -> a tokenizer: text to token ids and back, equal to Python's `tokenizers`.
import { createHash } from "node:crypto";
import { access, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fail, PhinetuneError } from "../errors.js";
import { readJsonObject } from "./json_file.js";
import { createSectioner, readAddedTokens } from "./tokenizer/added_tokens.js";
import { createBytePairModel } from "./tokenizer/bpe.js";
import { createDecoder } from "./tokenizer/decoders.js";
import { type Json, objectField } from "./tokenizer/fields.js";
import { createNormalizer } from "./tokenizer/normalizers.js";
import { readSurroundings } from "./tokenizer/post_processor.js";
import { createPreTokenizer } from "./tokenizer/pre_tokenizers.js";
import { findChatTemplate, findSpecialTokens, type SideFiles } from "./tokenizer/special_tokens.js";

export interface EncodeOptions {
  /** Puts the special tokens of the tokenizer's template (BOS, say) around the text. */
  readonly addSpecialTokens: boolean;
  /**
   * The text goes on from earlier text: a tokenizer that puts a space before its input (llama) does not do so,
   * and no special tokens stand before it.
   */
  readonly continuation?: boolean;
}

export interface DecodeOptions {
  /** Leaves out BOS, EOS and the other special tokens. */
  readonly skipSpecialTokens: boolean;
}

/** Text <-> token ids. Special tokens written in a text are found there, as in Python. */
export interface Tokenizer {
  /** Token ids of `text`; a lone surrogate counts as U+FFFD. */
  encode(text: string, options: EncodeOptions): number[];
  /**
   * Text of token ids, byte for byte: spaces before punctuation stay, whatever `clean_up_tokenization_spaces` says.
   * Ids that no token has are left out.
   */
  decode(ids: ArrayLike<number>, options: DecodeOptions): string;
  idToToken(id: number): string | undefined;
  tokenToId(token: string): number | undefined;
  /** Largest id + 1, added tokens included. */
  readonly vocabSize: number;
  readonly bosTokenId?: number;
  readonly eosTokenId?: number;
  readonly padTokenId?: number;
  /** All ids that end a generated answer: EOS first, then those of generation_config.json. */
  readonly stopTokenIds: readonly number[];
  /** Ids of the tokens that `skipSpecialTokens` leaves out. */
  readonly specialTokenIds: ReadonlySet<number>;
  /** Whether the tokenizer's template puts BOS before a text. */
  readonly addBos: boolean;
  /** Jinja text. */
  readonly chatTemplate?: string;
  /** SHA-256 of tokenizer.json, in hexadecimal. */
  readonly hash: string;
  /** Path of tokenizer.json. */
  readonly path: string;
}

/** Whether a model folder has a tokenizer; models for tests and rows of token ids do without. */
export function hasTokenizer(folder: string): Promise<boolean> {
  return exists(join(folder, "tokenizer.json"));
}

/** Reads tokenizer.json and, where they exist, the files beside it. Errors name the field at fault. */
export async function loadTokenizer(folder: string): Promise<Tokenizer> {
  const path = join(folder, "tokenizer.json");
  const json = await readJsonObject(path, "the tokenizer");
  const optional = async (name: string): Promise<Json | undefined> =>
    (await exists(join(folder, name))) ? readJsonObject(join(folder, name), name) : undefined;
  const chatTemplatePath = join(folder, "chat_template.jinja");
  return createTokenizer(json, {
    path,
    hash: createHash("sha256")
      .update(await readFile(path))
      .digest("hex"),
    tokenizerConfig: await optional("tokenizer_config.json"),
    specialTokensMap: await optional("special_tokens_map.json"),
    generationConfig: await optional("generation_config.json"),
    modelConfig: await optional("config.json"),
    chatTemplate: (await exists(chatTemplatePath)) ? await readFile(chatTemplatePath, "utf8") : undefined,
  });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Builds a tokenizer from parsed files; touches no disk. `path` is for messages. */
export function createTokenizer(
  json: unknown,
  { path, hash, ...files }: SideFiles & { readonly path: string; readonly hash: string },
): Tokenizer {
  try {
    return assemble(objectField(json, "tokenizer.json"), files, path, hash);
  } catch (error) {
    if (!(error instanceof PhinetuneError)) throw error;
    // Faults found inside tokenizer.json know their field, not their file.
    throw new PhinetuneError(
      error.faults.map((fault) => ({ ...fault, where: fault.where ? `${path}: ${fault.where}` : path })),
      error,
    );
  }
}

function assemble(json: Json, files: SideFiles, path: string, hash: string): Tokenizer {
  const model = createBytePairModel(json.model);
  const addedTokens = readAddedTokens(json.added_tokens, model.vocabulary);
  const normalize = createNormalizer(json.normalizer);
  const preTokenize = createPreTokenizer(json.pre_tokenizer);
  const surroundings = readSurroundings(json.post_processor);
  const decodeTokens = createDecoder(json.decoder);
  const splitSections = createSectioner(addedTokens, normalize);

  const tokenOfId = new Map<number, string>();
  for (const [token, id] of model.vocabulary) tokenOfId.set(id, token);
  const idOfAdded = new Map<string, number>();
  for (const { id, content } of addedTokens) {
    tokenOfId.set(id, content);
    idOfAdded.set(content, id);
  }
  const tokenToId = (token: string): number | undefined =>
    idOfAdded.get(token) ?? model.vocabulary.get(token);
  const specialTokenIds = new Set(addedTokens.filter((token) => token.special).map((token) => token.id));
  const special = findSpecialTokens(files, addedTokens, tokenToId);
  const chatTemplate = findChatTemplate(files);
  let vocabSize = 0;
  for (const id of tokenOfId.keys()) vocabSize = Math.max(vocabSize, id + 1);
  const unknown = [...surroundings.before, ...surroundings.after].find((id) => !tokenOfId.has(id));
  if (unknown !== undefined)
    fail("tokenizer", `the special token id ${unknown} is no token's id`, { where: "post_processor" });

  return {
    encode(text, { addSpecialTokens, continuation = false }) {
      const ids: number[] = [];
      const append = (more: readonly number[]): void => {
        for (const id of more) ids.push(id);
      };
      if (addSpecialTokens && !continuation) append(surroundings.before);
      for (const section of splitSections(wellFormed(text), !continuation)) {
        if (section.kind === "token") {
          ids.push(section.id);
          continue;
        }
        const stretch = {
          text: section.text,
          first: section.first && !continuation,
          atStart: !section.first || !continuation,
        };
        for (const word of preTokenize([stretch])) append(model.encodeWord(word.text));
      }
      if (addSpecialTokens) append(surroundings.after);
      return ids;
    },
    decode(ids, { skipSpecialTokens }) {
      const tokens: string[] = [];
      for (let i = 0; i < ids.length; i++) {
        const id = ids[i]!;
        const token = tokenOfId.get(id);
        if (token !== undefined && !(skipSpecialTokens && specialTokenIds.has(id))) tokens.push(token);
      }
      return decodeTokens(tokens).join("");
    },
    idToToken: (id) => tokenOfId.get(id),
    tokenToId,
    vocabSize,
    ...special,
    specialTokenIds,
    addBos: surroundings.before.length > 0 && surroundings.before[0] === special.bosTokenId,
    ...(chatTemplate === undefined ? {} : { chatTemplate }),
    hash,
    path,
  };
}

/** Lone surrogates are not text; TextEncoder, too, makes them U+FFFD. */
function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, "\ufffd");
}
