// A run that is stopped anywhere and goes on -> the same adapter, optimizer and events as one that ran through, byte for byte.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { PhinetuneError } from "../../src/errors.js";
import { fineTune } from "../../src/fine-tune.js";
import { resolveTrainOptions, type TrainInput } from "../../src/options.js";
import { checkpointSteps, pruneCheckpoints } from "../../src/train/checkpoint.js";
import type { TrainEvent } from "../../src/train/events.js";
import { comparableLog } from "../fixtures/run_log.js";
import { createTinyModel, temporaryFolder } from "../fixtures/tiny_model.js";

const work = temporaryFolder();
let model: string;

/** 10 rows of unequal lengths: 5 batches an epoch, 3 updates with accumulation. */
beforeAll(async () => {
  model = await createTinyModel("phi");
  const rows = Array.from({ length: 10 }, (_, i) => {
    const ids = Array.from({ length: 4 + ((i * 5) % 7) }, (_, t) => 3 + ((i * 11 + t * 7) % 29));
    return JSON.stringify({ input_ids: ids, labels: ids.map((id, t) => (t < 2 ? -100 : id)) });
  });
  writeFileSync(join(work, "rows.jsonl"), rows.join("\n"));
  writeFileSync(join(work, "held.jsonl"), rows.slice(0, 3).join("\n"));
});

function optionsOf(name: string, more: Partial<TrainInput> = {}): TrainInput {
  return {
    model,
    dataset: join(work, "rows.jsonl"),
    evalDataset: join(work, "held.jsonl"),
    evalStrategy: "steps",
    evalSteps: 2,
    perDeviceTrainBatchSize: 2,
    gradientAccumulationSteps: 2,
    learningRate: 0.01,
    loraDropout: 0.3,
    loraBias: "lora_only",
    weightDecay: 0.1,
    maxSteps: 8,
    numThreads: 1,
    saveSteps: 3,
    outputDir: join(work, name),
    ...more,
  };
}

/** Runs until the end, or until `stop` says so: then the process is as good as killed, or is asked to stop. */
async function run(
  options: TrainInput,
  stop: {
    readonly kill?: (event: TrainEvent) => boolean;
    readonly abort?: (event: TrainEvent) => boolean;
  } = {},
): Promise<readonly TrainEvent[]> {
  const controller = new AbortController();
  const events: TrainEvent[] = [];
  for await (const event of fineTune(resolveTrainOptions(options), { signal: controller.signal })) {
    events.push(event);
    if (stop.kill?.(event)) break;
    if (stop.abort?.(event)) controller.abort();
  }
  return events;
}

const isStep = (step: number) => (event: TrainEvent) => event.type === "step" && event.step === step;

const logOf = (name: string) => comparableLog(join(work, name));

const bytesOf = (...path: string[]) => readFileSync(join(work, ...path)).toString("base64");

function expectSame(name: string, checkpoint: string): void {
  expect(bytesOf(name, "adapter_model.safetensors")).toBe(bytesOf("through", "adapter_model.safetensors"));
  expect(bytesOf(name, checkpoint, "optimizer.safetensors")).toBe(
    bytesOf("through", checkpoint, "optimizer.safetensors"),
  );
  expect(logOf(name)).toEqual(logOf("through"));
}

