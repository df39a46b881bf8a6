// The `post_processor` entry of tokenizer.json -> the special tokens before and after a text.
import { fail } from "../../errors.js";
import { MAX_TOKEN_ID } from "./bpe.js";
import { countField, listField, objectField, sequenceField, stringField, unsupported } from "./fields.js";

/** Ids that `addSpecialTokens` puts around a text. */
export interface Surroundings {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

const none: Surroundings = { before: [], after: [] };
const known = ["TemplateProcessing", "ByteLevel", "BertProcessing", "RobertaProcessing", "Sequence"];

/** Reads the entry for a single text (never a pair). Source: tokenizers/src/processors. */
export function readSurroundings(value: unknown, where = "post_processor", depth = 0): Surroundings {
  if (value === null || value === undefined) return none;
  const entry = objectField(value, where);
  switch (entry.type) {
    // Changes offsets only.
    case "ByteLevel":
      return none;
    case "TemplateProcessing":
      return readTemplate(entry, where);
    case "BertProcessing":
    case "RobertaProcessing": {
      const idOf = (name: "cls" | "sep"): number =>
        countField(listField(entry[name], `${where}.${name}`)[1], `${where}.${name}[1]`, MAX_TOKEN_ID);
      return { before: [idOf("cls")], after: [idOf("sep")] };
    }
    case "Sequence":
      return sequenceField(entry.processors, `${where}.processors`, depth).reduce<Surroundings>(
        ({ before, after }, member, i) => {
          const outer = readSurroundings(member, `${where}.processors[${i}]`, depth + 1);
          return { before: [...outer.before, ...before], after: [...after, ...outer.after] };
        },
        none,
      );
    default:
      return unsupported(entry.type, `${where}.type`, known);
  }
}

function readTemplate(entry: Readonly<Record<string, unknown>>, where: string): Surroundings {
  const specials = objectField(entry.special_tokens ?? {}, `${where}.special_tokens`);
  const before: number[] = [];
  const after: number[] = [];
  let texts = 0;
  listField(entry.single, `${where}.single`).forEach((item, i) => {
    const here = `${where}.single[${i}]`;
    const piece = objectField(item, here);
    if (piece.Sequence !== undefined) {
      texts++;
      return;
    }
    const name = stringField(
      objectField(piece.SpecialToken, `${here}.SpecialToken`).id,
      `${here}.SpecialToken.id`,
    );
    const ids = listField(
      objectField(specials[name], `${where}.special_tokens[${JSON.stringify(name)}]`).ids,
      `${where}.special_tokens[${JSON.stringify(name)}].ids`,
    ).map((id) => countField(id, `${where}.special_tokens[${JSON.stringify(name)}].ids`, MAX_TOKEN_ID));
    (texts === 0 ? before : after).push(...ids);
  });
  if (texts !== 1)
    fail("tokenizer", `the template holds the text ${texts} times, not once`, { where: `${where}.single` });
  return { before, after };
}
