// An answer in pieces -> the same without what comes from a stop text on; nothing is passed on that may be the start of one.

export interface StopFilter {
  /** The part of the answer that can be shown now. */
  push(piece: string): string;
  /** What was held back, once the answer has ended without a stop. */
  rest(): string;
  readonly isStopped: boolean;
}

export function createStopFilter(stops: readonly string[]): StopFilter {
  let held = "";
  let isStopped = false;
  return {
    get isStopped() {
      return isStopped;
    },
    push(piece) {
      if (isStopped) return "";
      held += piece;
      const found = stops.map((stop) => held.indexOf(stop)).filter((at) => at >= 0);
      if (found.length > 0) {
        isStopped = true;
        const text = held.slice(0, Math.min(...found));
        held = "";
        return text;
      }
      const kept = Math.max(0, ...stops.map((stop) => overlap(held, stop)));
      const text = held.slice(0, held.length - kept);
      held = held.slice(held.length - kept);
      return text;
    },
    rest() {
      const text = held;
      held = "";
      return text;
    },
  };
}

/** Length of the longest end of `text` with which `stop` begins. */
function overlap(text: string, stop: string): number {
  for (let length = Math.min(text.length, stop.length - 1); length > 0; length--)
    if (text.endsWith(stop.slice(0, length))) return length;
  return 0;
}