describe("a run that goes on", () => {
  beforeAll(async () => {
    await run(optionsOf("through"));
  });

  it("saved checkpoints on its way", () => {
    expect(checkpointSteps(join(work, "through"))).toEqual([3, 6]);
    expect(readdirSync(join(work, "through", "checkpoint-6")).sort()).toEqual([
      "adapter_config.json",
      "adapter_model.safetensors",
      "optimizer.safetensors",
      "trainer_state.json",
    ]);
  });

  it.each([4, 5, 6, 7])("after it was killed in step %i ends as the one that ran through", async (step) => {
    const name = `killed-${step}`;
    await run(optionsOf(name), { kill: isStep(step) });
    expect(existsSync(join(work, name, "adapter_model.safetensors"))).toBe(false);
    await run(optionsOf(name, { resumeFromCheckpoint: "last" }));
    expectSame(name, "checkpoint-6");
  });

  it("after it was killed twice, and from an older checkpoint than the last, too", async () => {
    await run(optionsOf("twice"), { kill: isStep(4) });
    await run(optionsOf("twice", { resumeFromCheckpoint: "last" }), { kill: isStep(7) });
    await run(optionsOf("twice", { resumeFromCheckpoint: join(work, "twice", "checkpoint-3") }));
    expectSame("twice", "checkpoint-6");
  });

  it.each([1, 2, 5])(
    "after it was asked to stop in step %i, which saves a checkpoint there",
    async (step) => {
      const name = `asked-${step}`;
      const events = await run(optionsOf(name), { abort: isStep(step) });
      expect(events.at(-1)).toMatchObject({ type: "finished", interrupted: true, step });
      expect(checkpointSteps(join(work, name)).at(-1)).toBe(step);
      await run(optionsOf(name, { resumeFromCheckpoint: "last" }));
      expect(bytesOf(name, "adapter_model.safetensors")).toBe(
        bytesOf("through", "adapter_model.safetensors"),
      );
    },
  );

  it("after it was asked to stop before the first step", async () => {
    const events = await run(optionsOf("at-once"), { abort: ({ type }) => type === "started" });
    expect(events.some(({ type }) => type === "step")).toBe(false);
    expect(events.at(-1)).toMatchObject({ interrupted: true, step: 0 });
  });

  it("passes over what a killed process left half-written", async () => {
    await run(optionsOf("torn"), { kill: isStep(4) });
    const torn = join(work, "torn", ".checkpoint-6.3f3c7c7c-3f91-47f9-bb50-2b58b597787b.tmp");
    mkdirSync(torn);
    writeFileSync(join(torn, "adapter_model.safetensors"), "half");
    writeFileSync(
      join(work, "torn", "events.jsonl"),
      `${readFileSync(join(work, "torn", "events.jsonl"), "utf8")}{"type":"st`,
    );
    await run(optionsOf("torn", { resumeFromCheckpoint: "last" }));
    expect(existsSync(torn)).toBe(false);
    expectSame("torn", "checkpoint-6");
  });

  it("works for a whole model as for an adapter", async () => {
    const whole = {
      method: "full",
      loraDropout: undefined,
      loraBias: undefined,
      saveDtype: "float16",
    } as const;
    await run(optionsOf("whole", whole));
    await run(optionsOf("whole-killed", whole), { kill: isStep(5) });
    await run(optionsOf("whole-killed", { ...whole, resumeFromCheckpoint: "last" }));
    expect(bytesOf("whole-killed", "model.safetensors")).toBe(bytesOf("whole", "model.safetensors"));
  });
});

