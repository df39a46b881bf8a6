// Packed rows -> the loss and the gradients of the same rows alone; training on them, and going on with it.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { planAdapter } from "../../src/adapters/attach.js";
import { defaultLoraConfig } from "../../src/adapters/config.js";
import type { TrainingPlan } from "../../src/adapters/plan.js";
import { planWhole } from "../../src/adapters/whole.js";
import { batchesOfEpoch } from "../../src/data/batches.js";
import { type Batch, type Encoded, IGNORED_LABEL } from "../../src/data/types.js";
import { positionsOf, shiftedTargets } from "../../src/evaluate/loss.js";
import { loadPeftAdapter } from "../../src/export/peft.js";
import { fineTune } from "../../src/fine-tune.js";
import { elementCount } from "../../src/formats/tensor.js";
import { createGraph } from "../../src/graph/graph.js";
import { input } from "../../src/graph/value.js";
import { inspect } from "../../src/inspect.js";
import { openBaseModel } from "../../src/models/base_model.js";
import { attentionBias } from "../../src/nn/attention.js";
import { resolveTrainOptions, type TrainInput } from "../../src/options.js";
import { createRandom } from "../../src/random.js";
import { createSession, int64 } from "../../src/runtime/session.js";
import type { StepEvent, TrainEvent } from "../../src/train/events.js";
import { createObjective, type Gradients } from "../../src/train/objective.js";
import { comparableLog } from "../fixtures/run_log.js";
import { createTinyModel, temporaryFolder } from "../fixtures/tiny_model.js";
import { readAll, readBatch } from "../goldens/case_files.js";

const still = { seed: 0, step: 0, microBatch: 0 };

/** A row in which every token is trained, the first one too. */
function rowOf(index: number, length: number): Encoded {
  const random = createRandom(index, "row");
  const inputIds = Int32Array.from({ length }, () => random.nextUint32() % 32);
  return { source: "rows", line: index + 1, inputIds, labels: inputIds.slice(), truncatedTokens: 0 };
}
const encoded = [11, 3, 9, 2, 14, 7, 5].map((length, i) => rowOf(i, length));
const settings = { batchSize: 2, seed: 4, epoch: 0, groupByLength: false, padTokenId: 0 };
const packed = [...batchesOfEpoch(encoded, { ...settings, packedLength: 20 })];
const alone = [...batchesOfEpoch(encoded, { ...settings, batchSize: 1 })];

/** Sums over batches. */
async function differentiate(
  objective: Awaited<ReturnType<typeof createObjective>>,
  batches: readonly Batch[],
  values: ReadonlyMap<string, Float32Array>,
): Promise<Gradients> {
  const gradients = new Map<string, Float32Array>();
  let [loss, tokens] = [0, 0];
  for (const batch of batches) {
    const part = await objective.differentiate(batch, values, still);
    loss += part.loss;
    tokens += part.tokens;
    for (const [name, g] of part.gradients)
      gradients.set(
        name,
        g.map((x, i) => x + (gradients.get(name)?.[i] ?? 0)),
      );
  }
  return { loss, tokens, gradients };
}

function expectEqual(ours: Gradients, wanted: Gradients): void {
  expect(ours.tokens).toBe(wanted.tokens);
  expect(Math.abs(ours.loss - wanted.loss) / wanted.loss).toBeLessThan(1e-6);
  for (const [name, g] of wanted.gradients) {
    const scale = g.reduce((max, x) => Math.max(max, Math.abs(x)), 1e-2);
    for (const [i, x] of g.entries())
      expect(Math.abs(x - ours.gradients.get(name)![i]!) / scale, name).toBeLessThan(2e-5);
  }
}

function randomValues(plan: TrainingPlan): Map<string, Float32Array> {
  const random = createRandom(3, "values");
  return new Map(
    plan.parameters.map(({ name, shape }) => [
      name,
      Float32Array.from({ length: elementCount(shape) }, () => 0.3 * random.normal()),
    ]),
  );
}

const windowed = { use_sliding_window: true, sliding_window: 4, max_window_layers: 1 };

