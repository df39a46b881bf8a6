// Sizes and shapes of symbols -> their products, prints and broadcasts, held against the same with numbers in place of the symbols.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  broadcastShapes,
  type Dim,
  evaluateDim,
  factorOf,
  printShape,
  product,
  sameShape,
  symbolsOf,
} from "../../src/graph/dims.js";

const SYMBOLS = ["B", "T", "S", "past"] as const;
const symbol = fc.constantFrom(...SYMBOLS);
/** A number, a symbol, or a canonical product of several. */
const dim: fc.Arbitrary<Dim> = fc.oneof(
  fc.integer({ min: 0, max: 9 }),
  symbol,
  fc
    .tuple(fc.integer({ min: 1, max: 9 }), fc.array(symbol, { maxLength: 3 }))
    .map(([n, names]) => product([n, ...names])),
);
const shape = fc.array(dim, { maxLength: 5 });
const sizes = fc.record({
  B: fc.integer({ min: 1, max: 6 }),
  T: fc.integer({ min: 1, max: 6 }),
  S: fc.integer({ min: 1, max: 6 }),
  past: fc.integer({ min: 1, max: 6 }),
});

/** NumPy's rule, from the last axis on, for numbers alone. */
function broadcastNumbers(a: readonly number[], b: readonly number[]): number[] | undefined {
  const joint: number[] = [];
  for (let back = 1; back <= Math.max(a.length, b.length); back++) {
    const [left, right] = [a.at(-back) ?? 1, b.at(-back) ?? 1];
    if (back <= a.length && back <= b.length && left !== right && left !== 1 && right !== 1) return undefined;
    joint.unshift(left === 1 ? right : left);
  }
  return joint;
}

describe("a product", () => {
  it("has the value of its parts multiplied", () => {
    fc.assert(
      fc.property(shape, sizes, (dims, values) => {
        const expected = dims.reduce<number>((n, part) => n * evaluateDim(part, values), 1);
        expect(evaluateDim(product(dims), values)).toBe(expected);
      }),
    );
  });

  it("is canonical: order and grouping do not matter, and a second time changes nothing", () => {
    fc.assert(
      fc.property(shape, shape, (a, b) => {
        const whole = product([...a, ...b]);
        expect(product([...b, ...a].reverse())).toBe(whole);
        expect(product([product(a), product(b)])).toBe(whole);
        expect(product([whole])).toBe(whole);
      }),
    );
  });

  it("is equal only where the sizes are equal for all values", () => {
    // Distinct primes tell two products apart.
    const primes = { B: 11, T: 13, S: 17, past: 19 };
    fc.assert(
      fc.property(shape, shape, (a, b) => {
        const same = evaluateDim(product(a), primes) === evaluateDim(product(b), primes);
        expect(product(a) === product(b)).toBe(same);
      }),
    );
  });

  it("is a factor and sorted symbols", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 99 }),
        fc.array(symbol, { minLength: 1, maxLength: 4 }),
        (n, names) => {
          const whole = product([...names, n]);
          expect(factorOf(whole)).toBe(n);
          expect(symbolsOf(whole)).toEqual([...names].sort());
          expect(whole).toBe([...(n === 1 ? [] : [n]), ...[...names].sort()].join("*"));
        },
      ),
    );
  });

  it.each<readonly [readonly Dim[], Dim]>([
    [[], 1],
    [[2, 3], 6],
    [["T", 2, "B"], "2*B*T"],
    [["2*T", "3*B"], "6*B*T"],
    [["B", "B"], "B*B"],
    [["B", 0], 0],
    [["B", 1], "B"],
  ])("of %j is %s", (dims, expected) => {
    expect(product(dims)).toBe(expected);
  });
});

describe("a size", () => {
  it("is not a number as long as a symbol has no value", () => {
    expect(evaluateDim("2*B*T", { B: 3 })).toBeNaN();
    expect(evaluateDim("2*B*T", { B: 3, T: 5 })).toBe(30);
    expect(evaluateDim(7, {})).toBe(7);
    expect([symbolsOf(7), factorOf(7), factorOf("B")]).toEqual([[], 7, 1]);
  });
});

describe("shapes", () => {
  it("broadcast as NumPy does with values in place of symbols", () => {
    fc.assert(
      fc.property(shape, shape, sizes, (a, b, values) => {
        const joint = broadcastShapes(a, b);
        const numbers = (dims: readonly Dim[]) => dims.map((part) => evaluateDim(part, values));
        if (joint) expect(numbers(joint)).toEqual(broadcastNumbers(numbers(a), numbers(b)));
      }),
    );
  });

  it("of numbers broadcast where NumPy broadcasts, and nowhere else", () => {
    const numbers = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 4 });
    fc.assert(
      fc.property(numbers, numbers, (a, b) => {
        expect(broadcastShapes(a, b)).toEqual(broadcastNumbers(a, b));
      }),
    );
  });

  it("broadcast in any order and any grouping, to themselves with themselves", () => {
    fc.assert(
      fc.property(shape, shape, shape, (a, b, c) => {
        expect(broadcastShapes(a, a)).toEqual(a);
        expect(broadcastShapes(a, [])).toEqual(a);
        expect(broadcastShapes(b, a)).toEqual(broadcastShapes(a, b));
        const [ab, bc] = [broadcastShapes(a, b), broadcastShapes(b, c)];
        if (ab && bc) expect(broadcastShapes(ab, c)).toEqual(broadcastShapes(a, bc));
      }),
    );
  });

  it("do not broadcast across two symbols, or a symbol and a number other than 1", () => {
    expect(broadcastShapes(["B"], ["T"])).toBeUndefined();
    expect(broadcastShapes(["B"], [2])).toBeUndefined();
    expect(broadcastShapes(["B*T", 1], ["B", 3])).toBeUndefined();
    expect(broadcastShapes(["B", 1, 3], ["T", 1])).toEqual(["B", "T", 3]);
  });

  it("are the same by every axis, and print as in the documents", () => {
    expect(sameShape(["B", 2], ["B", 2])).toBe(true);
    expect(sameShape(["B", 2], ["B", 3])).toBe(false);
    expect(sameShape(["B", 2], ["B", 2, 1])).toBe(false);
    expect(sameShape(["B", 2, 1], ["B", 2])).toBe(false);
    expect(sameShape([2], ["2"])).toBe(false);
    expect(printShape(["B", "T", 2048])).toBe("[B,T,2048]");
    expect(printShape([])).toBe("[]");
  });
});
