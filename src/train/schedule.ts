// Step number -> learning rate, as transformers' schedules compute it.
// Source: https://github.com/huggingface/transformers/blob/main/src/transformers/optimization.py

export const schedules = ["linear", "cosine", "constant", "constant_with_warmup"] as const;
export type ScheduleName = (typeof schedules)[number];

export interface Schedule {
  readonly name: ScheduleName;
  readonly learningRate: number;
  readonly warmupSteps: number;
  readonly totalSteps: number;
}

/** The learning rate of update `index`, counted from 0: with warm-up, the first update has rate 0. */
export function learningRateAt(
  { name, learningRate, warmupSteps, totalSteps }: Schedule,
  index: number,
): number {
  if (name === "constant") return learningRate;
  if (index < warmupSteps) return learningRate * (index / Math.max(1, warmupSteps));
  const progress = (index - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
  switch (name) {
    case "constant_with_warmup":
      return learningRate;
    case "linear":
      return learningRate * Math.max(0, 1 - progress);
    case "cosine":
      return learningRate * Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
  }
}
