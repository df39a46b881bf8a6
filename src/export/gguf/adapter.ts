// A LoRA adapter -> a GGUF file that llama.cpp loads onto the exported base.
// Source: https://github.com/ggml-org/llama.cpp/blob/master/src/llama-adapter.cpp
import { basename } from "node:path";
import type { Target } from "../../adapters/method.js";
import type { Adapter } from "../../adapters/plan.js";
import { type Fault, failIfAny } from "../../errors.js";
import type { BaseModel } from "../../models/base_model.js";
import { OUTPUT_HEAD } from "../../models/family.js";
import { encodeTensor, type GgmlType, ggmlTypes, storedType } from "./encode.js";
import { ggufName, interleaveHalves, layoutOf } from "./families.js";
import { f32, type GgufTensor, type GgufValue, text, u32, writeGguf } from "./writer.js";

/** Writes the adapter. @returns the number of its tensors @throws PhinetuneError with all that the form cannot hold */
export async function saveGgufAdapter(
  path: string,
  base: BaseModel,
  adapter: Adapter,
  type: GgmlType,
  onTensor?: (done: number, all: number) => void,
): Promise<number> {
  failIfAny(unfit(base, adapter));
  const { architecture, turnedHeads } = layoutOf(base);
  const { plan, values } = adapter;
  // No alpha would mean a scale of 1 there.
  const alpha = plan.config.alpha || 1;
  const metadata = new Map<string, GgufValue>([
    ["general.architecture", text(architecture)],
    ["general.type", text("adapter")],
    ["general.name", text(basename(base.folder))],
    ["general.file_type", u32(ggmlTypes[type].fileType)],
    ["general.quantization_version", u32(2)],
    ["adapter.type", text("lora")],
    ["adapter.lora.alpha", f32(alpha)],
  ]);
  const tensors: GgufTensor[] = [];
  const put = (name: string, shape: readonly number[], make: () => Float32Array) => {
    const stored = storedType(type, shape);
    tensors.push({
      name,
      shape,
      type: stored,
      bytes: async () => encodeTensor(name, make(), stored, shape),
    });
  };
  for (const [module, target] of plan.targets) {
    const isEmbedding = target.module.kind === "embedding";
    const a = values.get(`${module}.${isEmbedding ? "lora_embedding_A" : "lora_A.weight"}`)!; // [R, in]
    const b = values.get(`${module}.${isEmbedding ? "lora_embedding_B" : "lora_B.weight"}`)!; // [out, R]
    const [columns, rows] = [a.length / target.r, b.length / target.r];
    const heads = turnedHeads(module);
    const name = `${ggufName(module)}.weight`;
    // Rows of an embedding's A are looked up by token.
    if (isEmbedding) put(`${name}.lora_a`, [columns, target.r], () => transposed(a, target.r, columns));
    else put(`${name}.lora_a`, [target.r, columns], () => a);
    put(`${name}.lora_b`, [rows, target.r], () => {
      const scaled = scaledBy(b, factorOf(target, alpha));
      return heads === undefined ? scaled : interleaveHalves(scaled, heads, target.r);
    });
  }
  await writeGguf(path, metadata, tensors, (done) => onTensor?.(done, tensors.length));
  return tensors.length;
}

/** llama.cpp's scale is alpha / R for every module: what that lacks is put into B. */
function factorOf({ scale, r }: Target, alpha: number): number {
  return scale === alpha / r ? 1 : (scale * r) / alpha;
}

function unfit(base: BaseModel, { plan }: Adapter): Fault[] {
  const reasons: string[] = [];
  const trained = plan.parameters.filter(({ kind }) => kind !== "adapter").map(({ name }) => name);
  const biases = trained.filter((name) => name.endsWith(".bias"));
  const whole = trained.filter((name) => !name.endsWith(".bias"));
  if (whole.length > 0) reasons.push(`${whole.length} tensors that were trained whole (${whole[0]}, …)`);
  if (biases.length > 0) reasons.push(`${biases.length} trained biases (${biases[0]}, …)`);
  if (base.config.tiedEmbeddings)
    for (const [path, { module }] of plan.targets)
      if (module.kind === "embedding" || path === OUTPUT_HEAD)
        reasons.push(`an adapter of ${path}, which is embedding and output head at once`);
  if (plan.targets.size === 0 && reasons.length === 0) reasons.push("an adapter that adapts no module");
  return reasons.map((reason) => ({
    code: "adapter",
    what: `llama.cpp's form of an adapter cannot hold ${reason}`,
    fix: "merge it first: give --what merged",
  }));
}

function scaledBy(values: Float32Array, factor: number): Float32Array {
  return factor === 1 ? values : values.map((value) => factor * value);
}

/** [rows, columns] -> [columns, rows] */
function transposed(matrix: Float32Array, rows: number, columns: number): Float32Array {
  return matrix.map((_, i) => matrix[(i % rows) * columns + Math.trunc(i / rows)]!);
}
