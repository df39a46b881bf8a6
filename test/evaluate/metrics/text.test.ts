// Pairs of texts -> the same scores as sacrebleu, torchmetrics and SQuAD's script, and what must hold of any pair.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  bleuOfCounts,
  bleuStatistics,
  bleuWords,
  corpusBleu,
  sentenceBleu,
} from "../../../src/evaluate/metrics/bleu.js";
import {
  chrfOfCounts,
  chrfStatistics,
  corpusChrf,
  sentenceChrf,
} from "../../../src/evaluate/metrics/chrf.js";
import {
  exactMatch,
  normalizeAnswer,
  normalizedExactMatch,
} from "../../../src/evaluate/metrics/exact_match.js";
import { meanScores } from "../../../src/evaluate/metrics/overlap.js";
import { rougeScores, rougeWords } from "../../../src/evaluate/metrics/rouge.js";
import { squadScores } from "../../../src/evaluate/metrics/squad.js";
import { denseStatistics, sumRows } from "../../../src/evaluate/metrics/statistics.js";
import { DIGITS, goldens } from "./goldens.js";

const pairs = goldens("pair");
const corpora = goldens("corpus");

const named = pairs.map((golden) => [JSON.stringify(golden.answer).slice(0, 40), golden] as const);

describe("as the Python libraries", () => {
  it("has goldens", () => {
    expect(pairs.length).toBeGreaterThan(60);
    expect(corpora.length).toBeGreaterThan(10);
  });

  it.each(named)("SQuAD: %s", (_, { answer, reference, squad }) => {
    const scores = squadScores(answer, reference);
    expect(normalizedExactMatch(answer, reference)).toBe(squad.exact);
    for (const part of ["precision", "recall", "f1"] as const)
      expect(scores[part], part).toBeCloseTo(squad[part], DIGITS);
  });

  it.each(named)("ROUGE: %s", (_, { answer, reference, rouge }) => {
    const scores = rougeScores(answer, reference);
    for (const kind of ["rouge1", "rouge2", "rougeL"] as const) {
      const [precision, recall, f1] = rouge[kind];
      expect(scores[kind].precision, kind).toBeCloseTo(precision, DIGITS);
      expect(scores[kind].recall, kind).toBeCloseTo(recall, DIGITS);
      expect(scores[kind].f1, kind).toBeCloseTo(f1, DIGITS);
    }
  });

  it.each(named)("BLEU and chrF: %s", (_, { answer, reference, bleu, bleu_words, chrf }) => {
    expect(bleuWords(answer)).toEqual(bleu_words);
    expect(sentenceBleu(answer, reference)).toBeCloseTo(bleu, DIGITS);
    expect(sentenceChrf(answer, reference)).toBeCloseTo(chrf, DIGITS);
  });

  it.each(corpora.map((golden) => [golden.rows.length, golden] as const))(
    "corpus BLEU and chrF of %i rows, drawn with replacement",
    (_, { rows, bleu, chrf }) => {
      const drawn = rows.map((row) => pairs[row]!);
      const answers = drawn.map(({ answer }) => answer);
      const references = drawn.map(({ reference }) => reference);
      expect(corpusBleu(answers, references)).toBeCloseTo(bleu, DIGITS);
      expect(corpusChrf(answers, references)).toBeCloseTo(chrf, DIGITS);
      // The same by weights of rows, as the bootstrap does it.
      const weights = pairs.map((__, row) => rows.filter((r) => r === row).length);
      const bleuRows = denseStatistics(
        10,
        pairs.map((pair) => bleuStatistics(pair.answer, pair.reference)),
      );
      const chrfRows = denseStatistics(
        18,
        pairs.map((pair) => chrfStatistics(pair.answer, pair.reference)),
      );
      expect(bleuOfCounts(sumRows(bleuRows, weights))).toBeCloseTo(bleu, DIGITS);
      expect(chrfOfCounts(sumRows(chrfRows, weights))).toBeCloseTo(chrf, DIGITS);
    },
  );
});

