// `phinetune export`: a base and an adapter -> a file or folder for another program.

import { createTransferView } from "./download.js";
import type { ExitCode } from "./failure.js";
import type { Invocation } from "./invocation.js";
import { plural } from "./quantities.js";

export async function runExport({ options, terminal }: Invocation<"export">): Promise<ExitCode> {
  const { out, log, json } = terminal;
  const { exportModel } = await import("../export.js");
  const transfers = createTransferView(log);
  const onTensor = (done: number, all: number) => {
    transfers.end();
    if (log.width !== undefined) log.write(`\r\u001b[K${done} of ${all} tensors`);
  };
  const control = { signal: transfers.signal, onDownload: transfers.show };
  const { file, tensors } = await exportModel(options, onTensor, control).finally(transfers.end);
  if (log.width !== undefined) log.write("\r\u001b[K");
  out.write(
    json
      ? `${JSON.stringify({ output: file, tensors })}\n`
      : `${plural(tensors, "tensor")} written to ${file}\n`,
  );
  return 0;
}
