// `train[:10%]+test` -> which rows of which split, with the arithmetic of Python's datasets.
// Source: https://github.com/huggingface/datasets/blob/main/src/datasets/arrow_reader.py (ReadInstruction)
import { type Fault, fail, failIfAny } from "../errors.js";

/** A part of a split. Bounds are undefined where they were left out, and negative where they count from the end. */
export interface Slice {
  readonly split: string;
  readonly from: number | undefined;
  readonly to: number | undefined;
  readonly unit: "%" | "rows";
  readonly rounding: "closest" | "pct1_dropremainder";
}

const PART =
  /^(?<split>[\p{L}\p{N}_]+(?:\.[\p{L}\p{N}_]+)*)(?:\[(?:(?<from>-?\d+(?:_\d+)*)(?<fromPercent>%)?)?:(?:(?<to>-?\d+(?:_\d+)*)(?<toPercent>%)?)?\])?(?:\((?<rounding>[^)]*)\))?$/u;

const FORMS = "write train, train[:100], train[10%:20%], train[-5%:] or train+test";

/** @throws of code `usage` with every part that cannot be read */
export function parseSplit(text: string): readonly Slice[] {
  const faults: Fault[] = [];
  const refuse = (what: string, fix = FORMS) => void faults.push({ code: "usage", what, fix });
  const slices: Slice[] = [];
  for (const part of text.trim().split(/\s*\+\s*/)) {
    const groups = PART.exec(part)?.groups;
    if (!groups) {
      refuse(`${JSON.stringify(part)} names no part of a split`);
      continue;
    }
    const { rounding = "" } = groups;
    const unit = groups.fromPercent || groups.toPercent ? "%" : "rows";
    const bound = (digits: string | undefined) =>
      digits === undefined ? undefined : Number(digits.replaceAll("_", ""));
    const [from, to] = [bound(groups.from), bound(groups.to)];
    if (groups.rounding !== undefined && rounding !== "closest" && rounding !== "pct1_dropremainder")
      refuse(`${JSON.stringify(rounding)} is no rounding`, "write closest or pct1_dropremainder");
    else if (groups.rounding !== undefined && unit === "rows")
      refuse(`${part} names a rounding, but no percents`);
    for (const value of [from, to])
      if (unit === "%" && value !== undefined && Math.abs(value) > 100)
        refuse(`${value} % lies outside of a split`, "percents go from -100 to 100");
    slices.push({
      split: groups.split!,
      from,
      to,
      unit,
      rounding: rounding === "pct1_dropremainder" ? rounding : "closest",
    });
  }
  const first = slices[0];
  if (
    slices.some(({ unit, rounding }) => first!.unit === "%" && unit === "%" && rounding !== first!.rounding)
  )
    refuse("parts of a split cannot be rounded in different ways");
  failIfAny(faults);
  return slices;
}

/** The rows of a slice, of a split of `n` rows: from the first, counted from 0, up to the last, which is left out. */
export function rangeOf({ split, from, to, unit, rounding }: Slice, n: number): readonly [number, number] {
  const toRows = (bound: number) => {
    if (unit === "rows") return bound;
    if (rounding === "closest") return roundHalfEven((bound * n) / 100);
    if (n < 100)
      fail("usage", `split ${split} has ${n} rows, of which pct1_dropremainder makes no percents`, {
        fix: "leave the rounding out, or give rows: [:10]",
      });
    return bound * Math.trunc(n / 100);
  };
  // Adding 0 makes 0 of -0, which rounding can give.
  const place = (bound: number) => Math.min(bound < 0 ? Math.max(n + bound, 0) : bound, n) + 0;
  return [from === undefined ? 0 : place(toRows(from)), to === undefined ? n : place(toRows(to))];
}

/** As Python's round. */
function roundHalfEven(x: number): number {
  const floor = Math.floor(x);
  if (x - floor !== 0.5) return Math.round(x);
  return floor % 2 === 0 ? floor : floor + 1;
}
