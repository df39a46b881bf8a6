// Labels and tokens, true and predicted -> the same scores as scikit-learn's.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PhinetuneError } from "../../../src/errors.js";
import {
  classificationOfCounts,
  classificationScores,
  classificationStatistics,
  confusionMatrix,
} from "../../../src/evaluate/metrics/classification.js";
import {
  countNextTokens,
  createNextTokenCounts,
  nextTokenOfCounts,
  nextTokenScores,
  nextTokenStatistics,
} from "../../../src/evaluate/metrics/next_token.js";
import { sumRows } from "../../../src/evaluate/metrics/statistics.js";
import { DIGITS, goldens } from "./goldens.js";

const three = ({ precision, recall, f1 }: { precision: number; recall: number; f1: number }) => [
  precision,
  recall,
  f1,
];

function expectClose(actual: readonly number[], expected: readonly number[]): void {
  expect(actual.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) expect(actual[i]).toBeCloseTo(value, DIGITS);
}

describe("classification", () => {
  it.each(goldens("classification").map((golden) => [golden.K, golden] as const))(
    "of %i labels equals scikit-learn's",
    (K, { actual, predicted, accuracy, macro, weighted, per_class, confusion }) => {
      const labels = Array.from({ length: K }, (_, k) => `label ${k}`);
      const truths = actual.map((k) => labels[k]!);
      const guesses = predicted.map((k) => labels[k]);
      const matrix = confusionMatrix(labels, truths, guesses);
      expect(matrix.counts).toEqual(confusion);
      const scores = classificationScores(matrix);
      expect(scores.accuracy).toBeCloseTo(accuracy, DIGITS);
      expectClose(three(scores.macro), macro);
      expectClose(three(scores.weighted), weighted);
      for (const [i, part] of (["precision", "recall", "f1"] as const).entries())
        expectClose(
          scores.perClass.map((report) => report[part]),
          per_class[i]!,
        );
      const { perClass: _, ...averages } = scores;
      expect(classificationOfCounts(sumRows(classificationStatistics(labels, truths, guesses)))).toEqual(
        averages,
      );
    },
  );

  it("counts a label of the empty text apart from no label", () => {
    expect(confusionMatrix(["", "x"], ["", "x"], ["", undefined]).counts).toEqual([
      [1, 0, 0],
      [0, 0, 1],
    ]);
  });

  it("refuses a truth that is no label", () => {
    expect(() => confusionMatrix(["a"], ["a", "b"], ["a", "a"])).toThrow(
      /"b" is none of the 1 labels · row 2/,
    );
    expect(() => confusionMatrix(["a"], ["a"], [])).toThrow(PhinetuneError);
  });

  it("names of labels and order of rows make no difference; right answers score 1", () => {
    const label = fc.constantFrom("a", "b", "c");
    const rows = fc.array(fc.tuple(label, fc.option(label, { nil: undefined })), { minLength: 1 });
    const scoresOf = (labels: string[], list: readonly (readonly [string, string | undefined])[]) =>
      classificationScores(
        confusionMatrix(
          labels,
          list.map(([truth]) => truth),
          list.map(([, guess]) => guess),
        ),
      );
    fc.assert(
      fc.property(rows, (list) => {
        const scores = scoresOf(["a", "b", "c"], list);
        const turned = scoresOf(["c", "a", "b"], [...list].reverse());
        expectClose(three(turned.macro), three(scores.macro));
        expect(turned.accuracy).toBe(scores.accuracy);
        expect(scores.weighted.recall).toBeCloseTo(scores.accuracy, 12);
        const perfect = scoresOf(
          ["a", "b", "c"],
          list.map(([truth]) => [truth, truth]),
        );
        expect(perfect.accuracy).toBe(1);
        expectClose([...three(perfect.macro), ...three(perfect.weighted)], [1, 1, 1, 1, 1, 1]);
      }),
    );
  });
});

describe("next token", () => {
  it.each(goldens("next_token").map((golden) => [golden.V, golden] as const))(
    "over a vocabulary of %i equals scikit-learn's, whole, in batches and in rows",
    (V, { actual, predicted, accuracy, macro }) => {
      const expected = [accuracy, ...macro];
      const counts = createNextTokenCounts(V);
      const rows: { predicted: Int32Array; actual: readonly number[] }[] = [];
      for (let i = 0; i < actual.length; i += 7) {
        const row = { predicted: Int32Array.from(predicted.slice(i, i + 7)), actual: actual.slice(i, i + 7) };
        rows.push(row);
        countNextTokens(counts, row.predicted, row.actual);
      }
      expectClose(Object.values(nextTokenScores(counts)), expected);
      expectClose(Object.values(nextTokenOfCounts(sumRows(nextTokenStatistics(rows)))), expected);
      const uint32 = {
        truePositives: new Uint32Array(V),
        predicted: new Uint32Array(V),
        actual: new Uint32Array(V),
      };
      countNextTokens(uint32, BigInt64Array.from(predicted, BigInt), BigInt64Array.from(actual, BigInt));
      expectClose(Object.values(nextTokenScores(uint32)), expected);
    },
  );

  it("scores nothing as 0", () => {
    expect(Object.values(nextTokenScores(createNextTokenCounts(5)))).toEqual([0, 0, 0, 0]);
  });

  it("refuses ids outside the vocabulary and unequal lengths", () => {
    const counts = createNextTokenCounts(5);
    expect(() => countNextTokens(counts, [1, 2], [1, -100])).toThrow(
      /token id -100 is outside the vocabulary of 5 · position 1/,
    );
    expect(() => countNextTokens(counts, [5], [1])).toThrow(/token id 5 /);
    expect(() => countNextTokens(counts, [1], [1, 2])).toThrow(/1 predictions, but 2 tokens/);
  });
});
