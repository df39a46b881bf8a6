// `phinetune doctor`: this machine -> what was found on it, and what mends what is wrong.
import type { Check } from "../doctor.js";
import type { ExitCode } from "./failure.js";
import type { Invocation } from "./invocation.js";
import type { Style } from "./terminal.js";

const SIGNS: Readonly<Record<Check["verdict"], readonly [sign: string, style: Style]>> = {
  fine: ["ok", "green"],
  warning: ["!", "yellow"],
  fault: ["x", "red"],
};

export async function runDoctor({ terminal }: Invocation<"doctor">): Promise<ExitCode> {
  const { out, json } = terminal;
  const { examineMachine } = await import("../doctor.js");
  const checks = await examineMachine();
  if (json) out.write(`${JSON.stringify({ checks })}\n`);
  else {
    for (const { name, value, verdict, fix } of checks) {
      const [sign, style] = SIGNS[verdict];
      out.write(`${out.paint(sign.padEnd(3), style)}${name.padEnd(14)}${value}\n`);
      if (fix !== undefined) out.write(`${"".padEnd(17)}${fix}\n`);
    }
  }
  return checks.some(({ verdict }) => verdict === "fault") ? 1 : 0;
}
