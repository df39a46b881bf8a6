// Pieces of an answer -> what may be shown of them, with stop texts wherever the pieces are cut.
import fc from "fast-check";
import { expect, it } from "vitest";
import { createStopFilter } from "../../src/serve/stop.js";

it("shows all before the first stop text, however the answer is cut into pieces", () => {
  const letters = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 12 });
  const stop = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.array(letters, { maxLength: 6 }), fc.array(stop, { maxLength: 3 }), (pieces, stops) => {
      const filter = createStopFilter(stops);
      let shown = "";
      for (const piece of pieces) shown += filter.push(piece);
      shown += filter.rest();
      const text = pieces.join("");
      // The stop that is complete first ends the answer.
      const ends = stops.flatMap((one) => (text.includes(one) ? [text.indexOf(one) + one.length] : []));
      expect(filter.isStopped).toBe(ends.length > 0);
      if (ends.length === 0) expect(shown).toBe(text);
      else {
        expect(text.startsWith(shown)).toBe(true);
        expect(stops.some((one) => text.slice(shown.length).startsWith(one))).toBe(true);
        for (const one of stops) expect(shown.includes(one)).toBe(false);
      }
    }),
    { numRuns: 2000 },
  );
});

it("holds back no more than what may be the start of a stop text", () => {
  const filter = createStopFilter(["\n\n", "END"]);
  expect([
    filter.push("one\n"),
    filter.push("two E"),
    filter.push("x"),
    filter.push("EN"),
    filter.rest(),
  ]).toEqual(["one", "\ntwo ", "Ex", "", "EN"]);
});
