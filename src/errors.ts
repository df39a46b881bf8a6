// What went wrong, as data: every failure of phinetune is one PhinetuneError that lists one or more faults.

/** The kind of a fault. `usage` means that the command line or an option is wrong (exit code 2). */
export type FaultCode =
  | "usage"
  | "file"
  | "format"
  | "config"
  | "weights"
  | "tokenizer"
  | "data"
  | "adapter"
  | "graph"
  | "runtime"
  | "memory"
  | "training"
  | "checkpoint"
  | "hub"
  | "interrupted";

/** One fault: what happened with its numbers, where, and what to do about it. */
export interface Fault {
  readonly code: FaultCode;
  /** What happened, with the numbers that show it. */
  readonly what: string;
  /** Path, line, tensor or option concerned. */
  readonly where?: string | undefined;
  /** What the user can do. */
  readonly fix?: string | undefined;
}

/** The only error class that phinetune throws on purpose. */
export class PhinetuneError extends Error {
  readonly faults: readonly Fault[];

  constructor(faults: Fault | readonly Fault[], cause?: unknown) {
    const list = Array.isArray(faults) ? (faults as readonly Fault[]) : [faults as Fault];
    super(renderFaults(list), cause === undefined ? undefined : { cause });
    this.name = "PhinetuneError";
    this.faults = list;
  }

  /** 2 when the user's words were wrong, 130 after an interrupt, else 1. */
  get exitCode(): 1 | 2 | 130 {
    if (this.faults.some((fault) => fault.code === "interrupted")) return 130;
    return this.faults.some((fault) => fault.code === "usage") ? 2 : 1;
  }
}

/** Throws one fault. */
export function fail(
  code: FaultCode,
  what: string,
  more: { where?: string | undefined; fix?: string | undefined; cause?: unknown } = {},
): never {
  throw new PhinetuneError({ code, what, where: more.where, fix: more.fix }, more.cause);
}

/** Throws all collected faults at once; returns when there are none. */
export function failIfAny(faults: readonly Fault[]): void {
  if (faults.length > 0) throw new PhinetuneError(faults);
}

/** `what · where · fix`, a line a fault; more than `limit` faults are counted, not shown. */
export function renderFaults(faults: readonly Fault[], limit = 20): string {
  const lines = faults
    .slice(0, limit)
    .map(({ what, where, fix }) =>
      [what, where, fix].filter((part) => part !== undefined && part !== "").join(" · "),
    );
  if (faults.length > limit) lines.push(`… and ${faults.length - limit} more`);
  return lines.join("\n");
}

/** The candidate nearest to `word` by edit distance, when it is near enough to be what was meant. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best;
}

/** Levenshtein distance. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      current.push(Math.min(substitution, previous[j]! + 1, current[j - 1]! + 1));
    }
    previous = current;
  }
  return previous[b.length]!;
}
