// The state of a training -> a folder checkpoint-<step> that appears whole or not at all, and back to the last bit.
import { existsSync, readdirSync } from "node:fs";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { type Fault, fail, failIfAny, PhinetuneError } from "../errors.js";
import { temporaryName, writeFileAtomically } from "../formats/atomic.js";
import { toFloat32 } from "../formats/dtype.js";
import { fileFault } from "../formats/file_error.js";
import { readJsonObject } from "../formats/json_file.js";
import { openSafetensors, readTensor, writeSafetensors } from "../formats/safetensors.js";
import { f32Tensor, type Tensor } from "../formats/tensor.js";
import { flagOf } from "../options/names.js";
import type { BestState } from "./best.js";
import type { TrainState } from "./loop.js";
import type { WatchState } from "./watch.js";

const STATE = "trainer_state.json";
const MOMENTS = "optimizer.safetensors";
const NAME = /^checkpoint-(\d+)$/;
/** As torch names them: means of the gradients and of their squares. */
const KINDS = { mean: "exp_avg", variance: "exp_avg_sq" } as const;

/** What a run was made of: two runs with the same one do the same. */
export interface Fingerprint {
  /** Options that change what is computed. */
  readonly options: Readonly<Record<string, unknown>>;
  /** SHA-256 of weights, tokenizer and data by file name. */
  readonly hashes: Readonly<Record<string, string>>;
  readonly phinetune: string;
}

/** trainer_state.json: all that is not a tensor. Random state is none: every draw is a function of seed and step. */
export interface TrainerState {
  readonly step: number;
  readonly num_tokens: number;
  readonly loss: number;
  readonly tokens: number;
  readonly seconds: number;
  /** Length of events.jsonl before the event that tells of this checkpoint. */
  readonly events_bytes: number;
  readonly best: BestState;
  readonly watch: WatchState;
  /** What the examiner remembers of the time before the training. */
  readonly earlier: unknown;
  readonly fingerprint: Fingerprint;
}

/**
 * Writes `checkpoint-<step>` into the run folder: to a temporary folder first, synced, then renamed.
 * @param saveValues writes the trained values, exactly, into a folder
 * @returns its path
 */
export async function saveCheckpoint(
  runFolder: string,
  state: TrainState,
  more: Pick<TrainerState, "events_bytes" | "best" | "watch" | "earlier" | "fingerprint">,
  saveValues: (folder: string) => Promise<void>,
): Promise<string> {
  const name = `checkpoint-${state.step}`;
  const path = join(runFolder, name);
  const temporary = join(runFolder, temporaryName(name));
  try {
    await mkdir(temporary, { recursive: true });
    await saveValues(temporary);
    const tensors = new Map<string, Tensor>();
    for (const [name, moments] of state.moments) {
      for (const kind of ["mean", "variance"] as const)
        tensors.set(`${name}.${KINDS[kind]}`, f32Tensor([moments[kind].length], moments[kind]));
    }
    await writeSafetensors(join(temporary, MOMENTS), tensors, { format: "pt" });
    const { step, numTokens, loss, tokens, seconds } = state;
    const written: TrainerState = { step, num_tokens: numTokens, loss, tokens, seconds, ...more };
    await writeFileAtomically(join(temporary, STATE), `${JSON.stringify(written, null, 1)}\n`);
    await syncFolder(temporary);
    await rm(path, { recursive: true, force: true });
    await rename(temporary, path);
    await syncFolder(runFolder);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    if (error instanceof PhinetuneError) throw error;
    throw new PhinetuneError(fileFault("the checkpoint cannot be written", path, error), error);
  }
  return path;
}

async function syncFolder(path: string): Promise<void> {
  // Windows cannot open a folder; there a rename is as durable as it gets.
  if (process.platform === "win32") return;
  const folder = await open(path, "r");
  await folder.sync().finally(() => folder.close());
}

/** Steps of the checkpoints in a run folder, ascending. */
export function checkpointSteps(runFolder: string): readonly number[] {
  if (!existsSync(runFolder)) return [];
  const steps = readdirSync(runFolder).flatMap((name) => NAME.exec(name)?.[1] ?? []);
  return steps.map(Number).sort((a, b) => a - b);
}

/** Removes the oldest checkpoints beyond a limit (0: none), but not the one of step `kept`. */
export async function pruneCheckpoints(runFolder: string, limit: number, kept: number): Promise<void> {
  const remove = (name: string) => rm(join(runFolder, name), { recursive: true, force: true });
  if (limit === 0) return;
  const steps = checkpointSteps(runFolder);
  let excess = steps.length - limit;
  for (const step of steps.slice(0, -1)) {
    if (excess <= 0 || step === kept) continue;
    await remove(`checkpoint-${step}`);
    excess--;
  }
}

/**
 * Folder of the checkpoint that `--resume-from-checkpoint` means.
 * @param given a checkpoint's folder, or `last` for the newest of the run folder
 */
