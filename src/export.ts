// A base model and an adapter -> a file or folder for another program.
import { resolve } from "node:path";
import type { Adapter } from "./adapters/plan.js";
import { checkNewFolder } from "./export/folder.js";
import { saveGgufAdapter } from "./export/gguf/adapter.js";
import { saveGgufModel } from "./export/gguf/model.js";
import { noTokenizer, tokenizerMetadata } from "./export/gguf/tokenizer.js";
import { loadMlxAdapter, saveMlxAdapter } from "./export/mlx.js";
import type { OnnxDtypeName } from "./export/onnx/forms.js";
import { saveOnnxModel } from "./export/onnx/model.js";
import { loadPeftAdapter, savePeftAdapter } from "./export/peft.js";
import { type DownloadControl, finished } from "./hub/progress.js";
import { resolveAdapter, resolveModel } from "./hub/resolve.js";
import { type BaseModel, openBaseModel } from "./models/base_model.js";
import type { OptionsOf } from "./options.js";

export interface ExportResult {
  readonly file: string;
  readonly tensors: number;
}

type Progress = (done: number, all: number) => void;
type ExportOptions = OptionsOf<"export">;
type WithAdapter = ExportOptions & { readonly adapter: string };

/**
 * Writes what the options ask for.
 * @param onTensor is told how many tensors of how many are written @param onDownload how far downloads are
 * @throws PhinetuneError before anything is written where the other program could not hold or compute the same
 */
export async function exportModel(
  options: ExportOptions,
  onTensor?: Progress,
  { onDownload, ...control }: DownloadControl = {},
): Promise<ExportResult> {
  if (options.format !== "gguf") await checkNewFolder(options.output);
  const base = await openBaseModel(await finished(resolveModel(options.model, control), onDownload));
  const name = options.adapter;
  const adapter = name === undefined ? undefined : await finished(resolveAdapter(name, control), onDownload);
  const tensors = await writers[options.format]({ ...options, adapter } as WithAdapter, base, onTensor);
  return { file: resolve(options.output), tensors };
}

const writers: Readonly<
  Record<
    ExportOptions["format"],
    (options: WithAdapter, base: BaseModel, onTensor?: Progress) => Promise<number>
  >
> = {
  async gguf({ adapter: folder, what, outtype, tokenizer, output }, base, onTensor) {
    const adapter = await peftAdapter(folder, base);
    if (what === "adapter") return saveGgufAdapter(output, base, adapter!, outtype, onTensor);
    const words = tokenizer ? await tokenizerMetadata(base) : noTokenizer;
    return saveGgufModel(output, base, weighted(adapter), outtype, words, onTensor);
  },

  async onnx(
    { adapter: folder, dtype, fourBitLayers, loraInputs, numLogitsToKeep, maxFileSize, ...rest },
    base,
    onTensor,
  ) {
    const adapter = await peftAdapter(folder, base);
    const isOutside = adapter !== undefined && loraInputs !== "none";
    const options = {
      dtypes: [...new Set(dtype ?? ["q8"])] as OnnxDtypeName[],
      fourBitLayers,
      lastLogits: numLogitsToKeep,
      tokenizer: rest.tokenizer,
      limit: maxFileSize * 1e6,
    };
    const inputs = isOutside ? { adapter, optional: loraInputs === "optional" } : undefined;
    return saveOnnxModel(
      rest.output,
      base,
      weighted(isOutside ? undefined : adapter),
      inputs,
      options,
      onTensor,
    );
  },

  mlx: async ({ adapter, output }, base) =>
    saveMlxAdapter(output, base, await loadPeftAdapter(adapter, base)),

  async peft({ adapter: folder, model, output }, base) {
    const adapter = await loadMlxAdapter(folder, base);
    await savePeftAdapter(output, adapter, model);
    return adapter.values.size;
  },
};

async function peftAdapter(folder: string | undefined, base: BaseModel): Promise<Adapter | undefined> {
  return folder === undefined ? undefined : loadPeftAdapter(folder, base);
}

function weighted(adapter: Adapter | undefined) {
  return adapter ? [{ adapter, weight: 1 }] : [];
}
