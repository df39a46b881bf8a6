// `phinetune merge`: a base and adapters -> one model, with what the merge changed.

import { createTransferView } from "./download.js";
import type { ExitCode } from "./failure.js";
import type { Invocation } from "./invocation.js";
import { pushProduct } from "./push.js";
import { plural } from "./quantities.js";

export async function runMerge({ options, terminal }: Invocation<"merge">): Promise<ExitCode> {
  const { out, log, json } = terminal;
  const { merge } = await import("../merge.js");
  const { push: repository, model: base } = options;
  if (repository !== undefined) await (await import("../push.js")).checkPush({ repository });
  const transfers = createTransferView(log);
  const merging = merge(options, { signal: transfers.signal });
  for (;;) {
    const { done, value } = await merging.next();
    if (!done) {
      if ("direction" in value) transfers.show(value);
      else if (log.width !== undefined) log.write(`\r\u001b[K${value.done} of ${value.tensors} tensors`);
      continue;
    }
    if (log.width !== undefined) log.write("\r\u001b[K");
    const { folder, tensors, largestChange, largestLogit } = value;
    const pushed = async () =>
      repository === undefined ? {} : { pushed: await pushProduct(folder, { repository, base }, log) };
    if (json) {
      const result = {
        output_dir: folder,
        tensors,
        largest_logit_change: largestChange,
        largest_logit: largestLogit,
        ...(await pushed()),
      };
      out.write(`${JSON.stringify(result)}\n`);
      return 0;
    }
    out.write(`${plural(tensors, "tensor")} written to ${folder}\n`);
    if (largestChange !== undefined && largestLogit !== undefined)
      out.write(
        `largest change of a logit from base and adapter in float32: ${largestChange.toPrecision(2)} (logits go up to ${largestLogit.toPrecision(3)})\n`,
      );
    await pushed();
    return 0;
  }
}
