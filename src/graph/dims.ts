// Sizes of axes: a number, or a product of symbols that are known only when the graph runs ("B", "B*T", "2*T").

/** One axis: a static size, or a canonical product of an optional factor and symbols. */
export type Dim = number | string;

interface Product {
  readonly factor: number;
  readonly symbols: readonly string[];
}

function parse(dim: Dim): Product {
  if (typeof dim === "number") return { factor: dim, symbols: [] };
  let factor = 1;
  const symbols: string[] = [];
  for (const part of dim.split("*")) {
    if (/^\d+$/.test(part)) factor *= Number(part);
    else symbols.push(part);
  }
  return { factor, symbols: symbols.sort() };
}

function print({ factor, symbols }: Product): Dim {
  if (symbols.length === 0 || factor === 0) return factor;
  return (factor === 1 ? symbols : [String(factor), ...symbols]).join("*");
}

/** Product of sizes, in canonical form: `product(["T", 2, "B"])` is `"2*B*T"`. */
export function product(dims: readonly Dim[]): Dim {
  const parts = dims.map(parse);
  return print({
    factor: parts.reduce((factor, part) => factor * part.factor, 1),
    symbols: parts.flatMap((part) => part.symbols).sort(),
  });
}

/** The symbols of a size: `["B", "T"]` for `"2*B*T"`. */
export function symbolsOf(dim: Dim): readonly string[] {
  return parse(dim).symbols;
}

/** The static factor of a size: 2 for `"2*B*T"`. */
export function factorOf(dim: Dim): number {
  return parse(dim).factor;
}

/** Whether two shapes are the same for every value of their symbols. */
export function sameShape(a: readonly Dim[], b: readonly Dim[]): boolean {
  return a.length === b.length && a.every((dim, axis) => dim === b[axis]);
}

/** NumPy broadcasting of two shapes; undefined when they do not fit. */
export function broadcastShapes(a: readonly Dim[], b: readonly Dim[]): readonly Dim[] | undefined {
  const rank = Math.max(a.length, b.length);
  const shape: Dim[] = [];
  for (let axis = 0; axis < rank; axis++) {
    const left = a[axis - rank + a.length] ?? 1;
    const right = b[axis - rank + b.length] ?? 1;
    if (left !== right && left !== 1 && right !== 1) return undefined;
    shape.push(left === 1 ? right : left);
  }
  return shape;
}

/** `[B,T,2048]`. */
export function printShape(shape: readonly Dim[]): string {
  return `[${shape.join(",")}]`;
}

/** The size that a dim has for given values of the symbols. */
export function evaluateDim(dim: Dim, symbols: Readonly<Record<string, number>>): number {
  const { factor, symbols: names } = parse(dim);
  return names.reduce((size, name) => size * (symbols[name] ?? Number.NaN), factor);
}
