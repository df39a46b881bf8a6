// Everything that a run reports while it goes: one typed event a fact, named as TRL names its log entries.

import type { PackingFigures } from "../data/batches.js";
import type { Estimate, LabelSummary, MetricName } from "../evaluate/metrics/index.js";
import type { TransferProgress } from "../hub/progress.js";

export interface StartedEvent {
  readonly type: "started";
  readonly model: string;
  readonly dataset: string;
  readonly train_rows: number;
  readonly eval_rows: number;
  readonly dropped_rows: number;
  /** With --packing. */
  readonly packing?: PackingFigures;
  readonly trainable_params: number;
  readonly all_params: number;
  readonly modules: number;
  readonly max_steps: number;
  readonly steps_per_epoch: number;
  readonly num_train_epochs: number;
}
/** What the run is expected to hold in memory at its peak; shown, but not kept. */
export interface ExpectedEvent {
  readonly type: "expected";
  readonly memory_bytes: number;
  /** What does not fit into the machine, and what to do. */
  readonly warnings: readonly string[];
}
/** Files of a model, an adapter or a data set are on their way; shown, but not kept. */
export interface DownloadingEvent extends TransferProgress {
  readonly type: "downloading";
}
/** A layer's weight is about to be rounded; shown, but not kept. */
export interface RoundingEvent {
  readonly type: "rounding";
  readonly bits: 8 | 4;
  readonly done: number;
  readonly modules: number;
  /** A file of the cache that was damaged and is made again. */
  readonly repaired?: string | undefined;
}
export interface StepEvent {
  readonly type: "step";
  /** 1-based optimizer step. */
  readonly step: number;
  /** Mean loss over the trained tokens of this step, before its update. */
  readonly loss: number;
  /** Global norm of the gradient before clipping. */
  readonly grad_norm: number;
  /** The learning rate that this update used. */
  readonly learning_rate: number;
  readonly epoch: number;
  /** Real (not padding) tokens seen since the start. */
  readonly num_tokens: number;
  readonly step_seconds: number;
}
type AnswerMetrics = { readonly [Name in MetricName as `eval_${Name}`]?: number };

/** Metrics of generated answers, with --predict-with-generate. */
export interface AnswerScores extends AnswerMetrics {
  /** How far the metrics are from those before the training, with 95 % intervals over rows. */
  readonly eval_change?: Readonly<Partial<Record<MetricName, Estimate>>>;
  /** Confusion matrix and scores of each label, where rows have labels. */
  readonly eval_labels?: LabelSummary;
}

export interface EvaluatedEvent extends AnswerScores {
  readonly type: "evaluated";
  readonly step: number;
  readonly epoch: number;
  /** `before` the first step, `during` or `after` training. */
  readonly phase: "before" | "during" | "after";
  readonly eval_loss: number;
  readonly eval_mean_token_accuracy: number;
  readonly eval_num_tokens: number;
  readonly eval_runtime: number;
}
/** A part of an evaluation is done; shown, but not kept. */
export interface AnsweringEvent {
  readonly type: "answering";
  readonly phase: EvaluatedEvent["phase"];
  readonly done: number;
  readonly rows: number;
}
export interface SampledEvent {
  readonly type: "sampled";
  readonly step: number;
  readonly prompt: string;
  readonly reference: string;
  readonly answer: string;
  readonly phase: EvaluatedEvent["phase"];
}
export interface SavedEvent {
  readonly type: "saved";
  readonly step: number;
  /** Below the run folder: `checkpoint-20`, or `.` for the product itself. */
  readonly path: string;
}
export interface WarnedEvent {
  readonly type: "warned";
  readonly message: string;
}
export interface FailedEvent {
  readonly type: "failed";
  readonly step: number;
  readonly message: string;
}
export interface FinishedEvent {
  readonly type: "finished";
  readonly step: number;
  /** With --load-best-model-at-end: whose values the saved ones are. */
  readonly best_step?: number;
  readonly best_metric?: number;
  readonly train_loss: number;
  readonly train_runtime: number;
  readonly tokens_per_second: number;
  readonly peak_memory_bytes: number;
  readonly output_dir: string;
  readonly interrupted: boolean;
}

export type TrainEvent =
  | StartedEvent
  | ExpectedEvent
  | DownloadingEvent
  | RoundingEvent
  | StepEvent
  | EvaluatedEvent
  | AnsweringEvent
  | SampledEvent
  | SavedEvent
  | WarnedEvent
  | FailedEvent
  | FinishedEvent;
