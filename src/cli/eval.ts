// `phinetune eval`: a base, adapters and rows -> a table of them side by side.

import type { CompareResult } from "../evaluate/comparison.js";
import { writeFileAtomically } from "../formats/atomic.js";
import { createTransferView } from "./download.js";
import { comparisonText } from "./eval_view.js";
import type { ExitCode } from "./failure.js";
import type { Invocation } from "./invocation.js";

export async function runEval({ options, terminal }: Invocation<"eval">): Promise<ExitCode> {
  const { out, log, json } = terminal;
  const { compareModels } = await import("../compare.js");
  const transfers = createTransferView(log);
  const comparing = compareModels(options, { signal: transfers.signal });
  let result: CompareResult;
  for (;;) {
    const { done, value } = await comparing.next();
    if (done) {
      result = value;
      break;
    }
    if (value.part === "downloading") {
      transfers.show(value);
      continue;
    }
    transfers.end();
    const { system, part, rows, done: ready } = value;
    if (log.width !== undefined)
      log.write(`\r\u001b[K${system}: ${part} ${ready}/${rows}`.slice(0, log.width + 4));
    else if (ready === rows) log.write(`${system}: ${part} of ${rows} rows done\n`);
  }
  if (log.width !== undefined) log.write("\r\u001b[K");
  if (options.output !== undefined) {
    await writeFileAtomically(options.output, `${JSON.stringify({ options, ...result }, null, 1)}\n`);
    log.write(`written to ${options.output}\n`);
  }
  if (options.report !== undefined) {
    const { renderComparison } = await import("../run/report.js");
    await writeFileAtomically(options.report, renderComparison(result, options));
    log.write(`written to ${options.report}\n`);
  }
  out.write(json ? `${JSON.stringify(result)}\n` : comparisonText(result, options.shownRows, out));
  return 0;
}