describe.each([
  ["phi", {}],
  ["phi", { qk_layernorm: true }],
  ["llama", {}],
  ["qwen2", {}],
  ["qwen2", windowed],
])("%s %j", (modelType, overrides) => {
  it.each(["adapter", "whole"])("has the loss and the gradients of its rows alone: %s", async (method) => {
    const base = await openBaseModel(await createTinyModel(modelType, { overrides }));
    const plan =
      method === "whole"
        ? planWhole(base)
        : planAdapter(base, { ...defaultLoraConfig, r: 2, targetModules: "all-linear", bias: "all" });
    const values = randomValues(plan);
    const objective = await createObjective(base, plan, { dropout: false });
    const wanted = await differentiate(objective, alone, values);
    const recomputing = await createObjective(base, plan, { dropout: false, gradientCheckpointing: true });
    expectEqual(await differentiate(recomputing, packed, values), wanted);
    await recomputing.release();
    expect(packed.some(({ attentionMask }) => Math.max(...attentionMask) >= 3)).toBe(true);
    expectEqual(await differentiate(objective, packed, values), wanted);
    // Padding before and behind the rows changes nothing.
    expectEqual(
      await differentiate(
        objective,
        packed.map((batch) => padded(batch, 3, 2)),
        values,
      ),
      wanted,
    );
    await objective.release();
  });
});

/** A batch with `before` and `after` more tokens of padding a sequence; what padding would predict is not trained. */
function padded(
  { B, T, inputIds, attentionMask, labels, rows }: Batch,
  before: number,
  after: number,
): Batch {
  const widen = (values: Int32Array, filler: number): Int32Array =>
    Int32Array.from({ length: B * (before + T + after) }, (_, i) => {
      const t = (i % (before + T + after)) - before;
      return t >= 0 && t < T ? values[Math.trunc(i / (before + T + after)) * T + t]! : filler;
    });
  return {
    B,
    T: before + T + after,
    inputIds: widen(inputIds, 5),
    attentionMask: widen(attentionMask, 0),
    labels: widen(
      labels.map((label, i) => (i % T === 0 ? IGNORED_LABEL : label)),
      IGNORED_LABEL,
    ),
    rows,
  };
}

describe.each(["phi_qv", "phi_all_bias_all", "llama_tied", "qwen2_untied_bias_all", "qwen2_sliding_window"])(
  "the golden case %s, its three rows packed into one sequence",
  (name) => {
    it("has PyTorch's loss and gradients of the rows alone", async () => {
      const folder = new URL(`../goldens/cases/${name}`, import.meta.url).pathname;
      const expected = await readAll(join(folder, "expected.safetensors"));
      const base = await openBaseModel(join(folder, "model"));
      const { plan, values } = await loadPeftAdapter(join(folder, "adapter"), base);
      const { B, T, inputIds, attentionMask, labels } = readBatch(folder);
      const rows = Array.from({ length: B }, (_, b): Encoded => {
        const end = b * T + attentionMask.subarray(b * T, (b + 1) * T).filter((bit) => bit === 1).length;
        const part = (all: Int32Array) => all.slice(b * T, end);
        return {
          source: name,
          line: b + 1,
          inputIds: part(inputIds),
          labels: part(labels),
          truncatedTokens: 0,
        };
      });
      const batches = [...batchesOfEpoch(rows, { ...settings, packedLength: B * T })];
      const real = attentionMask.reduce((sum, bit) => sum + bit, 0);
      expect(real).toBeGreaterThan(T);
      expect(batches.map((batch) => [batch.B, batch.T])).toEqual([[1, real]]);
      const objective = await createObjective(base, plan, { dropout: false });
      const { loss, tokens, gradients } = await objective.differentiate(batches[0]!, values, still);
      await objective.release();
      expect(Math.abs(loss / tokens - expected.get("loss")![0]!)).toBeLessThan(1e-6);
      for (const { name: parameter, peftName } of plan.parameters) {
        const wanted = expected.get(`grad/${peftName}`)!;
        const scale = wanted.reduce((max, x) => Math.max(max, Math.abs(x)), 0);
        for (const [i, x] of wanted.entries())
          expect(Math.abs(gradients.get(parameter)![i]! / tokens - x), peftName).toBeLessThan(
            1e-4 * scale + 1e-8,
          );
      }
    });
  },
);

