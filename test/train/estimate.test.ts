// Graphs and sizes -> the memory that they need: buffers counted by hand, and what the arena of onnxruntime does with them.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planAdapter } from "../../src/adapters/attach.js";
import { defaultLoraConfig } from "../../src/adapters/config.js";
import { gradients } from "../../src/graph/autodiff.js";
import { createGraph } from "../../src/graph/graph.js";
import { add, crossEntropy, gemm, nf4Linear, reduceSum, reshape } from "../../src/graph/ops.js";
import { input, type Value, weight } from "../../src/graph/value.js";
import { openBaseModel } from "../../src/models/base_model.js";
import { createArena } from "../../src/runtime/arena.js";
import { calibrationBatches, fitPace, type Pace, secondsOf } from "../../src/train/calibrate.js";
import { estimateRuns } from "../../src/train/estimate.js";
import {
  adviceOn,
  estimateMemory,
  type MemoryParts,
  refuseHopeless,
  totalOf,
  withChunks,
} from "../../src/train/memory.js";
import { buildTrainingGraph } from "../../src/train/objective.js";
import { createTinyModel } from "../fixtures/tiny_model.js";

const KiB = 1024;

describe("the arena", () => {
  it("grows by regions of doubling size, and touches only what is used of them", () => {
    const arena = createArena();
    arena.allocate(100);
    expect(arena.resident).toBe(256);
    arena.allocate(3 << 20);
    expect(arena.resident).toBe(256 + (3 << 20));
  });

  it("uses again what was released, joined with its neighbours", () => {
    const arena = createArena();
    const [a, b] = [arena.allocate(100 * KiB), arena.allocate(100 * KiB)];
    const held = arena.allocate(100 * KiB);
    arena.release(a);
    arena.release(b);
    arena.allocate(200 * KiB);
    expect(arena.resident).toBe(300 * KiB);
    expect(arena.used).toBe(300 * KiB);
    arena.release(held);
    expect(arena.used).toBe(200 * KiB);
  });

  it("takes the smallest place that fits", () => {
    const arena = createArena();
    const [large] = [arena.allocate(100 * KiB), arena.allocate(KiB)];
    const [small] = [arena.allocate(20 * KiB), arena.allocate(KiB)];
    arena.release(large);
    arena.release(small);
    const before = arena.resident;
    arena.allocate(20 * KiB);
    arena.allocate(100 * KiB);
    expect(arena.resident).toBe(before);
  });
});

