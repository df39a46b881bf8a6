// Courses of losses -> which of them are warned of, and how often.
import { expect, it } from "vitest";
import type { StepEvent } from "../../src/train/events.js";
import { noWatch, watchStep } from "../../src/train/watch.js";

function warningsOf(lossAt: (step: number) => number, { steps = 400, norm = 1 } = {}): string[] {
  const state = noWatch();
  const warnings: string[] = [];
  for (let step = 1; step <= steps; step++) {
    const event = { step, loss: lossAt(step), grad_norm: norm, learning_rate: 1e-3 } as StepEvent;
    const warning = watchStep(state, event);
    if (warning) warnings.push(warning);
  }
  return warnings;
}

/** Noise without chance: the same each time, and of mean 0. */
const noise = (step: number) => 0.4 * Math.sin(step * 12.9898);

it("is silent while a loss falls, noisily, or rises a little", () => {
  expect(warningsOf((step) => 3 * Math.exp(-step / 80) + 1 + noise(step))).toEqual([]);
  expect(warningsOf((step) => 1 + step / 1000 + noise(step))).toEqual([]);
  expect(warningsOf((step) => (step === 100 ? 9 : 1 + noise(step) - step / 2000))).toEqual([]);
});

it("tells once when a loss explodes, with the numbers", () => {
  const warnings = warningsOf((step) => (step < 100 ? 2 : 2 * 1.1 ** (step - 100)), { steps: 180 });
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toMatch(
    /^the loss rose from 2\.000 to 4\.\d{3} at step 1\d\d .*--learning-rate \(now 1\.0e-3\)/,
  );
});

it("tells once when a loss never moves", () => {
  const warnings = warningsOf((step) => 3 + 0.01 * noise(step));
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toContain("has not moved in 200 steps");
});

it("tells once when there is no gradient", () => {
  const warnings = warningsOf((step) => 3 - step / 100, { norm: 0, steps: 30 });
  expect(warnings).toEqual(["the gradient is 0 in step 2: nothing is learned"]);
});

it("remembers what it told when its state went through a file", () => {
  const state = noWatch();
  const event = { step: 2, loss: 1, grad_norm: 0, learning_rate: 1 } as StepEvent;
  expect(watchStep(state, event)).toBeDefined();
  expect(watchStep(JSON.parse(JSON.stringify(state)), { ...event, step: 3 })).toBeUndefined();
});
