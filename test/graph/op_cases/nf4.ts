// Cases of products with weights in NF4: the code book and the map by their values, blocks and groups by plain division.
import { dequantizeNf4, NF4_CODE, nf4Linear } from "../../../src/graph/ops/nf4.js";
import type { Value } from "../../../src/graph/value.js";
import { createRandom } from "../../../src/random.js";
import type { Numbers, OpCase, Operand } from "./case.js";

const f32 = Math.fround;

function whole(below: number, length: number, name: string): number[] {
  const random = createRandom(5, "nf4", name);
  return Array.from({ length }, () => Math.floor(random.nextFloat() * below));
}

/** A weight [O, I] as operands, with its factors as they are or in 8 bits. */
function weightOperands(out: number, size: number, isNested: boolean): Operand[] {
  const blocks = Math.ceil((out * size) / 64);
  const groups = Math.ceil(blocks / 256);
  const bytes = Math.ceil((out * size) / 2);
  const packed: Operand = { shape: [bytes], dtype: "uint8", data: whole(256, bytes, "packed") };
  const factors = (count: number, name: string) => whole(1000, count, name).map((x) => f32((x + 1) / 1000));
  if (!isNested) return [packed, { shape: [blocks], data: factors(blocks, "absmax") }];
  return [
    packed,
    { shape: [groups, 256], dtype: "uint8", data: whole(256, groups * 256, "absmax") },
    { shape: [groups, 1], data: factors(groups, "scale") },
    { shape: [], data: [f32(0.7)] },
  ];
}

const weightOf = (out: number, size: number, [packed, absmax, scale, offset]: readonly Value[]) => ({
  out,
  in: size,
  packed: packed!,
  absmax: absmax!,
  nested: scale && offset ? { scale, offset } : undefined,
});

/** The dynamic map by its definition, in float64: for each power of ten the middles of so many equal parts of 0.1 … 1. */
const map = [0, 1];
for (let e = 0; e < 7; e++)
  for (let i = 0; i < 2 ** e; i++)
    for (const sign of [1, -1]) map.push(sign * 10 ** (e - 6) * (0.1 + (0.9 * (i + 0.5)) / 2 ** e));
map.sort((a, b) => a - b);

function dequantized(count: number, [packed, absmax, scale, offset]: readonly Numbers[]): number[] {
  return Array.from({ length: count }, (_, i) => {
    const byte = packed![i >> 1]!;
    const block = Math.floor(i / 64);
    const factor = scale ? map[absmax![block]!]! * scale[block >> 8]! + offset![0]! : absmax![block]!;
    return NF4_CODE[i % 2 === 0 ? byte >> 4 : byte & 15]! * factor;
  });
}

function linearCase(about: string, [N, I, O]: readonly [number, number, number], isNested = true): OpCase {
  let w: number[] | undefined;
  return {
    op: "nf4Linear",
    about,
    operands: [{ shape: [N, I], dims: ["N", I] }, ...weightOperands(O, I, isNested)],
    build: (x, ...parts) => nf4Linear(x!, weightOf(O, I, parts)),
    reference: (x, ...parts) => {
      w ??= dequantized(O * I, parts); // no case changes its weight
      return Array.from({ length: N * O }, (_, at) => {
        const [n, o] = [Math.trunc(at / O), at % O];
        let sum = 0;
        for (let i = 0; i < I; i++) sum += x![n * I + i]! * w![o * I + i]!;
        return sum;
      });
    },
  };
}

function dequantizeCase(about: string, [O, I]: readonly [number, number], isNested = true): OpCase {
  return {
    op: "dequantizeNf4",
    about,
    operands: weightOperands(O, I, isNested),
    build: (...parts) => dequantizeNf4(weightOf(O, I, parts)),
    reference: (...parts) => dequantized(O * I, parts),
  };
}

export const nf4Cases: readonly OpCase[] = [
  dequantizeCase("several groups", [60, 300]),
  dequantizeCase("blocks that reach over rows, and a last one cut short", [7, 40]),
  dequantizeCase("an odd number of numbers", [3, 11]),
  dequantizeCase("factors as they are", [5, 48], false),
  linearCase("", [3, 64, 8]),
  linearCase("more outputs than inputs", [2, 40, 72]),
  linearCase("more inputs than outputs, factors as they are", [3, 96, 10], false),
  linearCase("several groups", [1, 300, 60]),
];
