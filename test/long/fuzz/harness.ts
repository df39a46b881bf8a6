// A reader and a seed -> damaged inputs, each read, timed and checked: what is right, or a PhinetuneError.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PhinetuneError } from "../../../src/errors.js";
import { createRandom, type Random } from "../../../src/random.js";
import { type JsonDocument, type Mutant, mutateBytes, mutateJson, relaidJson } from "./mutations.js";

export const SEED = process.env.FUZZ_SEED ?? "1";
export const TIMES = Number(process.env.FUZZ_TIMES ?? 1);
/** Milliseconds that an input may take (once again, if the first time was a moment of the machine's), and bytes. */
const LONGEST = 1000;
const MOST_MEMORY = 256 * 2 ** 20;
const MOST_FAILURES = 5;

const root = mkdtempSync(join(tmpdir(), "phinetune-fuzz-"));
export const fixtures = fileURLToPath(new URL("../../fixtures/", import.meta.url));

/** An empty folder. */
export function folderOf(name: string): string {
  const folder = join(root, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return folder;
}

export function removeFolders(): void {
  rmSync(root, { recursive: true, force: true });
}

/** What was written. A good input must be read; any other may be. */
export interface Input {
  readonly how: string;
  readonly isGood?: boolean;
}

export interface Reader<T> {
  /** Writes an input. */
  readonly write: (random: Random) => Input;
  readonly read: () => Promise<T>;
  /** Throws where what was read is not what the files hold. */
  readonly check: (found: T) => void;
  /** Throws where a refusal is wrong. */
  readonly checkRefusal?: (error: PhinetuneError) => void;
}

let label = "";
const strays: string[] = [];
process.on("unhandledRejection", (reason) => void strays.push(`${label}: ${String(reason)}`));

export interface Outcome {
  readonly inputs: number;
  readonly accepted: number;
  /** Milliseconds of the slowest input. */
  readonly longest: number;
}

/** Reads `count` inputs. @throws with the first of those that are not answered as they must be, and how to see them again */
export async function fuzz<T>(name: string, count: number, reader: Reader<T>): Promise<Outcome> {
  const { write, read, check, checkRefusal } = reader;
  const failures: string[] = [];
  let [accepted, longest] = [0, 0];
  for (let i = 0; i < count && failures.length < MOST_FAILURES; i++) {
    const input = write(createRandom(SEED, name, i));
    label = `seed ${SEED}, ${name} ${i}: ${input.how}`;
    let result = await measured(read);
    if (result.time > LONGEST) result = await measured(read);
    try {
      must(result.time <= LONGEST, `it took ${Math.round(result.time)} ms`);
      must(result.memory <= MOST_MEMORY, `it took ${Math.round(result.memory / 2 ** 20)} MiB`);
      if ("found" in result) check(result.found);
      else checkRefusal?.(refusalOf(result.error, input));
      must(strays.length === 0, `a promise failed that nobody waits for: ${strays}`);
    } catch (error) {
      const kept = `${root}-${name}-${i}`;
      cpSync(root, kept, { recursive: true });
      const what = (error as Error).stack ?? String(error);
      failures.push(`${label}\n${what.slice(0, 2000)}\nthe files are in ${kept}`);
    }
    if ("found" in result) accepted++;
    longest = Math.max(longest, result.time);
  }
  if (failures.length > 0) throw new Error(failures.join("\n\n"));
  return { inputs: count, accepted, longest };
}

async function measured<T>(read: () => Promise<T>) {
  const before = process.memoryUsage().arrayBuffers;
  const peak = process.resourceUsage().maxRSS;
  const [start, used] = [performance.now(), process.cpuUsage()];
  const result = await read().then(
    (found) => ({ found }),
    (error: unknown) => ({ error }),
  );
  const { user, system } = process.cpuUsage(used);
  // Other programs may have had the processor.
  const time = Math.min(performance.now() - start, (user + system) / 1000);
  const buffers = process.memoryUsage().arrayBuffers - before;
  return { ...result, time, memory: Math.max(buffers, 1024 * (process.resourceUsage().maxRSS - peak)) };
}

function refusalOf(error: unknown, { isGood = false }: Input): PhinetuneError {
  if (!(error instanceof PhinetuneError)) throw error;
  const { faults, message } = error;
  must(faults.length > 0 && faults.every(({ what }) => what !== ""), "the error says nothing");
  must(!isGood, `it was refused: ${message}`);
  return error;
}

export function must(condition: boolean, words: string): asserts condition {
  if (!condition) throw new Error(words);
}

export const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

export const textOf = (bytes: Uint8Array): string => new TextDecoder("utf-8", { fatal: true }).decode(bytes);

export const jsonIn = (path: string): Record<string, unknown> => JSON.parse(textOf(readFileSync(path)));

/** Whether a key has a value: null counts as none, as in the readers. */
export const has = (json: Readonly<Record<string, unknown>>, key: string): boolean =>
  json[key] !== undefined && json[key] !== null;

/** JSON that says something else, or the same in another layout. */
export function changedJson(document: JsonDocument, random: Random): Mutant & Input {
  if (random.nextFloat() < 0.03) return { ...relaidJson(document.text, random), isGood: true };
  if (random.nextFloat() < 0.2) return mutateBytes(Buffer.from(document.text), random);
  return mutateJson(document, random);
}