describe("what a token sees", () => {
  /** 1 where query t may see key s. */
  async function seen(mask: readonly number[], window?: number): Promise<string[]> {
    const T = mask.length;
    const inputs = {
      ids: input("input_ids", "int64", ["B", "T"]),
      positions: input("position_ids", "int64", ["B", "T"]),
      attentionMask: input("attention_mask", "int64", ["B", "T"]),
      keys: "T",
      maxPositions: 1,
    };
    const session = await createSession(createGraph({ bias: attentionBias(inputs, window) }));
    const { bias } = await session.run({
      attention_mask: { dims: [1, T], data: int64(Int32Array.from(mask)) },
    });
    await session.release();
    const values = bias!.data as Float32Array;
    return mask.map((_, t) =>
      [...values.subarray(t * T, (t + 1) * T)].map((x) => (x === 0 ? "1" : ".")).join(""),
    );
  }

  it("is its own row up to itself", async () => {
    expect((await seen([1, 1, 1, 2, 2, 3])).join(" ")).toBe("1..... 11.... 111... ...1.. ...11. .....1");
  });

  it("is less within a window", async () => {
    expect((await seen([1, 1, 1, 2, 2, 2], 2)).join(" ")).toBe("1..... 11.... .11... ...1.. ...11. ....11");
  });

  it("is no padding, on either side or between; and padding sees itself, so that no row of weights is empty", async () => {
    const mask = [0, 1, 0, 1, 2, 0];
    const rows = await seen(mask);
    for (const [t, row] of rows.entries()) {
      expect(row[t]).toBe("1");
      if (mask[t]! > 0) expect(row).toBe(mask.map((s, i) => (s === mask[t] && i <= t ? "1" : ".")).join(""));
    }
  });

  it("has positions from 0 in each row, and predicts no other row", () => {
    const [batch] = [...batchesOfEpoch(encoded.slice(0, 3), { ...settings, packedLength: 30 })];
    const { B, T, attentionMask, inputIds, rows } = batch!;
    const lengths = rows.map((row) => encoded[row]!.inputIds.length);
    expect([B, T]).toEqual([1, 23]);
    expect(positionsOf(attentionMask, B, T)).toEqual(
      lengths.flatMap((n) => Array.from({ length: n }, (_, t) => t)),
    );
    const starts = lengths.map((_, i) => lengths.slice(0, i).reduce((a, b) => a + b, 0));
    const { rows: places, ids } = shiftedTargets(batch!);
    expect(places.map((t) => t + 1)).toEqual(
      Array.from({ length: T }, (_, t) => t).filter((t) => !starts.includes(t)),
    );
    expect(ids).toEqual(places.map((t) => inputIds[t + 1]));
  });
});

describe("inspect", () => {
  const ids = [4, 9, 3, 7, 5, 8];
  const lossOf = async (inputs: Readonly<Record<string, number[][]>>) => {
    const folder = temporaryFolder();
    const [model, file] = [await createTinyModel("qwen2"), join(folder, "inputs.json")];
    writeFileSync(file, JSON.stringify(inputs));
    return (await inspect({ model, inputs: file, output: join(folder, "out.safetensors") })).loss!;
  };

  it("takes rows that share a sequence by their numbers in attention_mask", async () => {
    const shared = { input_ids: [ids], labels: [ids], attention_mask: [[1, 1, 1, 2, 2, 2]] };
    const apart = [ids.slice(0, 3), ids.slice(3)];
    const wanted = await lossOf({ input_ids: apart, labels: apart });
    expect(await lossOf(shared)).toBeCloseTo(wanted, 5);
    expect(await lossOf({ ...shared, attention_mask: [[1, 1, 1, 1, 1, 1]] })).not.toBeCloseTo(wanted, 2);
  });

  it("refuses numbers that fall, and what is no number of a row", async () => {
    const refused = (mask: number[]) =>
      expect(lossOf({ input_ids: [ids], labels: [ids], attention_mask: [mask] })).rejects;
    await refused([1, 1, 2, 0, 1, 0]).toThrow('"attention_mask" goes from 2 down to 1 in row 1');
    await refused([1, 1, 1.5, 2, 2, 2]).toThrow('"attention_mask" holds 1.5 in row 1');
    await refused([1, 1, -1, 2, 2, 2]).toThrow('"attention_mask" holds -1 in row 1');
  });
});