describe("a graph", () => {
  it("holds at its peak the values that are still needed", () => {
    const x = input("x", "float32", ["B*T", 256]);
    const w = input("w", "float32", [256, 256]);
    const second = gemm(gemm(x, w), w);
    const graph = createGraph({ y: gemm(second, w) });
    // Never more than one value and the next; the last of them is the result.
    const { activations, gradients } = estimateRuns(graph, [{ "B*T": 4, B: 2, T: 2 }], 1000);
    expect(activations + gradients).toBe(2 * 4 * 256 * 4);
  });

  it("counts a view once", () => {
    const x = input("x", "float32", ["B", 256]);
    const doubled = add(x, x);
    const graph = createGraph({ y: add(reshape(doubled, ["B", 16, 16]), reshape(doubled, ["B", 16, 16])) });
    const { activations, gradients } = estimateRuns(graph, [{ B: 8 }], 1000);
    expect(activations + gradients).toBe(2 * 8 * 256 * 4);
  });

  it("tells logits and copies of 16-bit weights from the rest", () => {
    const entry = {
      name: "w",
      dtype: "F16",
      shape: [1000, 128],
      file: "/w",
      offset: 0,
      length: 256_000,
    } as const;
    const x = input("x", "float32", ["M", 128]);
    const ids = input("ids", "int64", ["M"]);
    const { losses } = crossEntropy(gemm(x, weight("w", entry), { transB: true }), ids);
    const memory = estimateRuns(createGraph({ losses }), [{ M: 10 }], 1000);
    expect(memory).toMatchObject({ logits: 10 * 1000 * 4, copies: 1000 * 128 * 4, activations: 0 });
    expect(memory.resident).toBeGreaterThanOrEqual(40_000 + 512_000);
  });

  it("holds one 4-bit weight in float32 at a time, and twice while it is dequantised by itself", () => {
    const part = (name: string, shape: readonly number[]) =>
      weight(name, { name, dtype: "U8", shape, file: "/w", offset: 0, length: 0 });
    const factor = (name: string, shape: readonly number[]) =>
      weight(name, { name, dtype: "F32", shape, file: "/w", offset: 0, length: 0 });
    const layer = (x: Value, i: number) =>
      nf4Linear(x, {
        out: 256,
        in: 256,
        packed: part(`packed${i}`, [32_768]),
        absmax: part(`absmax${i}`, [4, 256]),
        nested: { scale: factor(`scale${i}`, [4, 1]), offset: factor(`offset${i}`, []) },
      });
    const x = input("x", "float32", ["M", 256]);
    const y = layer(layer(layer(x, 0), 1), 2);
    const [one, factors] = [4 * 256 * 256, 2 * 4 * 1024];
    const forward = estimateRuns(createGraph({ y }), [{ M: 1 }], 1000);
    expect(forward.copies).toBe(one + factors);
    const [g] = gradients(reduceSum(y, [0, 1]), [x]);
    expect(estimateRuns(createGraph({ g: g! }), [{ M: 1 }], 1000).copies).toBe(2 * one + factors);
  });

  it("needs more for larger batches, and nothing new for smaller ones that follow", async () => {
    const base = await openBaseModel(await createTinyModel("phi"));
    const plan = planAdapter(base, defaultLoraConfig);
    const chunks = { count: 1, rows: 256 };
    const graph = buildTrainingGraph(base, plan, { chunks });
    const of = (...batches: { B: number; T: number; M: number }[]) => {
      const cut = batches.map((batch) => withChunks(batch, chunks));
      return estimateRuns(graph, cut, base.config.vocabSize).resident;
    };
    expect(() => estimateRuns(graph, [{ B: 2, T: 20, M: 10 }], 32)).toThrow("the size M0 is not given");
    const [small, large] = [
      { B: 2, T: 20, M: 10 },
      { B: 8, T: 60, M: 300 },
    ];
    expect(of(large)).toBeGreaterThan(4 * of(small));
    expect(of(large, small)).toBe(of(large));
  });
});

it.each(["phi", "llama", "qwen2"])("finds every part of the memory of a %s", async (family) => {
  const base = await openBaseModel(await createTinyModel(family));
  const plan = planAdapter(base, defaultLoraConfig);
  const rows = [9, 30, 12].map((length, line) => ({
    source: "rows",
    line,
    inputIds: new Int32Array(length).fill(3),
    labels: new Int32Array(length).fill(3),
    truncatedTokens: 0,
  }));
  const options = {
    perDeviceTrainBatchSize: 2,
    perDeviceEvalBatchSize: 8,
    seed: 1,
    groupByLength: true,
    evalStrategy: "epoch",
    gradientCheckpointing: false,
    predictWithGenerate: false,
    maxNewTokens: 500,
  } as const;
  const given = { base, plan, rows, held: rows, answers: [], options, before: 1e8 };
  const { parts, sizes } = estimateMemory(given);
  expect(sizes.reduce((sum, { B }) => sum + B!, 0)).toBe(3);
  expect(sizes[0]!.T).toBe(30);
  for (const [name, bytes] of Object.entries(parts)) {
    expect(bytes, name).toBeGreaterThanOrEqual(0);
    // Logits may be gone when most is held.
    if (name !== "weights_converted" && name !== "logits") expect(bytes, name).toBeGreaterThan(0);
  }
  const again = estimateMemory({ ...given, options: { ...options, gradientCheckpointing: true } });
  expect(again.parts.activations).toBeLessThan(parts.activations);
  const without = estimateMemory({ ...given, held: [], options: { ...options, evalStrategy: "no" } });
  expect(totalOf(without.parts)).toBe(totalOf(parts) - parts.evaluation);
  // Answers during the training come on top of it; those before and after it only where they hold more than it does.
  const answers = [{ rows: 40, length: 30, newTokens: 10 }];
  const answering = (predictWithGenerate: boolean) =>
    estimateMemory({ ...given, answers, options: { ...options, predictWithGenerate } }).parts.evaluation;
  const { layers, kvHeads, headSize } = base.config;
  expect(answering(true)).toBeGreaterThan(4 * 2 * layers * kvHeads * headSize * 40 * 530);
  expect(answering(false)).toBeLessThan(answering(true));
});

