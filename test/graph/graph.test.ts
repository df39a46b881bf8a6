// Values -> a graph: equal work merged, names unique, symbols known, sizes multiplied.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  broadcastShapes,
  type Dim,
  evaluateDim,
  product,
  sameShape,
  symbolsOf,
} from "../../src/graph/dims.js";
import { createGraph, printGraph } from "../../src/graph/graph.js";
import { add, cast, mul, mulByScalar, range, reshape } from "../../src/graph/ops.js";
import { atPath, input, inScope } from "../../src/graph/value.js";
import { createSession } from "../../src/runtime/session.js";

describe("a graph", () => {
  it("does equal work once, and names each value after its path", () => {
    const x = input("x", "float32", ["B", 3]);
    const twice = () => atPath("model.layers.0", () => inScope("mlp", () => mulByScalar(x, 2)));
    const y = add(mul(twice(), twice()), twice());
    expect(printGraph(createGraph({ y }))).toMatchInlineSnapshot(`
      "input x: float32[B,3]
      model.layers.0/mlp/scale: float32[B,3] = scale(x) {"factor":2}
      mul: float32[B,3] = mul(model.layers.0/mlp/scale, model.layers.0/mlp/scale)
      y: float32[B,3] = add(mul, model.layers.0/mlp/scale)
      return y = y"
    `);
  });

  it("keeps work with other attributes or operands apart", () => {
    const x = input("x", "float32", [3]);
    const { steps } = createGraph({ a: mulByScalar(x, 2), b: mulByScalar(x, 3), c: mulByScalar(x, 2) });
    expect(steps).toHaveLength(2);
  });

  it("refuses two leaves of one name, and a size that no input shows", () => {
    const one = input("x", "float32", [3]);
    const other = input("x", "int64", [3]);
    expect(() => createGraph({ y: add(one, cast(other, "float32")), z: one })).toThrow();
    expect(() => createGraph({ y: add(one, cast(range("T"), "float32")) })).toThrow();
  });

  it("serves every batch and length by one session", async () => {
    const x = input("x", "float32", ["B", "T", 2]);
    const session = await createSession(createGraph({ y: mulByScalar(reshape(x, ["B*T", 2]), 2) }), {
      numThreads: 1,
    });
    for (const [B, T] of [
      [1, 1],
      [3, 5],
      [2, 4],
    ] as const) {
      const data = Float32Array.from({ length: B * T * 2 }, (_, i) => i);
      const { y } = await session.run({ x: { dims: [B, T, 2], data } });
      expect(y!.dims).toEqual([B * T, 2]);
      expect(y!.data).toEqual(data.map((value) => 2 * value));
    }
    await expect(session.run({ x: { dims: [2, 2], data: new Float32Array(4) } })).rejects.toThrow(
      /input x has dims \[2,2\]/,
    );
    await session.release();
  });
});

describe("sizes", () => {
  const symbol = fc.constantFrom("B", "T", "S", "M");
  const dim: fc.Arbitrary<Dim> = fc.oneof(
    fc.integer({ min: 1, max: 9 }),
    symbol,
    fc.tuple(symbol, symbol).map(([a, b]) => product([a, b])),
  );
  const values = { B: 2, T: 3, S: 5, M: 7 };

  it("multiply in any order to the same canonical product", () => {
    fc.assert(
      fc.property(fc.array(dim, { maxLength: 4 }), fc.integer(), (dims, seed) => {
        const shuffled = [...dims].sort((a, b) => (String(a) + seed < String(b) + seed ? 1 : -1));
        const whole = product(dims);
        expect(product(shuffled)).toBe(whole);
        expect(evaluateDim(whole, values)).toBe(dims.reduce<number>((n, d) => n * evaluateDim(d, values), 1));
        expect(symbolsOf(whole)).toEqual([...symbolsOf(whole)].sort());
      }),
    );
  });

  it("broadcast alike from both sides, and to a shape that both fit", () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(dim, fc.constant(1)), { maxLength: 3 }),
        fc.array(fc.oneof(dim, fc.constant(1)), { maxLength: 3 }),
        (a, b) => {
          const joint = broadcastShapes(a, b);
          expect(broadcastShapes(b, a)).toEqual(joint);
          if (joint) {
            expect(sameShape(broadcastShapes(a, joint)!, joint)).toBe(true);
            expect(sameShape(broadcastShapes(b, joint)!, joint)).toBe(true);
          }
        },
      ),
    );
    expect(broadcastShapes(["B", 3], ["T", 3])).toBeUndefined();
  });
});
