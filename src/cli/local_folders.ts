// The model and the adapter of a command -> their folders on this machine, downloaded where they are missing.
import { finished } from "../hub/progress.js";
import { resolveAdapter, resolveModel } from "../hub/resolve.js";
import { createTransferView } from "./download.js";
import type { Output } from "./terminal.js";

interface Named {
  readonly model: string;
  readonly adapter?: string | undefined;
}

/** Shows what is downloaded. @throws when Ctrl-C stops it */
export async function localFolders({ model, adapter }: Named, log: Output): Promise<Named> {
  const { signal, show, end } = createTransferView(log);
  try {
    return {
      model: await finished(resolveModel(model, { signal }), show),
      adapter: adapter === undefined ? undefined : await finished(resolveAdapter(adapter, { signal }), show),
    };
  } finally {
    end();
  }
}
