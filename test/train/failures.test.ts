// A run that something breaks, at each of its stages -> a last event that says so, a report, and the error itself.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { PhinetuneError } from "../../src/errors.js";
import { fineTune } from "../../src/fine-tune.js";
import { resolveTrainOptions } from "../../src/options.js";
import { failOnRuntime, isOutOfMemory } from "../../src/runtime/errors.js";
import type { FailedEvent, TrainEvent } from "../../src/train/events.js";
import { createTinyModel, temporaryFolder } from "../fixtures/tiny_model.js";

const work = temporaryFolder();
const STEPS = 3;
let model: string;
let outputDir: string;
let runs = 0;

beforeEach(async () => {
  model = await createTinyModel("phi");
  outputDir = join(work, `run-${runs++}`);
  const row = JSON.stringify({ input_ids: [3, 4, 5, 6], labels: [-100, 4, 5, 6] });
  writeFileSync(join(work, "rows.jsonl"), `${row}\n`.repeat(4));
});

/** Trains, and breaks something when an event comes. */
async function broken(isDue: (event: TrainEvent) => boolean, damage: () => void) {
  const options = resolveTrainOptions({
    model,
    dataset: join(work, "rows.jsonl"),
    evalSize: 1,
    maxSteps: STEPS,
    saveSteps: 2,
    outputDir,
  });
  const events: TrainEvent[] = [];
  let error: unknown;
  try {
    for await (const event of fineTune(options)) {
      events.push(event);
      if (isDue(event)) damage();
    }
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(PhinetuneError);
  const written = readFileSync(join(outputDir, "events.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as TrainEvent);
  return { error: error as PhinetuneError, last: events.at(-1) as FailedEvent, written };
}

describe("a run whose", () => {
  it("weights vanish before the first step", async () => {
    const { error, last, written } = await broken(
      ({ type }) => type === "expected",
      () => rmSync(join(model, "model.safetensors")),
    );
    expect(last).toEqual({ type: "failed", step: 0, message: error.message });
    expect(written.at(-1)).toEqual(last);
    expect(readFileSync(join(outputDir, "report.html"), "utf8")).toContain("failed");
  });

  it("adapter cannot be written after the last step", async () => {
    const { error, last, written } = await broken(
      (event) => event.type === "step" && event.step === STEPS,
      () => mkdirSync(join(outputDir, "adapter_model.safetensors")),
    );
    expect(last).toEqual({ type: "failed", step: STEPS, message: error.message });
    expect(written.at(-1)).toEqual(last);
    expect(existsSync(join(outputDir, "checkpoint-2"))).toBe(true);
  });
});

describe("memory that ran out", () => {
  it("is known by what onnxruntime, C++ and V8 say", () => {
    for (const message of [
      "Non-zero status code returned while running MatMul node. Failed to allocate memory for requested buffer of size 1073741824",
      "std::bad_alloc",
      "Array buffer allocation failed",
      "Invalid typed array length: 8589934592",
    ]) {
      expect(isOutOfMemory(new Error(message)), message).toBe(true);
      expect(() => failOnRuntime("onnxruntime failed", new Error(message))).toThrow(/smaller batches/);
    }
    expect(() =>
      failOnRuntime(
        "onnxruntime failed",
        new Error(
          "while running Gemm node. Name:'model.layers.0.mlp.fc1/gemm_3' Status Message: bfc_arena.cc:360 Failed to allocate memory for requested buffer of size 168296448",
        ),
      ),
    ).toThrow("the system has no further 169 MB for model.layers.0.mlp.fc1/gemm_3");
    const badAlloc = "while running Gemm node. Name:'lm_head/gemm' Status Message: std::bad_alloc";
    expect(() => failOnRuntime("onnxruntime failed", new Error(badAlloc))).toThrow(
      "the system has no further memory for lm_head/gemm",
    );
    expect(isOutOfMemory(new Error("Invalid argument"))).toBe(false);
    expect(isOutOfMemory("no error")).toBe(false);
  });
});
