// What a case of an op is: operands, how the node is built, and the same computation as plain loops in float64.
import type { Dim } from "../../../src/graph/dims.js";
import type { ElementType, Value } from "../../../src/graph/value.js";
import { createRandom } from "../../../src/random.js";

export interface Operand {
  readonly shape: readonly number[];
  /** Where the graph knows an axis by a symbol; `shape` has its size. */
  readonly dims?: readonly Dim[];
  readonly dtype?: ElementType;
  /** Random numbers in [-2, 2] where left out. */
  readonly data?: readonly number[];
}

export interface OpCase {
  readonly op: string;
  /** What is special about it. */
  readonly about?: string;
  readonly operands: readonly Operand[];
  readonly build: (...values: Value[]) => Value;
  /** The op in float64; operands in row-major order. */
  readonly reference: (...operands: Numbers[]) => ArrayLike<number>;
  /** The gradient for an operand by its index, where it is by decision not the slope of the reference. */
  readonly gradients?: Readonly<Record<number, (g: Numbers, ...operands: Numbers[]) => ArrayLike<number>>>;
}

export type Numbers = ArrayLike<number>;

export const count = (shape: readonly number[]) => shape.reduce((n, size) => n * size, 1);

/** Random numbers that never come near a kink at 0. */
export function randomNumbers(length: number, ...stream: readonly (string | number)[]): number[] {
  const random = createRandom(11, "op case", ...stream);
  return Array.from({ length }, () => {
    const x = 4 * random.nextFloat() - 2;
    return Math.fround(Math.abs(x) < 0.05 ? 0.3 : x);
  });
}

/** Coordinates of every element of a shape, in row-major order. */
export function* coordinates(shape: readonly number[]): Generator<readonly number[]> {
  for (let i = 0; i < count(shape); i++) {
    const at: number[] = [];
    let rest = i;
    for (const size of [...shape].reverse()) {
      at.unshift(rest % size);
      rest = Math.trunc(rest / size);
    }
    yield at;
  }
}

/** The element at some coordinates of a larger shape, NumPy broadcasting. */
export function at(values: Numbers, shape: readonly number[], place: readonly number[]): number {
  let index = 0;
  const lead = place.length - shape.length;
  for (const [axis, size] of shape.entries()) index = index * size + (size === 1 ? 0 : place[lead + axis]!);
  return values[index]!;
}

/** An elementwise function of broadcast operands. */
export function elementwise(
  shapes: readonly (readonly number[])[],
  to: readonly number[],
  f: (...x: number[]) => number,
): (...operands: Numbers[]) => number[] {
  return (...operands) =>
    [...coordinates(to)].map((place) => f(...operands.map((values, i) => at(values, shapes[i]!, place))));
}
