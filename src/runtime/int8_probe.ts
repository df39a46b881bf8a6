// The processor -> whether onnxruntime adds products of 8-bit numbers exactly: without VNNI, sums of two overflow 16 bits.
import { createGraph } from "../graph/graph.js";
import { int8ProductOp } from "../graph/ops/int8.js";
import { apply, input } from "../graph/value.js";
import { createSession } from "./session.js";

const [ROWS, SIZE, COLUMNS] = [3, 64, 32];

/** Tries the largest numbers that weights of this type can be multiplied with. */
export async function addsExactly(weights: "int8" | "uint8"): Promise<boolean> {
  const graph = createGraph({
    y: apply(int8ProductOp, [
      input("q", "uint8", [ROWS, SIZE]),
      input("scale", "float32", [ROWS, 1]),
      input("weight", weights, [SIZE, COLUMNS]),
      input("weight_scale", "float32", [COLUMNS]),
    ]),
  });
  const session = await createSession(graph, { numThreads: 1 });
  const largest = weights === "int8" ? new Int8Array(SIZE * COLUMNS) : new Uint8Array(SIZE * COLUMNS);
  const { y } = await session.run({
    q: { dims: [ROWS, SIZE], data: new Uint8Array(ROWS * SIZE).fill(255) },
    scale: { dims: [ROWS, 1], data: new Float32Array(ROWS).fill(1) },
    weight: { dims: [SIZE, COLUMNS], data: largest.fill(weights === "int8" ? 127 : 255) },
    weight_scale: { dims: [COLUMNS], data: new Float32Array(COLUMNS).fill(1) },
  });
  await session.release();
  return (y!.data as Float32Array).every((sum) => sum === SIZE * 127 * 127);
}
