// Rows, tokenizers and settings that the tests of this room share.
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Row } from "../../src/data/types.js";
import { PhinetuneError } from "../../src/errors.js";
import { loadTokenizer, type Tokenizer } from "../../src/formats/tokenizer.js";

export const kinds = ["codegen", "qwen2", "llama", "llama3"] as const;

const fixtures = fileURLToPath(new URL("../fixtures/tokenizers/", import.meta.url));
const loaded = await Promise.all(kinds.map((kind) => loadTokenizer(join(fixtures, kind))));

/** One of the small tokenizers of test/fixtures. */
export function tokenizerOf(kind: (typeof kinds)[number]): Tokenizer {
  return loaded[kinds.indexOf(kind)]!;
}

/** Rows as a file reader gives them. */
export function rowsOf(...fields: readonly Row["fields"][]): Row[] {
  return fields.map((field, i) => ({ source: "data.jsonl", line: i + 1, fields: field }));
}

/** The faults that `action` throws as one PhinetuneError. */
export async function faultsOf(action: () => unknown): Promise<PhinetuneError> {
  try {
    await action();
  } catch (error) {
    if (error instanceof PhinetuneError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
