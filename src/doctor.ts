// This machine -> what phinetune finds on it: versions, processors, memory, disks, the cache of models; and what is wrong, with what mends it.
import { statfsSync, statSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { dirname } from "node:path";
import { createGraph } from "./graph/graph.js";
import { matmul } from "./graph/ops.js";
import { input } from "./graph/value.js";
import { cachedNames } from "./hub/cache.js";
import { cacheFolder } from "./hub/settings.js";
import { ownVersion } from "./run/version.js";
import { machineMemory } from "./runtime/machine.js";
import { createSession, runtimeProviders, runtimeVersion } from "./runtime/session.js";

export interface Check {
  readonly name: string;
  readonly value: string;
  readonly verdict: "fine" | "warning" | "fault";
  /** What to do, unless all is fine. */
  readonly fix?: string;
}

const OLDEST_NODE = 20;
/** Below these a small model can still be trained, but little else. */
const LITTLE_MEMORY = 2e9;
const LITTLE_DISK = 2e9;

const fine = (name: string, value: string): Check => ({ name, value, verdict: "fine" });
const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;

/** All checks, in the order in which they are shown. @param env the environment, which says where the cache is */
export async function examineMachine(env: NodeJS.ProcessEnv = process.env): Promise<readonly Check[]> {
  return [
    fine("phinetune", ownVersion()),
    nodeCheck(process.versions.node),
    ...(await runtimeChecks()),
    fine("processor", `${cpus()[0]?.model.trim() ?? "unknown"}, ${availableParallelism()} threads`),
    memoryCheck(machineMemory()),
    diskCheck("disk", process.cwd()),
    ...cacheChecks(env),
  ];
}

/** @param version "20.1.0" */
export function nodeCheck(version: string): Check {
  if (Number(version.split(".")[0]) >= OLDEST_NODE) return fine("node", version);
  return {
    name: "node",
    value: version,
    verdict: "fault",
    fix: `install Node ${OLDEST_NODE} or later from https://nodejs.org`,
  };
}

export function memoryCheck({ total, available }: ReturnType<typeof machineMemory>): Check {
  const value = `${gigabytes(total)}, ${gigabytes(available)} free`;
  if (available >= LITTLE_MEMORY) return fine("memory", value);
  const fix = "close other programs; small models (npm start) still work";
  return { name: "memory", value, verdict: "warning", fix };
}

/** Loads onnxruntime, and has it multiply two matrices whose product is known. */
async function runtimeChecks(): Promise<readonly Check[]> {
  try {
    const [version, providers] = [await runtimeVersion(), await runtimeProviders()];
    return [fine("onnxruntime", `${version} (${providers.join(", ")})`), await multiply()];
  } catch (error) {
    const value = (error as Error).message.split("\n")[0]!;
    const fix = "npm rebuild onnxruntime-node, or npm ci in a fresh folder";
    return [{ name: "onnxruntime", value, verdict: "fault", fix }];
  }
}

const SIZE = 1024;
const ROUNDS = 5;

async function multiply(): Promise<Check> {
  const [a, b] = [input("a", "float32", [SIZE, SIZE]), input("b", "float32", [SIZE, SIZE])];
  const session = await createSession(createGraph({ product: matmul(a, b) }));
  // Row i of a is i everywhere, and b is 1/SIZE everywhere: row i of the product is i.
  const dims = [SIZE, SIZE];
  const rows = Float32Array.from({ length: SIZE * SIZE }, (_, i) => Math.trunc(i / SIZE));
  const inputs = {
    a: { dims, data: rows },
    b: { dims, data: new Float32Array(SIZE * SIZE).fill(1 / SIZE) },
  };
  let best = Number.POSITIVE_INFINITY;
  let product = new Float32Array();
  for (let round = 0; round < ROUNDS; round++) {
    const started = performance.now();
    product = (await session.run(inputs)).product!.data as Float32Array<ArrayBuffer>;
    best = Math.min(best, performance.now() - started);
  }
  await session.release();
  const isRight = product.every((value, i) => Math.abs(value - rows[i]!) < 1e-2);
  const value = `${Math.round((2 * SIZE ** 3) / best / 1e6)} GFLOP/s in a float32 matrix product`;
  return isRight
    ? fine("arithmetic", value)
    : {
        name: "arithmetic",
        value: "a matrix product came out wrong",
        verdict: "fault",
        fix: "npm ci in a fresh folder; if it stays, the processor or its memory is at fault",
      };
}

function diskCheck(name: string, path: string): Check {
  const { bavail, bsize } = statfsSync(nearestFolder(path));
  const free = bavail * bsize;
  const value = `${gigabytes(free)} free for ${path}`;
  return free >= LITTLE_DISK
    ? fine(name, value)
    : { name, value, verdict: "warning", fix: "free some space, or work on another disk" };
}

/** The folder itself or, where it does not exist yet, the nearest one above it. */
function nearestFolder(path: string): string {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ? path : nearestFolder(dirname(path));
}

function cacheChecks(env: NodeJS.ProcessEnv): readonly Check[] {
  const folder = cacheFolder(env);
  const [models, datasets] = [
    cachedNames("model", { cache: folder }),
    cachedNames("dataset", { cache: folder }),
  ];
  const listed = (names: readonly string[], kind: string) => {
    if (names.length === 0) return `no ${kind}s`;
    const first = names.slice(0, 5).join(", ");
    return `${names.length} ${kind}${names.length > 1 ? "s" : ""} (${first}${names.length > 5 ? ", …" : ""})`;
  };
  return [
    diskCheck("cache", folder),
    fine("in the cache", `${listed(models, "model")}, ${listed(datasets, "data set")}`),
  ];
}
