// Numbers -> the short texts that a person reads.
import type { PackingFigures } from "../data/batches.js";

/** `4,096` */
export function count(n: number): string {
  return Math.round(n)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ",");
}

/** `12 s`, `2 min 5 s`, `1 h 3 min`; below ten seconds with one decimal. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.round(seconds / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** `812 MB`, `1.2 GB`: decimal units. */
export function bytes(n: number): string {
  if (n < 1e6) return `${(n / 1e3).toFixed(0)} kB`;
  return n < 1e9 ? `${(n / 1e6).toFixed(0)} MB` : `${(n / 1e9).toFixed(1)} GB`;
}

/** Four decimals, as losses are compared. */
export function loss(value: number): string {
  return value.toFixed(4);
}

/** `63.9 %`; 0 of 0 is 0. */
export function share(part: number, whole: number): string {
  return `${whole === 0 ? "0.0" : ((100 * part) / whole).toFixed(1)} %`;
}

/** `131 sequences of at most 1,024 tokens; 0.4 % of the tokens in batches is padding, without packing 3.1 %` */
export function packingText({ sequences, limit, padding, unpacked }: PackingFigures): string {
  return `${plural(sequences, "sequence")} of at most ${count(limit)} tokens; ${share(padding, 1)} of the tokens in batches is padding, without packing ${share(unpacked, 1)}`;
}

/** `1 row`, `2 rows` */
export function plural(n: number, noun: string): string {
  return `${count(n)} ${noun}${n === 1 ? "" : "s"}`;
}
