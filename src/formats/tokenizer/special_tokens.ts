// tokenizer_config.json and its neighbours -> the ids of BOS, EOS and padding, and the chat template.
import { fail } from "../../errors.js";
import type { AddedToken } from "./added_tokens.js";
import type { Json } from "./fields.js";

/** The files beside tokenizer.json, parsed; an absent file is undefined. */
export interface SideFiles {
  readonly tokenizerConfig?: Json | undefined;
  readonly specialTokensMap?: Json | undefined;
  readonly generationConfig?: Json | undefined;
  readonly modelConfig?: Json | undefined;
  /** chat_template.jinja, which goes before the template in tokenizer_config.json. */
  readonly chatTemplate?: string | undefined;
}

export interface SpecialTokens {
  readonly bosTokenId?: number;
  readonly eosTokenId?: number;
  readonly padTokenId?: number;
  /** All ids that end a generated answer: EOS first, then those of generation_config.json. */
  readonly stopTokenIds: readonly number[];
}

type Role = "bos" | "eos" | "pad";

/** EOS of a tokenizer.json that comes alone: taken only when one of these is among its special tokens. */
const usualEndTokens = ["<|endoftext|>", "</s>", "<|end_of_text|>", "<eos>"];

/** Looks in tokenizer_config.json, special_tokens_map.json, generation_config.json and config.json, in that order. */
export function findSpecialTokens(
  files: SideFiles,
  addedTokens: readonly AddedToken[],
  tokenToId: (token: string) => number | undefined,
): SpecialTokens {
  const find = (role: Role): number | undefined =>
    fromName(files.tokenizerConfig, role, "tokenizer_config.json", tokenToId) ??
    fromName(files.specialTokensMap, role, "special_tokens_map.json", tokenToId) ??
    idsOf(files.generationConfig, role)[0] ??
    idsOf(files.modelConfig, role)[0];
  const usualEnd = usualEndTokens
    .map((content) => addedTokens.find((token) => token.special && token.content === content))
    .find((token) => token !== undefined);
  const bos = find("bos");
  const eos = find("eos") ?? usualEnd?.id;
  const pad = find("pad");
  const stops = [...(eos === undefined ? [] : [eos]), ...idsOf(files.generationConfig, "eos")];
  return {
    ...(bos === undefined ? {} : { bosTokenId: bos }),
    ...(eos === undefined ? {} : { eosTokenId: eos }),
    ...(pad === undefined ? {} : { padTokenId: pad }),
    stopTokenIds: [...new Set(stops)],
  };
}

/** A token is given as its text, or as an object with `content`. */
function fromName(
  file: Json | undefined,
  role: Role,
  fileName: string,
  tokenToId: (token: string) => number | undefined,
): number | undefined {
  const value = file?.[`${role}_token`];
  const content =
    typeof value === "object" && value !== null && "content" in value ? (value.content as unknown) : value;
  if (content === undefined || content === null) return undefined;
  const id = typeof content === "string" ? tokenToId(content) : undefined;
  if (id === undefined)
    fail("tokenizer", `${role}_token ${JSON.stringify(content)} is not a token of tokenizer.json`, {
      where: `${fileName}: ${role}_token`,
      fix: "name a token that tokenizer.json holds",
    });
  return id;
}

/** `eos_token_id` is a number or a list of numbers. */
function idsOf(file: Json | undefined, role: Role): readonly number[] {
  const value = file?.[`${role}_token_id`];
  return (Array.isArray(value) ? value : [value]).filter(
    (id): id is number => typeof id === "number" && Number.isInteger(id) && id >= 0,
  );
}

/** The chat template: chat_template.jinja, else `chat_template` of tokenizer_config.json (of several, "default"). */
export function findChatTemplate({ chatTemplate, tokenizerConfig }: SideFiles): string | undefined {
  if (chatTemplate !== undefined) return chatTemplate;
  const value = tokenizerConfig?.chat_template;
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string") return value;
  const named = Array.isArray(value) ? (value as readonly unknown[]) : [];
  for (const item of named) {
    const entry = (typeof item === "object" && item !== null ? item : {}) as Json;
    if (entry.name === "default" && typeof entry.template === "string") return entry.template;
  }
  return fail("tokenizer", "chat_template is neither a text nor a list with a template named default", {
    where: "tokenizer_config.json: chat_template",
  });
}
