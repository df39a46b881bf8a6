// Errors of onnxruntime and of Node -> faults that say what happened.
import { fail, PhinetuneError } from "../errors.js";

/** What onnxruntime, C++ and V8 say when there is no memory left. */
const OUT_OF_MEMORY =
  /failed to allocate|bad_alloc|out of memory|not enough memory|allocation failed|invalid (?:typed )?array length/i;

export function isOutOfMemory(error: unknown): boolean {
  if (error instanceof PhinetuneError) return error.faults.some(({ code }) => code === "memory");
  return error instanceof Error && OUT_OF_MEMORY.test(error.message);
}

/** Throws what onnxruntime said. */
export function failOnRuntime(what: string, error: unknown): never {
  const message = error instanceof Error ? error.message : String(error);
  if (isOutOfMemory(error))
    fail("memory", refusedBytes(message) ?? `${what}: ${message}`, {
      fix: "shorter rows or smaller batches need less",
      cause: error,
    });
  fail("runtime", `${what}: ${message}`, { cause: error });
}

/** What was asked for in vain, where it is told, and for which node; C++ only says that it was too much. */
function refusedBytes(message: string): string | undefined {
  const [, bytes] = /requested buffer of size (\d+)/.exec(message) ?? [];
  const [, node] = /Name:'([^']+)'/.exec(message) ?? [];
  if (bytes === undefined && node === undefined) return undefined;
  const amount = bytes === undefined ? "memory" : `${Math.ceil(Number(bytes) / 1e6)} MB`;
  return `the system has no further ${amount}${node === undefined ? "" : ` for ${node}`}`;
}
