// `phinetune serve`: a base and adapters -> a server that OpenAI's clients can talk to, until it is interrupted.
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { PhinetuneError } from "../errors.js";
import { createTransferView } from "./download.js";
import type { ExitCode } from "./failure.js";
import type { Invocation } from "./invocation.js";
import { showRounding } from "./rounding.js";

export async function runServe({ options, terminal }: Invocation<"serve">): Promise<ExitCode> {
  const { out, log, json } = terminal;
  const [{ openModels }, { createCompletionServer }] = await Promise.all([
    import("../serve/models.js"),
    import("../serve/server.js"),
  ]);
  const transfers = createTransferView(log);
  const control = { signal: transfers.signal, onDownload: transfers.show };
  const opening = openModels({ ...options, onRounding: showRounding(log) }, control);
  const models = await opening.finally(transfers.end);
  const apiKey = options.apiKey ?? (process.env.PHINETUNE_API_KEY || undefined);
  const { server, close } = createCompletionServer(models, {
    ...options,
    apiKey,
    timeoutSeconds: options.timeout,
    onAnswered: (line) => log.write(`${line}\n`),
  });
  server.listen(options.port, options.host);
  await once(server, "listening").catch((error: NodeJS.ErrnoException) => {
    const fix = error.code === "EADDRINUSE" ? "choose another --port" : "choose another --host";
    const what = `the server cannot listen: ${error.message}`;
    throw new PhinetuneError({ code: "usage", what, where: `${options.host}:${options.port}`, fix }, error);
  });
  const { port, address, family } = server.address() as AddressInfo;
  const url = `http://${family === "IPv6" ? `[${address}]` : address}:${port}/v1`;
  const names = models.all.map(({ name }) => name);
  if (json) out.write(`${JSON.stringify({ url, models: names })}\n`);
  else out.write(`listening on ${url}, models: ${names.join(", ")}\n`);
  if (apiKey === undefined && !/^(?:127\.|::1$|localhost$)/.test(options.host))
    log.write(log.paint("anyone who reaches this machine can use it: --api-key asks for a key\n", "yellow"));

  await new Promise<void>((resolve) => {
    for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => resolve());
  });
  log.write("closing\n");
  await close();
  await models.release();
  return 0;
}
