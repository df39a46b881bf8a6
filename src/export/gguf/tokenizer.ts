// A model's tokenizer -> the keys from which llama.cpp makes the same token ids.
// Source: https://github.com/ggml-org/llama.cpp/blob/master/src/llama-vocab.cpp
import { type Fault, fail, failIfAny, PhinetuneError } from "../../errors.js";
import { readJsonObject } from "../../formats/json_file.js";
import { type AddedToken, readAddedTokens } from "../../formats/tokenizer/added_tokens.js";
import { type Json, objectField } from "../../formats/tokenizer/fields.js";
import { loadTokenizer, type Tokenizer } from "../../formats/tokenizer.js";
import type { BaseModel } from "../../models/base_model.js";
import { scoresOf } from "./scores.js";
import { bool, type GgufMetadata, type GgufValue, text, u32 } from "./writer.js";

/** llama.cpp's kinds of tokens. */
const NORMAL = 1;
const UNKNOWN = 2;
const CONTROL = 3;
const USER_DEFINED = 4;
const UNUSED = 5;
const BYTE = 6;

const ANYWAY = "give --no-tokenizer to write the model without it";

/** The keys of a model without a tokenizer: it takes and gives token ids. */
export const noTokenizer: GgufMetadata = new Map([["tokenizer.ggml.model", text("none")]]);

/** @throws PhinetuneError with all for which llama.cpp has no equal */
export async function tokenizerMetadata(base: BaseModel): Promise<GgufMetadata> {
  const tokenizer = await loadTokenizer(base.folder);
  const json = await readJsonObject(tokenizer.path, "the tokenizer");
  const model = objectField(json.model, "model");
  const vocabulary = new Map(Object.entries(model.vocab as Record<string, number>));
  const added = readAddedTokens(json.added_tokens, vocabulary);
  const faults: Fault[] = [];
  const refuse = (what: string) =>
    void faults.push({
      code: "tokenizer",
      what: `llama.cpp has no equal of ${what}`,
      where: tokenizer.path,
      fix: ANYWAY,
    });

  const scheme = schemeOf(json, base.family.modelType, refuse);
  for (const key of ["continuing_subword_prefix", "end_of_word_suffix"])
    if (model[key]) refuse(`${key} ${JSON.stringify(model[key])}`);
  for (const { content, singleWord, lstrip, rstrip } of added)
    if (singleWord || lstrip || rstrip)
      refuse(`single_word, lstrip or rstrip of the token ${JSON.stringify(content)}`);
  const addsEos = surroundingsOf(tokenizer, refuse);
  const { vocabSize } = base.config;
  if (tokenizer.vocabSize > vocabSize)
    faults.push({
      code: "tokenizer",
      what: `the tokenizer has ${tokenizer.vocabSize} tokens, the model ${vocabSize}`,
      where: tokenizer.path,
      fix: ANYWAY,
    });
  failIfAny(faults);

  const metadata = new Map<string, GgufValue>();
  const put = (key: string, value: GgufValue) => void metadata.set(`tokenizer.ggml.${key}`, value);
  const { tokens, types } = tokensOf(vocabulary, added, model, vocabSize, scheme!.kind === "llama");
  put("model", text(scheme!.kind));
  put("pre", text(scheme!.pre));
  put("tokens", { type: "texts", value: tokens });
  put("token_type", { type: "i32s", value: types });
  const merges = (model.merges as (string | string[])[]).map((merge) =>
    typeof merge === "string" ? merge : merge.join(" "),
  );
  if (scheme!.kind === "llama") {
    put("scores", { type: "f32s", value: sentencePieceScores(vocabulary, merges, tokens, types, tokenizer) });
    put("add_space_prefix", bool(scheme!.addsSpace));
  } else put("merges", { type: "texts", value: merges });
  const id = (key: string, value: number | undefined) => {
    if (value !== undefined) put(`${key}_token_id`, u32(value));
  };
  id("bos", tokenizer.bosTokenId);
  id("eos", tokenizer.eosTokenId ?? base.eosTokenIds[0]);
  id("unknown", typeof model.unk_token === "string" ? tokenizer.tokenToId(model.unk_token) : undefined);
  id("padding", tokenizer.padTokenId);
  put("add_bos_token", bool(tokenizer.addBos));
  put("add_eos_token", bool(addsEos));
  if (tokenizer.chatTemplate !== undefined)
    metadata.set("tokenizer.chat_template", text(tokenizer.chatTemplate));
  return metadata;
}

/** How text becomes the words that are merged: byte-level (`gpt2`), or SentencePiece's way (`llama`). */
interface Scheme {
  readonly kind: "gpt2" | "llama";
  readonly pre: string;
  readonly addsSpace: boolean;
}

const QWEN2 =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const LLAMA3 = QWEN2.replace("|\\p{N}|", "|\\p{N}{1,3}|");

