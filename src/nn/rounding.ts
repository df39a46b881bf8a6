// Seeds -> the noise by which probabilities are rounded up or down: a pure function of (seed, step, micro-batch, element).
import { createRandom } from "../random.js";

/** Where in the stream a step may begin. */
const STARTS = 1 << 16;

export interface RoundingNoise {
  /** Numbers from −½ to ½, [rows, columns]: a part of one long stream, which begins at another place in each micro-batch. */
  at(step: number, microBatch: number, rows: number): Float32Array;
}

/** Prepares the noise of a run, which is drawn once: a step only chooses where to begin. */
export function createRoundingNoise(seed: number, columns: number): RoundingNoise {
  let stream = new Float32Array(0);
  return {
    at(step, microBatch, rows) {
      const length = rows * columns;
      if (stream.length < length + STARTS) stream = draw(seed, length + STARTS);
      const start = createRandom(seed, "rounding", step, microBatch).nextUint32() % STARTS;
      return stream.subarray(start, start + length);
    },
  };
}

/** A xorshift generator, for there are millions of numbers; a longer stream begins like a shorter one. Source: Marsaglia, "Xorshift RNGs", 2003. */
function draw(seed: number, length: number): Float32Array<ArrayBuffer> {
  const numbers = new Float32Array(length);
  let x = createRandom(seed, "rounding").nextUint32() | 1;
  for (let i = 0; i < length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    numbers[i] = x * 2 ** -32;
  }
  return numbers;
}