describe("definitions", () => {
  it("exact match trims, but minds case", () => {
    expect(exactMatch(" Yes\n", "Yes")).toBe(1);
    expect(exactMatch("yes", "Yes")).toBe(0);
    expect(normalizedExactMatch("the Yes!", "yes")).toBe(1);
    expect(normalizeAnswer("The  Cat_sat, on A mat.")).toBe("catsat on mat");
  });

  it("ROUGE knows only a–z and 0–9", () => {
    expect(rougeWords("Café n°5: 東京-Tokyo_2020 \u212am")).toEqual(["caf", "n", "5", "tokyo", "2020", "km"]);
  });

  it("takes linear time on runs of spaces", () => {
    const text = `a${" ".repeat(200_000)}b`;
    expect(exactMatch(text, text)).toBe(1);
    expect(bleuWords(text)).toEqual(["a", "b"]);
  });

  it("means over rows", () => {
    expect(meanScores([squadScores("x", "x"), squadScores("x y", "x")])).toEqual({
      precision: 0.75,
      recall: 1,
      f1: (1 + 2 / 3) / 2,
    });
    expect(meanScores([])).toEqual({ precision: 0, recall: 0, f1: 0 });
  });
});

const word = fc.constantFrom("red", "Green", "blue.", "the", "42", "1,000", "é", "x-y", "東京", "👍");
const text = fc.oneof(
  fc.array(word, { maxLength: 12 }).map((words) => words.join(" ")),
  fc.string({ unit: "grapheme", maxLength: 30 }),
);

describe("of any pair", () => {
  it("lies in the stated range", () => {
    fc.assert(
      fc.property(text, text, (answer, reference) => {
        const { rouge1, rouge2, rougeL } = rougeScores(answer, reference);
        const shares = [rouge1, rouge2, rougeL, squadScores(answer, reference)].flatMap((s) => [
          s.precision,
          s.recall,
          s.f1,
        ]);
        for (const score of shares) expect(score >= 0 && score <= 1).toBe(true);
        for (const score of [sentenceBleu(answer, reference), sentenceChrf(answer, reference)])
          expect(score >= 0 && score <= 100 + 1e-9).toBe(true);
      }),
    );
  });

  it("swapping the texts swaps precision and recall", () => {
    fc.assert(
      fc.property(text, text, (a, b) => {
        const both = [
          [squadScores(a, b), squadScores(b, a)],
          [rougeScores(a, b).rouge2, rougeScores(b, a).rouge2],
          [rougeScores(a, b).rougeL, rougeScores(b, a).rougeL],
        ] as const;
        for (const [there, back] of both) {
          expect(there.precision).toBe(back.recall);
          expect(there.f1).toBeCloseTo(back.f1, 12);
        }
        expect(exactMatch(a, b)).toBe(exactMatch(b, a));
        expect(normalizedExactMatch(a, b)).toBe(normalizedExactMatch(b, a));
      }),
    );
  });

  it("a perfect answer scores highest, where the text has what is counted", () => {
    fc.assert(
      fc.property(text, (a) => {
        expect(exactMatch(a, a)).toBe(1);
        expect(squadScores(a, a)).toEqual({ precision: 1, recall: 1, f1: 1 });
        if (rougeWords(a).length > 0) expect(rougeScores(a, a).rougeL.f1).toBe(1);
        if (bleuWords(a).length > 0) expect(sentenceBleu(a, a)).toBeCloseTo(100, 9);
        if (a.trim() !== "") expect(sentenceChrf(a, a)).toBeCloseTo(100, 9);
      }),
    );
  });

  it("ROUGE-L is never above ROUGE-1; SQuAD minds no order of words", () => {
    fc.assert(
      fc.property(fc.array(word), fc.array(word), (a, b) => {
        const [answer, reference] = [a.join(" "), b.join(" ")];
        const { rouge1, rougeL } = rougeScores(answer, reference);
        expect(rougeL.f1).toBeLessThanOrEqual(rouge1.f1);
        expect(squadScores([...a].reverse().join(" "), reference)).toEqual(squadScores(answer, reference));
      }),
    );
  });

  it("a corpus minds no order of rows", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text), { minLength: 1, maxLength: 8 }), (rows) => {
        const score = (list: typeof rows) => [
          corpusBleu(
            list.map(([answer]) => answer),
            list.map(([, reference]) => reference),
          ),
          corpusChrf(
            list.map(([answer]) => answer),
            list.map(([, reference]) => reference),
          ),
        ];
        expect(score([...rows].reverse())).toEqual(score(rows));
      }),
    );
  });
});