export function findCheckpoint(given: string, runFolder: string): string {
  if (given !== "last") {
    if (existsSync(join(given, STATE))) return given;
    fail("file", "the folder is no checkpoint: it has no trainer_state.json", {
      where: given,
      fix: "give a folder checkpoint-<step> of a run, or last",
    });
  }
  const newest = checkpointSteps(runFolder).at(-1);
  if (newest !== undefined) return join(runFolder, `checkpoint-${newest}`);
  return fail("file", "there is no checkpoint to go on from", {
    where: runFolder,
    fix: "give the --output-dir of a run that saved one, or leave --resume-from-checkpoint out",
  });
}

/**
 * Puts a checkpoint's values and moments into `state`, and gives back the rest.
 * @param values what was trained, as the checkpoint has it
 * @throws with every difference between what the run was made of then and now
 */
export async function loadCheckpoint(
  folder: string,
  state: TrainState,
  values: ReadonlyMap<string, Float32Array>,
  now: Fingerprint,
): Promise<TrainerState> {
  const saved = await readJsonObject(join(folder, STATE), "the state of the training");
  checkState(saved, folder);
  checkFingerprint(saved.fingerprint, now, folder);
  const file = await openSafetensors(join(folder, MOMENTS));
  const faults: Fault[] = [];
  const put = (into: Float32Array, from: Float32Array | undefined, name: string) => {
    if (from?.length === into.length) into.set(from);
    else {
      const found = from ? `has ${from.length} values` : "is missing";
      faults.push({
        code: "checkpoint",
        what: `${name} ${found}; ${into.length} values are needed`,
        where: folder,
      });
    }
  };
  for (const [name, value] of state.values) {
    put(value, values.get(name), name);
    for (const kind of ["mean", "variance"] as const) {
      const key = `${name}.${KINDS[kind]}`;
      const entry = file.entries.get(key);
      put(state.moments.get(name)![kind], entry && toFloat32(await readTensor(entry)), key);
    }
  }
  failIfAny(faults);
  const { step, num_tokens: numTokens, loss, tokens, seconds } = saved;
  Object.assign(state, { step, numTokens, loss, tokens, seconds });
  return saved;
}

type Check = (value: unknown) => boolean;

const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isSum: Check = (value) => Number.isFinite(value) && (value as number) >= 0;
const isText: Check = (value) => typeof value === "string";
const isNumberOrNull: Check = (value) => value === null || Number.isFinite(value);
const isAnyObject: Check = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isListOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(check);
/** An object with these members, and perhaps others. */
const isObjectOf =
  (members: Readonly<Record<string, Check>>): Check =>
  (value) =>
    isAnyObject(value) &&
    Object.entries(members).every(([key, check]) => check((value as Record<string, unknown>)[key]));

const STATE_CHECKS: Readonly<Record<keyof TrainerState, Check>> = {
  step: isCount,
  num_tokens: isCount,
  loss: isSum,
  tokens: isCount,
  seconds: isSum,
  events_bytes: isCount,
  best: isObjectOf({ step: isCount, value: isNumberOrNull, without_improvement: isCount }),
  watch: isObjectOf({
    mean: isNumberOrNull,
    least: isNumberOrNull,
    start: isNumberOrNull,
    warned: isListOf(isText),
  }),
  earlier: isListOf(
    isObjectOf({ answer: isText, stopped: (value) => typeof value === "boolean", tokens: isCount }),
  ),
  fingerprint: isObjectOf({ options: isAnyObject, hashes: isAnyObject, phinetune: isText }),
};

function checkState(
  saved: Readonly<Record<string, unknown>>,
  folder: string,
): asserts saved is typeof saved & TrainerState {
  const wrong = Object.entries(STATE_CHECKS).flatMap(([key, check]) => (check(saved[key]) ? [] : [key]));
  if (wrong.length > 0)
    fail("checkpoint", `the state of the training is damaged: ${wrong.join(", ")}`, {
      where: join(folder, STATE),
      fix: "go on from another checkpoint",
    });
}

function checkFingerprint(then: Fingerprint, now: Fingerprint, folder: string): void {
  const faults: Fault[] = [];
  const compare = (
    kind: string,
    a: Readonly<Record<string, unknown>>,
    b: Readonly<Record<string, unknown>>,
  ) => {
    for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
      const [old, fresh] = [JSON.stringify(a[key]), JSON.stringify(b[key])];
      if (old === fresh) continue;
      const show = (text: string | undefined) =>
        text === undefined ? "nothing" : text.replace(/^"(\w{12})\w{52}"$/, "$1…");
      faults.push({
        code: "checkpoint",
        what: `${kind} ${key} is ${show(fresh)}; the run was started with ${show(old)}`,
        where: basename(folder),
        fix: "give what the run was started with, or start a new run",
      });
    }
  };
  const named = (options: Fingerprint["options"]) =>
    Object.fromEntries(Object.entries(options).map(([name, value]) => [flagOf(name), value]));
  compare("option", named(then.options), named(now.options));
  compare("the hash of", then.hashes, now.hashes);
  failIfAny(faults);
}
