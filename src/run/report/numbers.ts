// A number -> how the report writes it.

/** `12,345`, or up to two decimals for what is not whole. */
export function count(value: number): string {
  return value.toLocaleString("en-US", { maximumFractionDigits: 2 });
}

/** Four digits, without an exponent where that is short. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return "not finite";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return value.toExponential(2);
  return size >= 1000 ? count(Math.round(value)) : value.toPrecision(4).replace(/^(-?\d+)\.0+$/, "$1");
}

/** A metric: three decimals, fewer for what is large, more for what would be lost. */
export function score(value: number): string {
  if (!Number.isFinite(value)) return "not finite";
  const size = Math.abs(value);
  if (size >= 1000) return count(Math.round(value));
  if (size > 0 && size < 5e-4) return value.toPrecision(1);
  return value.toFixed(size >= 100 ? 1 : size >= 10 ? 2 : 3);
}

/** With its sign, unless it is 0. */
export function signed(value: number, show: (size: number) => string = score): string {
  const text = show(Math.abs(value));
  return Number(text) === 0 ? text : `${value < 0 ? "−" : "+"}${text}`;
}

export function percent(share: number): string {
  return `${(100 * share).toLocaleString("en-US", { maximumFractionDigits: share > 0 && share < 0.1 ? 2 : 1 })} %`;
}

export function bytes(size: number): string {
  return size >= 1e9 ? `${(size / 1e9).toFixed(2)} GB` : `${(size / 1e6).toFixed(0)} MB`;
}

/** `3 h 12 min`, `4 min 10 s`, `12.3 s`. */
export function duration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const [big, small, of] = seconds < 3600 ? ["min", "s", 60] : ["h", "min", 3600];
  const whole = Math.floor(seconds / of);
  return `${whole} ${big} ${Math.floor((seconds - whole * of) / (of / 60))} ${small}`;
}

export function plural(number: number, noun: string): string {
  return `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
}
