// Events of a run -> the run folder: events.jsonl as they come, run.json, and the guard that keeps one run from writing into another.
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fail, PhinetuneError } from "../errors.js";
import { MODEL_FILES } from "../export/model.js";
import { removeLeftovers, writeFileAtomically } from "../formats/atomic.js";
import { fileFault } from "../formats/file_error.js";
import type { TrainEvent } from "../train/events.js";
import type { Manifest } from "./manifest.js";

const EVENTS = "events.jsonl";
const MANIFEST = "run.json";
/** What a run writes; with `overwrite`, these go and nothing else does. */
const OWN_FILES = [
  EVENTS,
  MANIFEST,
  "adapter_config.json",
  "adapter_model.safetensors",
  "README.md",
  "report.html",
  ...MODEL_FILES,
];

const CHECKPOINT = /^checkpoint-\d+$/;
/** Files of `--report-to tensorboard`. */
const EVENT_FILE = /^events\.out\.tfevents\.\d+\.phinetune\./;

export interface RunFolder {
  /** Absolute path. */
  readonly folder: string;
  /** Appends an event to events.jsonl, and gives it back. It is in the file when this returns. */
  record<Event extends TrainEvent>(event: Event): Event;
  /** Length of events.jsonl in bytes. */
  size(): number;
  /** Writes run.json, whole or not at all. */
  writeManifest(manifest: Manifest): Promise<void>;
  /** Closes events.jsonl; nothing can be recorded afterwards. */
  close(): Promise<void>;
}

/** For a new run: whether a folder that holds files may be used; those of another run are removed. */
export interface NewRun {
  readonly overwrite: boolean;
}

/** For a run that goes on: how much of its event log stands; what came after is done again. */
export interface ResumedRun {
  readonly keptBytes: number;
}

/** Checks that a folder can take a run, without touching it. @throws when it holds files and `overwrite` is not set */
export function checkRunFolder(path: string, { overwrite }: NewRun): void {
  const stats = attempt("the output folder cannot be made", path, () =>
    statSync(path, { throwIfNoEntry: false }),
  );
  if (stats && !stats.isDirectory())
    fail("file", "the name of the output folder belongs to a file", {
      where: path,
      fix: "choose another --output-dir",
    });
  const held = stats ? attempt("the output folder cannot be read", path, () => readdirSync(path)) : [];
  if (held.length === 0 || overwrite) return;
  const names = `${held.slice(0, 3).join(", ")}${held.length > 3 ? ", …" : ""}`;
  const what = held.includes(MANIFEST)
    ? "the output folder holds another run"
    : `the output folder is not empty: it holds ${held.length} ${held.length === 1 ? "file" : "files"} (${names})`;
  fail("file", what, { where: path, fix: "choose another --output-dir, or give --overwrite-output-dir" });
}

/**
 * Makes the folder and opens its event log.
 * @throws as `checkRunFolder`; also when the folder cannot be written, or another run claims it at the same moment
 */
export async function openRunFolder(path: string, options: NewRun | ResumedRun): Promise<RunFolder> {
  const folder = resolve(path);
  const log = join(folder, EVENTS);
  if ("overwrite" in options) checkRunFolder(path, options);
  const file = "overwrite" in options ? createLog(folder, log) : reopenLog(log, options.keptBytes);
  return {
    folder,
    record(event) {
      attempt("the event cannot be written", log, () => appendWhole(file, `${JSON.stringify(event)}\n`));
      return event;
    },
    size: () => fstatSync(file).size,
    writeManifest: (manifest) =>
      writeFileAtomically(join(folder, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`),
    close: async () => closeSync(file),
  };
}

function createLog(folder: string, log: string): number {
  return attempt("the output folder cannot be made", folder, () => {
    mkdirSync(folder, { recursive: true });
    removeLeftovers(folder);
    for (const name of readdirSync(folder)) {
      if (OWN_FILES.includes(name) || CHECKPOINT.test(name) || EVENT_FILE.test(name))
        rmSync(join(folder, name), { force: true, recursive: true });
    }
    // "wx" fails when the file exists: of two runs that start at once, one gets the folder.
    return openSync(log, "wx");
  });
}

function reopenLog(log: string, keptBytes: number): number {
  return attempt("the event log of the run cannot be opened", log, () => {
    const file = openSync(log, "r+");
    const { size } = fstatSync(file);
    if (size < keptBytes)
      fail("checkpoint", `events.jsonl has ${size} bytes; the checkpoint was made after ${keptBytes}`, {
        where: log,
        fix: "give the --output-dir of the run that the checkpoint belongs to",
      });
    ftruncateSync(file, keptBytes);
    removeLeftovers(dirname(log));
    return file;
  });
}

/** Appends all of a text or, when the disk is full, nothing. */
function appendWhole(file: number, text: string): void {
  const bytes = new TextEncoder().encode(text);
  const before = fstatSync(file).size;
  try {
    for (let written = 0; written < bytes.length; )
      written += writeSync(file, bytes, written, bytes.length - written, before + written);
  } catch (error) {
    ftruncateSync(file, before);
    throw error;
  }
}

function attempt<Result>(what: string, path: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    if (error instanceof PhinetuneError) throw error;
    throw new PhinetuneError(fileFault(what, path, error), error);
  }
}