describe("a checkpoint", () => {
  const faultsOf = async (options: TrainInput): Promise<string> => {
    try {
      await run(options);
    } catch (error) {
      if (error instanceof PhinetuneError) return error.message;
      throw error;
    }
    return "";
  };
  const copyOf = (name: string) => {
    cpSync(join(work, "through"), join(work, name), { recursive: true });
    return optionsOf(name, { resumeFromCheckpoint: "last" });
  };

  it("is refused when options, data or base have changed, with every difference", async () => {
    const options = copyOf("changed");
    const message = await faultsOf({ ...options, learningRate: 0.02, loraAlpha: 3 });
    expect(message).toContain("--learning-rate is 0.02; the run was started with 0.01");
    expect(message).toContain("--lora-alpha is 3; the run was started with 8");
    const renamed = join(work, "other");
    mkdirSync(renamed);
    writeFileSync(join(renamed, "rows.jsonl"), readFileSync(join(work, "held.jsonl")));
    expect(await faultsOf({ ...options, dataset: join(renamed, "rows.jsonl") })).toMatch(
      /the hash of rows.jsonl is \w{12}…; the run was started with \w{12}…/,
    );
    const other = await createTinyModel("phi", { seed: 9 });
    expect(await faultsOf({ ...options, model: other })).toMatch(/the hash of model.safetensors/);
  });

  it("is looked for where there is none with a clear answer", async () => {
    expect(await faultsOf(optionsOf("nowhere", { resumeFromCheckpoint: "last" }))).toContain(
      "there is no checkpoint to go on from",
    );
    expect(await faultsOf(optionsOf("nowhere", { resumeFromCheckpoint: join(work, "through") }))).toContain(
      "is no checkpoint",
    );
    expect(() => resolveTrainOptions({ model, dataset: "d", resumeFromCheckpoint: "last" })).toThrow(
      /needs --output-dir/,
    );
    const { outputDir } = resolveTrainOptions({
      model,
      dataset: "d",
      resumeFromCheckpoint: "runs/a/checkpoint-3/",
    });
    expect(outputDir).toBe("runs/a");
  });

  it.each([
    ["step", 2.5],
    ["num_tokens", 1e300],
    ["fingerprint", {}],
    ["fingerprint", { options: null, hashes: {}, phinetune: "" }],
    ["best", { step: 1, value: "1", without_improvement: 0 }],
    ["watch", { mean: 1, least: 1, start: 1 }],
    ["earlier", [{ answer: 1, stopped: true, tokens: 2 }]],
    ["earlier", undefined],
  ])("whose state has a damaged %s, %j, is refused", async (key, value) => {
    const options = copyOf("unsound");
    const path = join(work, "unsound", "checkpoint-6", "trainer_state.json");
    const state = JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
    writeFileSync(path, JSON.stringify({ ...state, [key]: value }));
    expect(await faultsOf(options)).toContain(`the state of the training is damaged: ${key}`);
  });

  it("with any byte of its state changed gives a run or a PhinetuneError", async () => {
    const options = copyOf("damaged");
    const path = join(work, "damaged", "checkpoint-6", "trainer_state.json");
    const good = readFileSync(path);
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const bytes = Buffer.from(good);
        bytes[at]! ^= flip;
        writeFileSync(path, bytes);
        await faultsOf(options).catch((error: unknown) => {
          throw new Error(`byte ${at} ^ ${flip}: ${String(error)}`);
        });
      }),
      { numRuns: 12 },
    );
    writeFileSync(path, good.subarray(0, 40));
    expect(await faultsOf(options)).toContain("trainer_state.json");
    writeFileSync(path, good);
    const moments = join(work, "damaged", "checkpoint-6", "optimizer.safetensors");
    renameSync(moments, `${moments}.away`);
    expect(await faultsOf(options)).toContain("optimizer.safetensors");
  });
});

describe("the best evaluation", () => {
  it("is what is saved, and the training ends when nothing gets better", async () => {
    const options = optionsOf("best", {
      evalSteps: 1,
      maxSteps: 60,
      learningRate: 0.2,
      lrSchedulerType: "constant",
      loadBestModelAtEnd: true,
      earlyStoppingPatience: 3,
      saveTotalLimit: 1,
      saveSteps: 1,
    });
    const events = await run(options);
    const losses = events.flatMap((event) =>
      event.type === "evaluated" && event.phase === "during" ? [event.eval_loss] : [],
    );
    const least = Math.min(...losses);
    const finished = events.at(-1);
    expect(losses.length).toBeLessThan(60);
    expect(losses.indexOf(least)).toBe(losses.length - 4);
    expect(finished).toMatchObject({ type: "finished", best_step: losses.length - 3, best_metric: least });
    const after = events.find((event) => event.type === "evaluated" && event.phase === "after");
    expect((after as { eval_loss: number }).eval_loss).toBeCloseTo(least, 6);
    expect(checkpointSteps(join(work, "best"))).toContain(losses.length - 3);
    expect(checkpointSteps(join(work, "best")).length).toBeLessThanOrEqual(2);
  });

  it("by a metric that no evaluation has is refused with those it has", async () => {
    const options = optionsOf("unknown", { loadBestModelAtEnd: true, metricForBestModel: "eval_rouge" });
    await expect(run(options)).rejects.toThrow(
      /rouge, which this evaluation does not have.*loss, mean_token_accuracy/,
    );
  });
});

it("the oldest checkpoints go first, but neither the newest nor the best", async () => {
  const folder = join(work, "many");
  for (const step of [5, 10, 100, 20]) mkdirSync(join(folder, `checkpoint-${step}`), { recursive: true });
  await pruneCheckpoints(folder, 3, 0);
  expect(checkpointSteps(folder)).toEqual([10, 20, 100]);
  await pruneCheckpoints(folder, 2, 10);
  expect(checkpointSteps(folder)).toEqual([10, 100]);
  await pruneCheckpoints(folder, 1, 10);
  expect(checkpointSteps(folder)).toEqual([10, 100]);
  await pruneCheckpoints(folder, 0, 0);
  expect(checkpointSteps(folder)).toEqual([10, 100]);
});
