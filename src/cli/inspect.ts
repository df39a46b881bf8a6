// `phinetune inspect`: a batch of ids -> a safetensors file of what the model makes of it.
import type { ExitCode } from "./failure.js";
import type { Invocation } from "./invocation.js";

export async function runInspect({ options, terminal }: Invocation<"inspect">): Promise<ExitCode> {
  const { out, log, json } = terminal;
  const { inspect } = await import("../inspect.js");
  const { localFolders } = await import("./local_folders.js");
  const { loss, tensors } = await inspect({ ...options, ...(await localFolders(options, log)) });
  if (json) {
    const shapes = Object.fromEntries([...tensors].map(([name, { shape }]) => [name, shape]));
    out.write(`${JSON.stringify({ loss: loss ?? null, tensors: shapes, output: options.output })}\n`);
    return 0;
  }
  if (loss !== undefined) out.write(`loss  ${loss}\n`);
  for (const [name, { shape }] of tensors) out.write(`${name}  [${shape.join(", ")}]\n`);
  out.write(`written to ${options.output}\n`);
  return 0;
}
