// A weight in a file -> its NF4 form, as tensors of a cache.
import { toFloat32 } from "../formats/dtype.js";
import { readTensor } from "../formats/safetensors.js";
import { bytesPerElement, elementCount, type TensorEntry } from "../formats/tensor.js";
import { NF4_BLOCK, NF4_GROUP } from "../graph/ops/nf4.js";
import type { WeightForm } from "./cache.js";
import { quantizeFactors, quantizeNf4 } from "./nf4.js";

export type Nf4Name = "packed" | "absmax" | "nested_absmax" | "nested_offset";

/** Factors of blocks in 8 bits, with a factor for each 256 of them and one offset. */
export const nestedNf4Form: WeightForm<Nf4Name> = {
  name: "nf4",
  version: "1",
  layout: (shape) => {
    const count = elementCount(shape);
    const groups = Math.ceil(count / NF4_BLOCK / NF4_GROUP);
    return {
      nested_absmax: { dtype: "F32", shape: [groups, 1] },
      nested_offset: { dtype: "F32", shape: [] },
      absmax: { dtype: "U8", shape: [groups, NF4_GROUP] },
      packed: { dtype: "U8", shape: [Math.ceil(count / 2)] },
    };
  },
  async make(entry) {
    const { packed, absmax } = await quantizeEntry(entry);
    const { places, scale, offset } = quantizeFactors(absmax);
    return { nested_absmax: scale, nested_offset: offset, absmax: places, packed };
  },
};

/** Factors of blocks as they are. */
export const plainNf4Form: WeightForm<"packed" | "absmax"> = {
  name: "nf4",
  version: "1",
  variant: "plain",
  layout: (shape) => ({
    absmax: { dtype: "F32", shape: [Math.ceil(elementCount(shape) / NF4_BLOCK)] },
    packed: { dtype: "U8", shape: [Math.ceil(elementCount(shape) / 2)] },
  }),
  make: quantizeEntry,
};

async function quantizeEntry(entry: TensorEntry) {
  const bytes = bytesPerElement[entry.dtype];
  const read = async (from: number, to: number) => {
    const part = { shape: [to - from], offset: entry.offset + from * bytes, length: (to - from) * bytes };
    return toFloat32(await readTensor({ ...entry, ...part }));
  };
  return quantizeNf4(elementCount(entry.shape), read, `${entry.file}: ${entry.name}`);
}
