// A model's tokenizer -> the same files in the form that transformers.js reads.
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { fail } from "../../errors.js";
import { writeFileAtomically } from "../../formats/atomic.js";
import { readJsonObject } from "../../formats/json_file.js";
import { copyTokenizer } from "../model.js";

const CONFIG = "tokenizer_config.json";

/** @throws PhinetuneError where a file is missing of which transformers.js makes a tokenizer */
export async function checkTokenizer(folder: string): Promise<void> {
  for (const name of ["tokenizer.json", CONFIG]) {
    if (!(await stat(join(folder, name)).catch(() => undefined)))
      fail("tokenizer", `the model has no ${name}, which transformers.js needs to read and write text`, {
        where: folder,
        fix: "put it there, or give --no-tokenizer to write the model without one",
      });
  }
}

/** Copies the files; special tokens that are objects become their texts, for transformers.js takes only some objects. */
export async function saveTokenizer(from: string, folder: string): Promise<void> {
  await copyTokenizer(from, folder);
  const config = await readJsonObject(join(from, CONFIG), "the tokenizer's configuration");
  const changed = Object.entries(config).flatMap(([key, value]) => {
    const content = key.endsWith("_token") ? (value as { content?: unknown } | null)?.content : undefined;
    return typeof content === "string" ? [[key, content] as const] : [];
  });
  if (changed.length === 0) return;
  const text = JSON.stringify({ ...config, ...Object.fromEntries(changed) }, null, 2);
  await writeFileAtomically(join(folder, CONFIG), `${text}\n`);
}