const parts: MemoryParts = {
  weights_mapped: 5e9,
  weights_converted: 0,
  trained: 1e9,
  activations: 8e9,
  logits: 1e9,
  gaps: 0,
  evaluation: 0,
  rest: 1e8,
};

it("warns where memory is short, with the flag that shrinks the largest part", () => {
  expect(adviceOn(parts, { available: 16e9 })).toEqual([]);
  expect(adviceOn(parts, { available: 15e9 })).toEqual([
    expect.stringMatching(/15\.1 GB.*15\.0 GB is free.*8\.0 GB.*--per-device-train-batch-size.*--max-length/),
  ]);
  expect(adviceOn({ ...parts, trained: 9e9 }, { available: 9e9 })[0]).toContain("--lora-target-modules");
});

it("refuses what cannot fit by far", () => {
  expect(() => refuseHopeless(parts, { total: 10.1e9 })).not.toThrow();
  expect(() => refuseHopeless(parts, { total: 10e9 })).toThrow(/15\.1 GB.*10\.0 GB.*--no-memory-check/);
});

describe("the time of a step", () => {
  const steps = (pace: Pace, ...sizes: (readonly [rows: number, length: number])[]) =>
    sizes.map(([rows, length]) => ({ rows, length, seconds: secondsOf(pace, { rows, length }) }));

  it("is found again from those measured", () => {
    const pace = { a: 0.5, b: 0.001, c: 0.0003 };
    const found = fitPace(steps(pace, [8, 20], [8, 100], [4, 300], [8, 310], [1, 5]));
    for (const name of ["a", "b", "c"] as const) expect(found[name]).toBeCloseTo(pace[name], 9);
    expect(secondsOf(found, { rows: 2, length: 50 })).toBeCloseTo(0.5 + 0.1 + 1.5, 9);
  });

  it("has no negative part, and none that the measured sizes cannot tell apart from others", () => {
    expect(fitPace([{ rows: 2, length: 10, seconds: 0.1 }])).toEqual({ a: 0, b: 0.005, c: 0 });
    const falling = fitPace(steps({ a: 3, b: -0.001, c: 0 }, [1, 100], [1, 200], [1, 900]));
    expect(falling).toMatchObject({ b: 0, c: 0 });
    expect(falling.a).toBeGreaterThan(2);
    // Packed sequences all have one length.
    const packed = fitPace(steps({ a: 0.1, b: 0.001, c: 0 }, [1, 512], [2, 512], [8, 512]));
    expect(secondsOf(packed, { rows: 4, length: 512 })).toBeCloseTo(0.1 + 4 * 0.512, 6);
    expect(fitPace([])).toEqual({ a: 0, b: 0, c: 0 });
  });

  it("comes near to times that are disturbed", () => {
    fc.assert(
      fc.property(
        fc.record({
          a: fc.double({ noNaN: true, min: 0, max: 1 }),
          b: fc.double({ noNaN: true, min: 1e-4, max: 0.01 }),
          c: fc.double({ noNaN: true, min: 0, max: 1e-5 }),
        }),
        fc.array(fc.double({ noNaN: true, min: -0.05, max: 0.05 }), { minLength: 5, maxLength: 5 }),
        (given, noise) => {
          const pace = given as Pace;
          const exact = steps(pace, [8, 60], [8, 120], [8, 200], [8, 256], [8, 160]);
          const found = fitPace(
            exact.map((step, i) => ({ ...step, seconds: step.seconds * (1 + noise[i]!) })),
          );
          for (const step of exact) {
            const ratio = secondsOf(found, step) / step.seconds;
            expect(Math.abs(ratio - 1)).toBeLessThan(0.15);
          }
        },
      ),
    );
  });

  it("is taken of a middle batch, the shortest, the longest and those between", () => {
    expect(calibrationBatches([5, 1, 9, 3, 7], 3)).toEqual([0, 1, 2]);
    expect(calibrationBatches([5, 1, 9, 3, 7], 5)).toEqual([0, 1, 2, 3, 4]);
    expect(calibrationBatches([5, 1, 9], 2)).toEqual([1, 2]);
    expect(calibrationBatches([5, 1, 9], 1)).toEqual([0]);
    expect(calibrationBatches([5], 3)).toEqual([0, 0, 0]);
  });
});
