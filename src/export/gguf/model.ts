// A base with adapters worked in -> a GGUF file that llama.cpp runs.
import { basename } from "node:path";
import { mergedTensor, unties, type WeightedAdapter } from "../../adapters/merge.js";
import { baseTensorName } from "../../adapters/plan.js";
import { toFloat32 } from "../../formats/dtype.js";
import { readTensor } from "../../formats/safetensors.js";
import type { BaseModel } from "../../models/base_model.js";
import { EMBEDDING, OUTPUT_HEAD, parametersOf } from "../../models/family.js";
import { encodeTensor, type GgmlType, ggmlTypes, storedType } from "./encode.js";
import { ggufName, interleaveHalves, layoutOf } from "./families.js";
import { type GgufMetadata, type GgufTensor, type GgufValue, text, u32, writeGguf } from "./writer.js";

const HEAD = `${OUTPUT_HEAD}.weight`;

/**
 * Writes the model. @returns the number of its tensors
 * @param tokenizer keys of the tokenizer
 * @param onTensor is told how many tensors of how many are written
 */
export async function saveGgufModel(
  path: string,
  base: BaseModel,
  adapters: readonly WeightedAdapter[],
  type: GgmlType,
  tokenizer: GgufMetadata,
  onTensor?: (done: number, all: number) => void,
): Promise<number> {
  const layout = layoutOf(base);
  const { architecture } = layout;
  const metadata = new Map<string, GgufValue>([
    ["general.architecture", text(architecture)],
    ["general.type", text("model")],
    ["general.name", text(basename(base.folder))],
    ["general.file_type", u32(ggmlTypes[type].fileType)],
    ["general.quantization_version", u32(2)],
    ...[...layout.settings].map(([key, value]) => [`${architecture}.${key}`, value] as const),
    ...tokenizer,
  ]);
  const isTied = base.config.tiedEmbeddings && !unties(base, adapters);
  const tensors: GgufTensor[] = [];
  for (const module of base.modules) {
    for (const [name, shape] of parametersOf(module)) {
      if (name === HEAD && isTied && !layout.needsHead) continue;
      const ggml = `${ggufName(module.path)}${name.slice(module.path.length)}`;
      const stored = storedType(type, shape);
      const heads = layout.turnedHeads(module.path);
      tensors.push({
        name: ggml,
        shape,
        type: stored,
        bytes: async () => {
          const values = await valuesOf(
            base,
            adapters,
            name === HEAD && isTied ? `${EMBEDDING}.weight` : name,
          );
          const columns = shape.length > 1 ? shape[1]! : 1;
          const rows = heads === undefined ? values : interleaveHalves(values, heads, columns);
          return encodeTensor(name, rows, stored, shape);
        },
      });
    }
  }
  const { frequencyFactors } = layout;
  if (frequencyFactors) {
    const shape = [frequencyFactors.length];
    const bytes = encodeTensor("rope_freqs", frequencyFactors, "f32", shape);
    tensors.push({ name: "rope_freqs.weight", shape, type: "f32", bytes: async () => bytes });
  }
  await writeGguf(path, metadata, tensors, (done) => onTensor?.(done, tensors.length));
  return tensors.length;
}

async function valuesOf(
  base: BaseModel,
  adapters: readonly WeightedAdapter[],
  name: string,
): Promise<Float32Array> {
  const merged = await mergedTensor(base, adapters, name);
  return merged ?? toFloat32(await readTensor(base.tensors.get(baseTensorName(base, name))!));
}
