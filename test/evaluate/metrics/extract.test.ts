// Answers as models write them -> the part that counts, and the label that is meant.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { extractors, matchLabel, regexExtractor } from "../../../src/evaluate/metrics/extract.js";

describe("extractors", () => {
  it.each([
    ["Yes, because it is.", "Yes"],
    ["  **No**\nmore", "No"],
    ["- (B) is right", "B"],
    ["-5 degrees", "-5"],
    ["don't", "don't"],
    ["", ""],
    ["... !", ""],
  ])("first word of %j is %j", (answer, word) => {
    expect(extractors.first_word(answer)).toBe(word);
  });

  it.each([
    ["The answer is 18.", "18"],
    ["#### 1,080", "1080"],
    ["from 3 to 12,345,678.50 dollars", "12345678.5"],
    ["1,2,3", "3"],
    ["it is -7", "-7"],
    ["it is \u22127.0%", "-7"],
    ["3-5", "5"],
    ["(2)-1", "1"],
    ["$5", "5"],
    ["-$5.10", "-5.1"],
    ["-0.0", "0"],
    ["007", "7"],
    [".25", "0.25"],
    ["1e3", "1000"],
    ["2.5E-3 m", "0.0025"],
    ["18 eggs", "18"],
    ["12345678901234567890", "12345678901234567890"],
    ["no number", ""],
    ["", ""],
    ["100", "100"],
  ])("last number of %j is %j", (answer, number) => {
    expect(extractors.last_number(answer)).toBe(number);
  });

  it("first line, whole, regex", () => {
    expect(extractors.first_line("\n  \r\n  Paris \nFrance")).toBe("Paris");
    expect(extractors.first_line("")).toBe("");
    expect(extractors.whole(" a b\n")).toBe("a b");
    expect(regexExtractor("answer is (\\w+)")("The answer is blue.")).toBe("blue");
    expect(regexExtractor("\\d+")("a 12 b 13")).toBe("12");
    expect(regexExtractor("(a)|b")("b")).toBe("");
    expect(regexExtractor("x")("y")).toBe("");
    expect(() => regexExtractor("(")).toThrow(/"\(" is no regular expression/);
    const global = regexExtractor(/a(.)/gi);
    expect([global("Ab"), global("Ab")]).toEqual(["b", "b"]);
  });
});

describe("labels", () => {
  it.each([
    ["yes", "Yes"],
    [" YES. ", "Yes"],
    ["**No**", "No"],
    ["“no”!", "No"],
    ["maybe", undefined],
    ["", undefined],
    ["yes no", undefined],
  ])("%j means %j", (answer, label) => {
    expect(matchLabel(answer, ["Yes", "No"])).toBe(label);
  });

  it("trims no more than it must", () => {
    expect(matchLabel("C++.", ["C", "C++"])).toBe("C");
    expect(matchLabel("c++", ["C", "C++"])).toBe("C++");
    expect(matchLabel("-5.", ["-5", "5"])).toBe("-5");
    expect(matchLabel("(-5)", ["5"])).toBeUndefined();
    expect(matchLabel("B", ["(A)", "(B)"])).toBe("(B)");
    expect(matchLabel("x", ["(x)", "[x]"])).toBeUndefined();
  });

  it("knows the same number in another form", () => {
    expect(matchLabel("1,080", ["1080.0", "7"])).toBe("1080.0");
    expect(matchLabel("+7", ["1080", "7"])).toBe("7");
  });

  it("refuses labels that are the same", () => {
    expect(() => matchLabel("a", ["Yes", "yes "])).toThrow(/cannot be told apart/);
  });

  it("finds each label in any case and between marks; never anything but a label", () => {
    const labels = ["entailment", "neutral", "contradiction", "18", "-3"];
    const marks = fc.string({ unit: fc.constantFrom(" ", "!", '"', "*", "\n", "。"), maxLength: 4 });
    fc.assert(
      fc.property(fc.constantFrom(...labels), marks, marks, (label, before, after) => {
        expect(matchLabel(before + label.toUpperCase() + after, labels)).toBe(label);
      }),
    );
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (answer) => {
        const found = matchLabel(answer, labels);
        expect(found === undefined || labels.includes(found)).toBe(true);
        for (const extract of Object.values(extractors)) expect(typeof extract(answer)).toBe("string");
        const number = extractors.last_number(answer);
        expect(extractors.last_number(number)).toBe(number);
      }),
    );
  });

  it("takes linear time on runs of marks", () => {
    expect(extractors.first_word(`${"!".repeat(200_000)}x`)).toBe("x");
    expect(extractors.last_number(`${"-".repeat(200_000)}1`)).toBe("-1");
  });
});
