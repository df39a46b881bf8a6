// A base model and an adapter -> one file for another program.
import { resolve } from "node:path";
import { saveGgufAdapter } from "./export/gguf/adapter.js";
import { saveGgufModel } from "./export/gguf/model.js";
import { noTokenizer, tokenizerMetadata } from "./export/gguf/tokenizer.js";
import { loadPeftAdapter } from "./export/peft.js";
import { type DownloadControl, finished } from "./hub/progress.js";
import { resolveAdapter, resolveModel } from "./hub/resolve.js";
import { openBaseModel } from "./models/base_model.js";
import type { OptionsOf } from "./options.js";

export interface ExportResult {
  readonly file: string;
  readonly tensors: number;
}

/**
 * Writes the file that the options ask for.
 * @param onTensor is told how many tensors of how many are written @param onDownload how far downloads are
 * @throws PhinetuneError before anything is written where the other program could not hold or compute the same
 */
export async function exportModel(
  { model, adapter: name, what, outtype, tokenizer, output }: OptionsOf<"export">,
  onTensor?: (done: number, all: number) => void,
  { onDownload, ...control }: DownloadControl = {},
): Promise<ExportResult> {
  const base = await openBaseModel(await finished(resolveModel(model, control), onDownload));
  const folder = name === undefined ? undefined : await finished(resolveAdapter(name, control), onDownload);
  const adapter = folder === undefined ? undefined : await loadPeftAdapter(folder, base);
  if (what === "adapter") {
    const tensors = await saveGgufAdapter(output, base, adapter!, outtype, onTensor);
    return { file: resolve(output), tensors };
  }
  const words = tokenizer ? await tokenizerMetadata(base) : noTokenizer;
  const adapters = adapter ? [{ adapter, weight: 1 }] : [];
  const tensors = await saveGgufModel(output, base, adapters, outtype, words, onTensor);
  return { file: resolve(output), tensors };
}