function schemeOf(json: Json, modelType: string, refuse: (what: string) => void): Scheme | undefined {
  const model = json.model as Json;
  if (model.byte_fallback === true) return sentencePieceScheme(json, refuse);
  const ignoresMerges = model.ignore_merges === true;
  const normalizer = json.normalizer as Json | null | undefined;
  // llama.cpp leaves text as it is; text that is in NFC already is the same in both.
  if (normalizer && normalizer.type !== "NFC") refuse(`the normalizer ${JSON.stringify(normalizer.type)}`);
  const pre = preTokenizerName(json.pre_tokenizer as Json | undefined, modelType);
  if (pre === undefined) refuse(`the pre-tokenizer ${JSON.stringify(json.pre_tokenizer)}`);
  else if (ignoresMerges !== (pre === "llama-bpe"))
    refuse(`ignore_merges ${ignoresMerges} with the pre-tokenizer of ${pre}`);
  return pre === undefined ? undefined : { kind: "gpt2", pre, addsSpace: false };
}

/** llama.cpp's name of a byte-level pre-tokenizer. */
function preTokenizerName(pre: Json | null | undefined, modelType: string): string | undefined {
  if (pre?.type === "ByteLevel")
    return pre.add_prefix_space === false && pre.use_regex !== false
      ? modelType === "phi"
        ? "phi-2"
        : "gpt-2"
      : undefined;
  const parts = pre?.type === "Sequence" ? (pre.pretokenizers as Json[]) : [];
  const [split, bytes] = parts;
  if (parts.length !== 2 || split?.type !== "Split" || bytes?.type !== "ByteLevel") return undefined;
  if (bytes.add_prefix_space !== false || bytes.use_regex !== false) return undefined;
  const takesMatches =
    split.behavior === "Isolated" ? !split.invert : split.behavior === "Removed" && split.invert;
  if (!takesMatches) return undefined;
  const regex = (split.pattern as Json | undefined)?.Regex;
  return regex === QWEN2 ? "qwen2" : regex === LLAMA3 ? "llama-bpe" : undefined;
}

function sentencePieceScheme(json: Json, refuse: (what: string) => void): Scheme {
  const scheme = (addsSpace: boolean): Scheme => ({ kind: "llama", pre: "default", addsSpace });
  const { normalizer, pre_tokenizer: pre } = json as {
    normalizer?: Json | null;
    pre_tokenizer?: Json | null;
  };
  if (!pre && normalizer) {
    const steps = (normalizer.type === "Sequence" ? normalizer.normalizers : [normalizer]) as Json[];
    const replace = steps.at(-1);
    const prepends = steps.length === 2 && steps[0]!.type === "Prepend" && steps[0]!.prepend === "▁";
    const replaces =
      replace?.type === "Replace" &&
      (replace.pattern as Json | undefined)?.String === " " &&
      replace.content === "▁";
    if (replaces && (prepends || steps.length === 1)) return scheme(prepends);
  }
  if (!normalizer && pre?.type === "Metaspace" && pre.replacement === "▁" && pre.split === false) {
    const fallback = pre.add_prefix_space === false ? "never" : "always";
    return scheme((pre.prepend_scheme ?? fallback) !== "never");
  }
  refuse(
    `byte fallback with the normalizer ${JSON.stringify(normalizer)} and the pre-tokenizer ${JSON.stringify(pre)}`,
  );
  return scheme(false);
}

/** Whether EOS stands after a text; what else the template puts around it is refused. */
function surroundingsOf(tokenizer: Tokenizer, refuse: (what: string) => void): boolean {
  const ids = tokenizer.encode("", { addSpecialTokens: true });
  const rest = ids.slice(Number(tokenizer.addBos));
  const addsEos = rest.length === 1 && rest[0] === tokenizer.eosTokenId;
  if (rest.length > 0 && !addsEos) refuse(`a template that puts the tokens ${ids.join(", ")} around a text`);
  return addsEos;
}

/** Text and kind of each id. Ids without a token are there, and never come up. */
function tokensOf(
  vocabulary: ReadonlyMap<string, number>,
  added: readonly AddedToken[],
  model: Json,
  size: number,
  hasBytes: boolean,
): { tokens: string[]; types: number[] } {
  const tokens = Array.from({ length: size }, (_, id) => `[PAD${id}]`);
  const types = tokens.map(() => UNUSED);
  for (const [token, id] of vocabulary) {
    tokens[id] = token;
    types[id] = hasBytes && /^<0x[0-9A-F]{2}>$/.test(token) ? BYTE : NORMAL;
  }
  for (const { id, content, special } of added) {
    tokens[id] = hasBytes && !special ? content.replaceAll("▁", " ") : content;
    types[id] = special ? CONTROL : USER_DEFINED;
  }
  const unknown = typeof model.unk_token === "string" ? tokens.indexOf(model.unk_token) : -1;
  if (unknown >= 0 && hasBytes) types[unknown] = UNKNOWN;
  return { tokens, types };
}

function sentencePieceScores(
  vocabulary: ReadonlyMap<string, number>,
  merges: readonly string[],
  tokens: readonly string[],
  types: readonly number[],
  tokenizer: Tokenizer,
): readonly number[] {
  try {
    if (types.filter((type) => type === BYTE).length !== 256)
      fail("tokenizer", "llama.cpp needs a token for each of the 256 bytes");
    return scoresOf(vocabulary, merges, tokens, (id) => types[id] === NORMAL);
  } catch (error) {
    if (!(error instanceof PhinetuneError)) throw error;
    throw new PhinetuneError(
      error.faults.map((fault) => ({ ...fault, where: tokenizer.path, fix: ANYWAY })),
      error,
    );
  }
}
