// The program with less memory than its run needs -> an error that names the largest part, and a run folder that tells it.
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { BINARY } from "../fixtures/binary.js";
import { temporaryFolder } from "../fixtures/tiny_model.js";

const work = temporaryFolder();
afterAll(() => rmSync(work, { recursive: true, force: true }));

const output = join(work, "run");
const words = [
  "train",
  "--model",
  "assets/tiny-phi",
  "--dataset",
  "assets/instructions/train.jsonl",
  "--max-steps",
  "2",
  "--per-device-train-batch-size",
  "512",
  "--output-dir",
  output,
];

// Only Linux holds a process to a limit of its private memory.
it.runIf(process.platform === "linux")("memory that really runs out names its largest part", () => {
  const kilobytes = 800_000;
  const command = `ulimit -d ${kilobytes}; exec "$0" "$@"`;
  const { status, stderr, stdout } = spawnSync(
    "sh",
    ["-c", command, process.execPath, BINARY, ...words, "--json"],
    {
      encoding: "utf8",
    },
  );
  expect(status, stderr).toBe(1);
  const { error } = JSON.parse(stdout) as {
    error: { faults: readonly { code: string; what: string; fix: string }[] };
  };
  expect(error.faults).toHaveLength(1);
  const { code, what, fix } = error.faults[0]!;
  expect(code).toBe("memory");
  expect(what).toMatch(
    /^memory ran out: the system has no further (?:\d+ MB|memory) for model\.layers\.\d+\./,
  );
  expect(fix).toMatch(/^the largest part \(\d\.\d GB\) is activations: give --gradient-checkpointing/);
  expect(stderr).not.toMatch(/onnxruntime_src|heap out of memory/);
  const events = readFileSync(join(output, "events.jsonl"), "utf8").trim().split("\n");
  expect(JSON.parse(events.at(-1)!)).toMatchObject({ type: "failed", step: 0 });
  expect(readFileSync(join(output, "report.html"), "utf8")).toContain("memory ran out");
});
