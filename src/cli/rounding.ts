// Progress of rounding a model's weights -> one line that is drawn over, on a terminal.
import type { StorageProgress } from "../quantize/storage.js";
import type { Output } from "./terminal.js";

/** What shows the rounding on `log`; the last layer's line is taken away. */
export function showRounding(log: Output): (progress: StorageProgress) => void {
  return ({ bits, done, modules, repaired }) => {
    if (repaired !== undefined) log.write(`made again, for it was damaged: ${repaired}\n`);
    if (log.width === undefined) return;
    log.write(`\r\u001b[Krounding weights to ${bits} bits: ${done + 1}/${modules}`);
    if (done + 1 === modules) log.write("\r\u001b[K");
  };
}
