// Cases of linear layers on rounded blocks. Inputs are whole numbers up to 127, so that rounding them to 8 bits changes nothing.
import { blockLinear } from "../../../src/graph/ops/block_linear.js";
import { createRandom } from "../../../src/random.js";
import type { OpCase } from "./case.js";

const BLOCK = 32;

function whole(low: number, high: number, length: number, name: string): number[] {
  const random = createRandom(9, name);
  return Array.from({ length }, () => low + Math.floor(random.nextFloat() * (high - low + 1)));
}

function blockCase(bits: 4 | 8, [N, I, O]: readonly [number, number, number], withBias: boolean): OpCase {
  const blocks = Math.ceil(I / BLOCK);
  const bytes = (BLOCK * bits) / 8;
  const zeroBytes = Math.ceil((blocks * bits) / 8);
  // The largest of each block is 127, so that the step of its inputs is 1.
  const x = whole(-127, 127, N * I, "x").map((value, i) => ((i % I) % BLOCK === 0 ? 127 : value));
  const numbers = whole(0, 255, O * blocks * bytes, "numbers");
  const zeros = whole(0, 255, O * zeroBytes, "zeros");
  const scales = whole(1, 200, O * blocks, "scales").map((value) => Math.fround(value / 1e5));
  const unpacked = (packed: readonly number[], row: number, i: number) =>
    bits === 8 ? packed[row + i]! : (packed[row + (i >> 1)]! >> (4 * (i & 1))) & 15;
  const steps = (o: number, i: number) =>
    unpacked(numbers, o * blocks * bytes, i) - unpacked(zeros, o * zeroBytes, Math.trunc(i / BLOCK));
  return {
    op: "blockLinear",
    about: `${bits} bits, ${I} inputs${withBias ? ", with a bias" : ""}`,
    operands: [
      { shape: [N, I], dims: ["N", I], data: x },
      { shape: [O, blocks, bytes], dtype: "uint8", data: numbers },
      { shape: [O, zeroBytes], dtype: "uint8", data: zeros },
      { shape: [O, blocks], data: scales },
      ...(withBias ? [{ shape: [O] }] : []),
    ],
    build: (input, quantised, zero, step, bias) =>
      blockLinear(input!, { numbers: quantised!, zeros: zero!, scales: step!, bits, block: BLOCK }, bias),
    reference: (input, _, __, scale, bias) =>
      Array.from({ length: N * O }, (___, place) => {
        const [n, o] = [Math.trunc(place / O), place % O];
        let sum = bias?.[o] ?? 0;
        for (let i = 0; i < I; i++)
          sum += input![n * I + i]! * scale![o * blocks + Math.trunc(i / BLOCK)]! * steps(o, i);
        return sum;
      }),
  };
}

export const blockLinearCases: readonly OpCase[] = [
  blockCase(4, [3, 64, 20], false),
  blockCase(4, [1, 40, 5], true),
  blockCase(8, [3, 64, 20], true),
  blockCase(8, [1, 40, 5], false),
];
