// A weight in a file -> its two copies in 8 bits, as tensors of a cache.
import { toFloat32 } from "../formats/dtype.js";
import { readTensor } from "../formats/safetensors.js";
import { bytesPerElement } from "../formats/tensor.js";
import type { WeightForm } from "./cache.js";
import { type Rounded, roundWeight } from "./int8.js";

export type Int8Name = "forward" | "forward_scale" | "backward" | "backward_scale";

/** @param unsigned numbers with zero at 128, for processors that add signed products inexactly */
export function int8Form({ unsigned }: { readonly unsigned: boolean }): WeightForm<Int8Name> {
  const dtype = unsigned ? "U8" : "I8";
  return {
    name: "int8",
    version: "1",
    variant: unsigned ? "unsigned" : undefined,
    layout: ([out, size]) => ({
      backward_scale: { dtype: "F32", shape: [size!] },
      forward_scale: { dtype: "F32", shape: [out!] },
      backward: { dtype, shape: [out!, size!] },
      forward: { dtype, shape: [size!, out!] },
    }),
    async make(entry) {
      const [out, size] = entry.shape as readonly [number, number];
      const bytesOfRow = size * bytesPerElement[entry.dtype];
      const { forward, backward } = await roundWeight(out, size, async (from, to) => {
        const part = {
          ...entry,
          shape: [to - from, size],
          offset: entry.offset + from * bytesOfRow,
          length: (to - from) * bytesOfRow,
        };
        return toFloat32(await readTensor(part));
      });
      const bytesOf = ({ values }: Rounded) => {
        const bytes = new Uint8Array(values.buffer);
        // Two's complement with its first bit turned is the number plus 128.
        if (unsigned) for (let i = 0; i < bytes.length; i++) bytes[i]! ^= 128;
        return bytes;
      };
      return {
        backward_scale: backward.scale,
        forward_scale: forward.scale,
        backward: bytesOf(backward),
        forward: bytesOf(forward),
      };
    },
  };
}
