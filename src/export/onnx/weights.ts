// A base with adapters worked in -> its tensors as a model file holds them, each made when its turn comes.
import { mergedTensor, unties, type WeightedAdapter } from "../../adapters/merge.js";
import { baseTensorName } from "../../adapters/plan.js";
import { fail } from "../../errors.js";
import { fromFloat32, toFloat32 } from "../../formats/dtype.js";
import { readTensor } from "../../formats/safetensors.js";
import { bytesPerElement, elementCount } from "../../formats/tensor.js";
import type { BaseModel } from "../../models/base_model.js";
import { OUTPUT_HEAD, parametersOf } from "../../models/family.js";
import { BLOCK, roundBlocks, roundTable, tableBlock } from "./blocks.js";
import { bitsOf, type OnnxDtype } from "./forms.js";

/** A tensor that is known by its size before its bytes are made. */
export interface StoredTensor {
  readonly name: string;
  readonly dtype: "F32" | "F16" | "U8" | "I8";
  readonly shape: readonly number[];
  readonly length: number;
  readonly bytes: () => Promise<Uint8Array>;
}

/** What the tensors of a rounded layer are called. */
export const NUMBERS = "_numbers";
export const ZEROS = "_zeros";
export const SCALES = "_scales";

/** The tensors of a model, a tied head once where embedding and head have the same form. */
export function storedTensors(
  base: BaseModel,
  adapters: readonly WeightedAdapter[],
  dtype: OnnxDtype,
): readonly StoredTensor[] {
  const { floats } = dtype;
  const isTied = base.config.tiedEmbeddings && !unties(base, adapters);
  const wide = floats === "float16" ? "F16" : "F32";
  const stored: StoredTensor[] = [];
  const put = (
    name: string,
    type: StoredTensor["dtype"],
    shape: readonly number[],
    bytes: StoredTensor["bytes"],
  ) => stored.push({ name, dtype: type, shape, length: elementCount(shape) * bytesPerElement[type], bytes });
  for (const module of base.modules) {
    const bits = bitsOf(dtype, module.path);
    for (const [name, shape] of parametersOf(module)) {
      const values = () => valuesOf(base, adapters, name, isTied);
      const [rows, columns] = [shape[0]!, shape[1] ?? 1];
      if (shape.length === 2 && bits !== undefined && module.kind === "linear") {
        const round = inTurn(3, async () => roundBlocks(await values(), columns, bits, floats));
        const blocks = Math.ceil(columns / BLOCK);
        const scales = [rows, blocks];
        put(name + NUMBERS, "U8", [rows, blocks, (BLOCK * bits) / 8], async () => (await round()).numbers);
        put(name + ZEROS, "U8", [rows, Math.ceil((blocks * bits) / 8)], async () => (await round()).zeros);
        put(name + SCALES, wide, scales, async () => floatsOf(name, (await round()).scales, wide, scales));
      } else if (shape.length === 2 && bits !== undefined) {
        const round = inTurn(2, async () => roundTable(await values(), columns, floats));
        const size = tableBlock(columns);
        const scales = [rows, columns / size, 1];
        put(name + NUMBERS, "I8", [rows, columns / size, size], async () => bytesOf((await round()).numbers));
        put(name + SCALES, wide, scales, async () => floatsOf(name, (await round()).scales, wide, scales));
      } else if (name !== `${OUTPUT_HEAD}.weight` || !isTied) {
        // Norms compute in float32.
        const type = module.kind === "norm" ? "F32" : wide;
        put(name, type, shape, async () => floatsOf(name, await values(), type, shape));
      }
    }
  }
  return stored;
}

/** The bytes of floating values. @throws PhinetuneError naming a value that float16 cannot hold */
function floatsOf(
  name: string,
  values: Float32Array,
  dtype: "F32" | "F16",
  shape: readonly number[],
): Uint8Array {
  const large = dtype === "F16" ? values.find((value) => Math.abs(value) >= 65_520) : undefined;
  if (large !== undefined)
    fail("weights", `tensor ${name} holds ${large}, which float16 cannot hold`, {
      fix: "give --dtype fp32, q8 or q4",
    });
  return fromFloat32(values, dtype, shape).bytes;
}

async function valuesOf(
  base: BaseModel,
  adapters: readonly WeightedAdapter[],
  name: string,
  isTied: boolean,
): Promise<Float32Array> {
  // A tied head is the embedding, with all that was worked into it.
  const own = isTied ? baseTensorName(base, name) : name;
  const merged = await mergedTensor(base, adapters, own);
  return merged ?? toFloat32(await readTensor(base.tensors.get(baseTensorName(base, name))!));
}

/** Keeps what was made until it has been taken so often: the tensors of a layer are written one after the other. */
function inTurn<T>(times: number, make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  let left = 0;
  return () => {
    if (made === undefined) [made, left] = [make(), times];
    const known = made;
    if (--left === 0) made = undefined;
    return known;
  };
}

function bytesOf(data: ArrayBufferView): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
