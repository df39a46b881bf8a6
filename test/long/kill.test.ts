// The program, killed at random instants and started again -> the bytes of a run that nobody killed; and a disk that fills up.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRandom } from "../../src/random.js";
import { checkpointSteps } from "../../src/train/checkpoint.js";
import { BINARY, runBinary } from "../fixtures/binary.js";
import { comparableLog } from "../fixtures/run_log.js";
import { createTinyModel, temporaryFolder } from "../fixtures/tiny_model.js";

const KILLS = 50;
const STEPS = 30;
const LAST_CHECKPOINT = `checkpoint-${STEPS - 1}`;

const work = temporaryFolder();
const disk = join(work, "disk");
const isMounted = mountSmallDisk(disk, 400_000);
afterAll(() => {
  if (isMounted) execFileSync("umount", [disk]);
  rmSync(work, { recursive: true, force: true });
});
let words: readonly string[];

beforeAll(async () => {
  const rows = Array.from({ length: 12 }, (_, i) => {
    const ids = Array.from({ length: 4 + ((i * 5) % 7) }, (_, t) => 3 + ((i * 11 + t * 7) % 29));
    return JSON.stringify({ input_ids: ids, labels: ids.map((id, t) => (t < 2 ? -100 : id)) });
  });
  writeFileSync(join(work, "rows.jsonl"), rows.join("\n"));
  const model = await createTinyModel("phi");
  const options = {
    model,
    dataset: join(work, "rows.jsonl"),
    "eval-size": 2,
    "eval-strategy": "steps",
    "eval-steps": 10,
    "per-device-train-batch-size": 2,
    "learning-rate": 0.01,
    "lora-dropout": 0.3,
    "max-steps": STEPS,
    "save-steps": 1,
    "save-total-limit": 3,
    "num-threads": 1,
  };
  words = ["train", ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, `${value}`])];
  const { code, stderr } = await runBinary([...words, "--output-dir", join(work, "through")]);
  expect(code, stderr).toBe(0);
}, 60_000);

/** Bytes of what the run made, and of the optimizer before its last step. */
const bytesOf = (name: string) =>
  ["adapter_model.safetensors", `${LAST_CHECKPOINT}/optimizer.safetensors`].map((path) =>
    readFileSync(join(work, name, path)).toString("base64"),
  );

const temporaries = (folder: string) =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true }).filter((path) => /\.tmp$/.test(`${path}`))
    : [];

/** Starts a run, or goes on with it where a checkpoint stands. */
function start(folder: string): ChildProcess {
  const more =
    checkpointSteps(folder).length > 0 ? ["--resume-from-checkpoint", "last"] : ["--overwrite-output-dir"];
  return spawn(process.execPath, [BINARY, ...words, "--output-dir", folder, ...more], { stdio: "ignore" });
}

const ended = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => child.once("exit", (code) => resolve(code)));

/** Waits until the run has written another event, or has ended: what happens before is only Node's start. */
async function untilItWrites(child: ChildProcess, folder: string): Promise<void> {
  const log = join(folder, "events.jsonl");
  const size = () => (existsSync(log) ? readFileSync(log).length : 0);
  // A new run empties the log, one that goes on cuts it: any change is a sign of life.
  for (const before = size(); size() === before && child.exitCode === null; ) await sleep(2);
}

/** Waits until something half-written lies in the folder, or the run has ended: a save takes a few milliseconds. */
async function untilItSaves(child: ChildProcess, folder: string): Promise<void> {
  while (child.exitCode === null && temporaries(folder).length === 0)
    await new Promise((resolve) => setImmediate(resolve));
}

describe("killed with SIGKILL at random instants", () => {
  it(`${KILLS} times and more, every run ends with the bytes of one that ran through`, async () => {
    const random = createRandom(1, "kills");
    let [kills, whileSaving, runs] = [0, 0, 0];
    while (kills < KILLS) {
      const name = `killed-${runs++}`;
      const folder = join(work, name);
      // Some runs are killed again and again before they may end.
      for (let left = 1 + Math.floor(4 * random.nextFloat()); ; left--) {
        const child = start(folder);
        const end = ended(child);
        if (left <= 0) {
          expect(await end, name).toBe(0);
          break;
        }
        await untilItWrites(child, folder);
        await sleep(150 * random.nextFloat());
        // Every other kill is aimed at the next save.
        if (random.nextFloat() < 0.5) await untilItSaves(child, folder);
        child.kill("SIGKILL");
        if ((await end) === 0) break;
        kills++;
        if (temporaries(folder).length > 0) whileSaving++;
      }
      expect(bytesOf(name), name).toEqual(bytesOf("through"));
      expect(comparableLog(folder), name).toEqual(comparableLog(join(work, "through")));
      expect(temporaries(folder), name).toEqual([]);
    }
    console.log(`${kills} kills of ${runs} runs, ${whileSaving} of them while something was being saved`);
    expect(whileSaving).toBeGreaterThan(0);
  });
});

/** A file system of a size, where the machine lets us mount one. */
function mountSmallDisk(path: string, bytes: number): boolean {
  mkdirSync(path);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${bytes}`, "tmpfs", path], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

describe("a disk that fills up during a save", () => {
  it.skipIf(!isMounted)(
    "(skipped where no tmpfs can be mounted) keeps all that was saved before",
    async () => {
      const folder = join(disk, "run");
      const unlimited = words.with(words.indexOf("--save-total-limit") + 1, "0");
      const { code, stderr } = await runBinary([...unlimited, "--output-dir", folder]);
      expect(code).toBe(1);
      expect(stderr).toContain("the disk is full");
      const steps = checkpointSteps(folder);
      expect(steps.length).toBeGreaterThan(1);
      expect(temporaries(folder)).toEqual([]);

      // Every checkpoint leads to the end of a run that had room enough.
      for (const step of [steps[0]!, steps.at(-1)!]) {
        const name = `moved-${step}`;
        cpSync(folder, join(work, name), { recursive: true });
        const from = join(work, name, `checkpoint-${step}`);
        const resumed = ["--output-dir", join(work, name), "--resume-from-checkpoint", from];
        const again = await runBinary([...words, ...resumed]);
        expect(again.code, again.stderr).toBe(0);
        expect(bytesOf(name)).toEqual(bytesOf("through"));
        expect(comparableLog(join(work, name))).toEqual(comparableLog(join(work, "through")));
      }
    },
  );
});
