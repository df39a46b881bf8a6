// `phinetune plan`: options of a training -> what it would do, and the memory and time that it needs.

import { createTransferView } from "./download.js";
import type { ExitCode } from "./failure.js";
import type { Invocation } from "./invocation.js";
import { planText } from "./plan_view.js";

export async function runPlan({ options, terminal }: Invocation<"plan">): Promise<ExitCode> {
  const { out, log, json } = terminal;
  const { planRun } = await import("../plan.js");
  const { signal, show, end } = createTransferView(log);
  const tell = (doing: string) => {
    end();
    log.write(`${doing}\n`);
  };
  const plan = await planRun(options, tell, { signal, onDownload: show }).finally(end);
  for (const warning of plan.warnings) log.write(`${log.paint("warning:", "yellow")} ${warning}\n`);
  out.write(json ? `${JSON.stringify(plan)}\n` : planText(plan, out));
  return 0;
}
