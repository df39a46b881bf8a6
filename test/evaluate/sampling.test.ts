// Sampling: the order and the meaning of transformers' processors, and the statistics of what is drawn.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chooseToken, greedy, type SamplingOptions } from "../../src/evaluate/sampling.js";
import { createRandom } from "../../src/random.js";

const logits = Float32Array.of(1, 3, 2, -1, 0.5);

/** Shares of the tokens over many draws. */
function shares(
  scores: Float32Array,
  options: Partial<SamplingOptions>,
  seen: readonly number[] = [],
  draws = 20_000,
): number[] {
  const random = createRandom(1, JSON.stringify(options));
  const counts = [...scores].map(() => 0);
  for (let i = 0; i < draws; i++)
    counts[chooseToken(scores, seen, { ...greedy, temperature: 1, ...options }, random)]!++;
  return counts.map((count) => count / draws);
}

function softmax(scores: readonly number[]): number[] {
  const weights = scores.map(Math.exp);
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / total);
}

function expectShares(got: readonly number[], wanted: readonly number[]): void {
  for (const [i, p] of wanted.entries())
    expect(Math.abs(got[i]! - p), `token ${i}`).toBeLessThan(5 * Math.sqrt((p * (1 - p)) / 20_000) + 1e-9);
}

describe("a token", () => {
  it("is the most probable one when greedy, the first of equals", () => {
    expect(chooseToken(logits, [], greedy, createRandom(0))).toBe(1);
    expect(chooseToken(Float32Array.of(2, 5, 5), [], greedy, createRandom(0))).toBe(1);
  });
  it("is drawn with its probability at temperature 1, and at others", () => {
    expectShares(shares(logits, {}), softmax([...logits]));
    expectShares(shares(logits, { temperature: 0.5 }), softmax([...logits].map((x) => x / 0.5)));
  });
  it("is one of the k most probable", () => {
    const [a, b] = softmax([3, 2]);
    expectShares(shares(logits, { topK: 2 }), [0, a!, b!, 0, 0]);
  });
  it("is one of the fewest that reach the share p", () => {
    // Probabilities of 3, 2 and 1 are 0.64, 0.23, 0.09: two reach 0.8, three reach 0.9.
    const [a, b] = softmax([3, 2]);
    expectShares(shares(logits, { topP: 0.8 }), [0, a!, b!, 0, 0]);
    const [c, d, e] = softmax([3, 2, 1]);
    expectShares(shares(logits, { topP: 0.9 }), [e!, c!, d!, 0, 0]);
    expectShares(shares(logits, { topP: 1e-9 }), [0, 1, 0, 0, 0]);
  });
  it("seen before is made less probable by the penalty, whatever its sign", () => {
    expect(chooseToken(logits, [1, 1], { ...greedy, repetitionPenalty: 2 }, createRandom(0))).toBe(2);
    expectShares(shares(logits, { repetitionPenalty: 2 }, [1, 3]), softmax([1, 1.5, 2, -2, 0.5]));
    expect([...logits]).toEqual([1, 3, 2, -1, 0.5]);
  });
  it("depends on nothing but the seed", () => {
    const draw = (seed: number) =>
      Array.from({ length: 20 }, () => 0).map(
        (
          (random) => () =>
            chooseToken(logits, [], { ...greedy, temperature: 1 }, random)
        )(createRandom(seed)),
      );
    expect(draw(3)).toEqual(draw(3));
    expect(draw(3)).not.toEqual(draw(4));
  });
  it("is always a token of the vocabulary", () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ noNaN: true, min: Math.fround(-1e30), max: Math.fround(1e30) }), {
          minLength: 1,
          maxLength: 40,
        }),
        fc.record({
          temperature: fc.double({ min: 0, max: 10, noNaN: true }),
          topK: fc.nat(50),
          topP: fc.double({ min: 0, max: 1, noNaN: true }),
          repetitionPenalty: fc.double({ min: 0.5, max: 3, noNaN: true }),
        }),
        (scores, options) => {
          const id = chooseToken(Float32Array.from(scores), [0], options, createRandom(1));
          expect(Number.isInteger(id) && id >= 0 && id < scores.length).toBe(true);
        },
      ),
    );
  });
});
