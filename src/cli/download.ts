// How far a transfer is -> one line that is redrawn in a terminal, plain lines elsewhere; Ctrl-C stops the transfer alone.
import type { TransferProgress } from "../hub/progress.js";
import { type Interrupt, listenForInterrupt } from "./interrupt.js";
import { bytes, duration, plural } from "./quantities.js";
import { type Output, printable } from "./terminal.js";

export interface TransferView {
  /** Aborted by Ctrl-C while a transfer is shown. */
  readonly signal: AbortSignal;
  readonly show: (progress: TransferProgress) => void;
  /** Removes the line. As soon as all has arrived, Ctrl-C ends the process again. */
  readonly end: () => void;
}

/** Milliseconds between plain lines. */
const PLAIN_INTERVAL = 10_000;

export function createTransferView(log: Output): TransferView {
  const controller = new AbortController();
  let interrupt: Interrupt | undefined;
  let line = createTransferLine(log);
  const release = () => {
    interrupt?.release();
    interrupt = undefined;
  };
  return {
    signal: controller.signal,
    show(progress) {
      interrupt ??= listenForInterrupt(() => controller.abort());
      line.show(progress);
      if (isWhole(progress)) release();
    },
    end() {
      line.erase();
      line = createTransferLine(log);
      release();
    },
  };
}

/** Writes about transfers, one after another. */
export function createTransferLine(log: Output): {
  readonly show: (progress: TransferProgress) => void;
  readonly erase: () => void;
} {
  let isDrawn = false;
  let shownAt = Number.NEGATIVE_INFINITY;
  let last: TransferProgress | undefined;
  /** Bytes at moments of the last seconds, oldest first. */
  let recent: { readonly at: number; readonly done: number }[] = [];
  const erase = () => {
    if (isDrawn) log.write("\r\u001b[K");
    isDrawn = false;
  };
  const speed = (): number | undefined => {
    const [first, newest] = [recent[0], recent.at(-1)];
    if (!first || !newest || newest.at - first.at < 500) return undefined;
    return (1000 * (newest.done - first.done)) / (newest.at - first.at);
  };
  return {
    erase,
    show(progress) {
      const { name, direction, done, total, filesDone, files, note } = progress;
      if (note !== undefined) {
        erase();
        log.write(`${printable(name)}: ${printable(note)}\n`);
        return;
      }
      const now = performance.now();
      if (last?.name !== name || last.total !== total || last.done > done) {
        recent = [];
        shownAt = Number.NEGATIVE_INFINITY;
        if (last && !isWhole(last)) erase();
      }
      // What earlier tries left is there at once, and says nothing of the speed.
      recent = [...recent.filter((moment) => now - moment.at < 5000 && moment.done > 0), { at: now, done }];
      last = progress;
      const verb = direction === "down" ? "download" : "upload";
      const shown = printable(name);
      if (isWhole(progress)) {
        erase();
        log.write(`${verb}ed ${shown}: ${bytes(total)}, ${plural(files, "file")}\n`);
        return;
      }
      const rate = speed();
      const pace = rate ? `, ${bytes(rate)}/s, ETA ${duration((total - done) / rate)}` : "";
      const figures = `${bytes(done)} of ${bytes(total)}, ${filesDone} of ${files} files${pace}`;
      const text = `${verb}ing ${shown}: ${figures}`;
      if (log.width !== undefined) {
        erase();
        const room = Math.min(30, log.width - text.length - 3);
        const full = Math.round((room * done) / Math.max(total, 1));
        const bar = room < 5 ? "" : `${"█".repeat(full)}${"░".repeat(room - full)}  `;
        log.write(`${verb}ing ${shown}: ${bar}${figures}`.slice(0, log.width - 1));
        isDrawn = true;
      } else if (now - shownAt > PLAIN_INTERVAL) {
        shownAt = now;
        log.write(`${text}\n`);
      }
    },
  };
}

function isWhole({ filesDone, files }: TransferProgress): boolean {
  return filesDone === files;
}
