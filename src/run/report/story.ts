// Events of a run -> its parts: how it began and ended, its steps, evaluations, samples and warnings.
import type {
  EvaluatedEvent,
  FailedEvent,
  FinishedEvent,
  SampledEvent,
  StartedEvent,
  StepEvent,
  TrainEvent,
} from "../../train/events.js";

/** Answers of one held-out row. */
export interface Sample {
  readonly prompt: string;
  readonly reference: string;
  readonly before: string | undefined;
  /** The last answer that was given. */
  readonly after: string | undefined;
}

export interface Story {
  readonly started: StartedEvent | undefined;
  /** undefined when the log stops in the middle. */
  readonly end: FinishedEvent | FailedEvent | undefined;
  readonly steps: readonly StepEvent[];
  readonly evaluations: readonly EvaluatedEvent[];
  readonly before: EvaluatedEvent | undefined;
  /** The evaluation after the training or, when there is none, the last one during it. */
  readonly after: EvaluatedEvent | undefined;
  readonly samples: readonly Sample[];
  readonly warnings: readonly string[];
}

/** Sorts the events of a run. */
export function tellStory(events: readonly TrainEvent[]): Story {
  const all = <Type extends TrainEvent["type"]>(type: Type) =>
    events.filter((event): event is Extract<TrainEvent, { readonly type: Type }> => event.type === type);
  const evaluations = all("evaluated");
  return {
    started: all("started")[0],
    end: events.findLast((event) => event.type === "finished" || event.type === "failed"),
    steps: all("step"),
    evaluations,
    before: evaluations.find(({ phase }) => phase === "before"),
    after: evaluations.findLast(({ phase }) => phase !== "before"),
    samples: pairSamples(all("sampled")),
    warnings: all("warned").map(({ message }) => message),
  };
}

/** The answers that an evaluation shows come in the same order each time; equal rows are told apart by it. */
function pairSamples(events: readonly SampledEvent[]): Sample[] {
  const samples = new Map<string, Sample>();
  const seen = new Map<string, number>();
  for (const { step, phase, prompt, reference, answer } of events) {
    const row = JSON.stringify([prompt, reference]);
    const sitting = JSON.stringify([row, step, phase]);
    const nth = seen.get(sitting) ?? 0;
    seen.set(sitting, nth + 1);
    const key = `${nth} ${row}`;
    const { before, after } = samples.get(key) ?? { before: undefined, after: undefined };
    const answers = phase === "before" ? { before: answer, after } : { before, after: answer };
    samples.set(key, { prompt, reference, ...answers });
  }
  return [...samples.values()];
}