describe("a run with packing", () => {
  const work = temporaryFolder();
  let model: string;
  beforeAll(async () => {
    model = await createTinyModel("phi");
    const rows = Array.from({ length: 24 }, (_, i) => {
      const ids = Array.from({ length: 4 + ((i * 5) % 7) }, (_, t) => 3 + ((i * 3 + t * 7) % 29));
      return JSON.stringify({ input_ids: ids, labels: ids.map((id, t) => (t < 2 ? IGNORED_LABEL : id)) });
    });
    writeFileSync(join(work, "rows.jsonl"), rows.join("\n"));
    writeFileSync(join(work, "held.jsonl"), rows.slice(0, 5).join("\n"));
  });

  const optionsOf = (name: string, more: Partial<TrainInput> = {}): TrainInput => ({
    model,
    dataset: join(work, "rows.jsonl"),
    evalDataset: join(work, "held.jsonl"),
    packing: true,
    maxLength: 24,
    perDeviceTrainBatchSize: 2,
    gradientAccumulationSteps: 2,
    learningRate: 0.02,
    loraTargetModules: "all-linear",
    loraDropout: 0.1,
    maxSteps: 8,
    numThreads: 1,
    saveSteps: 3,
    outputDir: join(work, name),
    ...more,
  });
  async function run(
    options: TrainInput,
    kill: (event: TrainEvent) => boolean = () => false,
  ): Promise<readonly TrainEvent[]> {
    const events: TrainEvent[] = [];
    for await (const event of fineTune(resolveTrainOptions(options))) {
      events.push(event);
      if (kill(event)) break;
    }
    return events;
  }
  const only = <Type extends TrainEvent["type"]>(events: readonly TrainEvent[], type: Type) =>
    events.filter((event): event is Extract<TrainEvent, { type: Type }> => event.type === type);
  const bytesOf = (...path: string[]) => readFileSync(join(work, ...path)).toString("base64");

  it("counts sequences, trains on every row once an epoch, and learns", async () => {
    const events = await run(optionsOf("learns", { maxSteps: -1, numTrainEpochs: 20, loraDropout: 0 }));
    const [started] = only(events, "started");
    const { sequences, limit, padding, unpacked } = started!.packing!;
    // 24 rows of 4 to 10 tokens, 167 in all; 7 sequences of 24 hold 168.
    expect([sequences, limit]).toEqual([7, 24]);
    expect(padding).toBeLessThan(unpacked + 0.1);
    expect([started!.train_rows, started!.steps_per_epoch, started!.max_steps]).toEqual([24, 2, 40]);
    const steps: readonly StepEvent[] = only(events, "step");
    expect(steps).toHaveLength(40);
    const tokens = steps[1]!.num_tokens;
    expect(steps.at(-1)!.num_tokens).toBe(20 * tokens);
    const [before, after] = only(events, "evaluated");
    expect(after!.eval_loss).toBeLessThan(before!.eval_loss - 1);
    expect(steps.at(-1)!.loss).toBeLessThan(steps[0]!.loss - 1);
  });

  it("is the run without packing where every row fills a sequence", async () => {
    const full = Array.from({ length: 6 }, (_, i) =>
      JSON.stringify({ input_ids: Array.from({ length: 8 }, (_, t) => 3 + ((i + 5 * t) % 29)) }),
    );
    writeFileSync(join(work, "full.jsonl"), full.join("\n"));
    const options = { dataset: join(work, "full.jsonl"), maxLength: 8, numTrainEpochs: 1, maxSteps: -1 };
    const more = { perDeviceTrainBatchSize: 6, gradientAccumulationSteps: 1, loraDropout: 0 };
    const [first, second] = [
      await run(optionsOf("full-packed", { ...options, ...more })),
      await run(optionsOf("full", { ...options, ...more, packing: false })),
    ];
    expect(only(first, "step")[0]!.loss).toBeCloseTo(only(second, "step")[0]!.loss, 5);
    expect(only(first, "step")[0]!.grad_norm).toBeCloseTo(only(second, "step")[0]!.grad_norm, 4);
  });

  it("goes on after it was killed to the bytes of the run that was not", async () => {
    await run(optionsOf("through"));
    for (const step of [4, 7]) {
      const name = `killed-${step}`;
      await run(optionsOf(name), (event) => event.type === "step" && event.step === step);
      await run(optionsOf(name, { resumeFromCheckpoint: "last" }));
      expect(bytesOf(name, "adapter_model.safetensors")).toBe(
        bytesOf("through", "adapter_model.safetensors"),
      );
      expect(bytesOf(name, "checkpoint-6", "optimizer.safetensors")).toBe(
        bytesOf("through", "checkpoint-6", "optimizer.safetensors"),
      );
      expect(comparableLog(join(work, name))).toEqual(comparableLog(join(work, "through")));
    }
  });

  it("does not go on without packing, nor the other way round", async () => {
    await expect(run(optionsOf("through", { packing: false, resumeFromCheckpoint: "last" }))).rejects.toThrow(
      "--packing is false; the run was started with true",
    );
  });
});
