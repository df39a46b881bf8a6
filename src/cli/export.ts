// `phinetune export`: a base and an adapter -> one file for another program.
import type { ExitCode } from "./failure.js";
import type { Invocation } from "./invocation.js";
import { plural } from "./quantities.js";

export async function runExport({ options, terminal }: Invocation<"export">): Promise<ExitCode> {
  const { out, log, json } = terminal;
  const { exportModel } = await import("../export.js");
  const { file, tensors } = await exportModel(options, (done, all) => {
    if (log.width !== undefined) log.write(`\r\u001b[K${done} of ${all} tensors`);
  });
  if (log.width !== undefined) log.write("\r\u001b[K");
  out.write(
    json
      ? `${JSON.stringify({ output: file, tensors })}\n`
      : `${plural(tensors, "tensor")} written to ${file}\n`,
  );
  return 0;
}
