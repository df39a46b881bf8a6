// Figures -> manifest and events of a run that was never made.
import { resolveTrainOptions } from "../../src/options.js";
import type { Manifest } from "../../src/run/manifest.js";
import type { EvaluatedEvent, FinishedEvent, StartedEvent, StepEvent } from "../../src/train/events.js";

export const manifest: Manifest = {
  options: resolveTrainOptions({ model: "org/base", dataset: "rows.jsonl", loraR: 16, outputDir: "runs/x" }),
  versions: { phinetune: "0.1.0", node: "v20", onnxruntime: "1.30.0" },
  device: { kind: "cpu", model: "a processor", cores: 2 },
  hashes: { "models/base/model.safetensors": "ab12" },
  data: {
    rows: 12,
    kept: 10,
    dropped: { "answer truncated": 2 },
    truncatedRows: 1,
    truncatedTokens: 7,
    tokens: 400,
    trainedTokens: 100,
    answers: 10,
    answersEndingInEos: 0.9,
    length: { min: 20, mean: 40, median: 41, max: 60 },
    histogram: [
      { upTo: 32, rows: 4 },
      { upTo: 64, rows: 6 },
    ],
  },
};

export function started(more: Partial<StartedEvent> = {}): StartedEvent {
  return {
    type: "started",
    model: "org/base",
    dataset: "rows.jsonl",
    train_rows: 8,
    eval_rows: 2,
    dropped_rows: 2,
    trainable_params: 1000,
    all_params: 100_000,
    modules: 4,
    max_steps: 20,
    steps_per_epoch: 10,
    num_train_epochs: 2,
    ...more,
  };
}

export function stepEvent(step: number, more: Partial<StepEvent> = {}): StepEvent {
  return {
    type: "step",
    step,
    loss: 2 + 3 / step,
    grad_norm: 0.5,
    learning_rate: 2e-4,
    epoch: step / 10,
    num_tokens: step * 40,
    step_seconds: 0.5,
    ...more,
  };
}

export function evaluated(
  phase: EvaluatedEvent["phase"],
  step: number,
  eval_loss: number,
  more: Partial<EvaluatedEvent> = {},
): EvaluatedEvent {
  return {
    type: "evaluated",
    step,
    epoch: step / 10,
    phase,
    eval_loss,
    eval_mean_token_accuracy: 0.25,
    eval_num_tokens: 20,
    eval_runtime: 0.1,
    ...more,
  };
}

export function finished(step: number, more: Partial<FinishedEvent> = {}): FinishedEvent {
  return {
    type: "finished",
    step,
    train_loss: 2.5,
    train_runtime: 10,
    tokens_per_second: 80,
    peak_memory_bytes: 3e8,
    output_dir: "/runs/x",
    interrupted: false,
    ...more,
  };
}

export function steps(count: number): StepEvent[] {
  return Array.from({ length: count }, (_, i) => stepEvent(i + 1));
}
