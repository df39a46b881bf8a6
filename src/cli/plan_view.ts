// A plan of a run -> the tables that a person reads before it begins.
import type { RunPlan } from "../plan.js";
import type { MemoryParts } from "../train/memory.js";
import { trainableLine } from "./progress.js";
import { bytes, count, duration, packingText, plural, share } from "./quantities.js";
import type { Output } from "./terminal.js";

type Row = readonly [name: string, value: string];

/** The plan, section by section. */
export function planText(plan: RunPlan, out: Output): string {
  const section = (title: string, rows: readonly Row[]) =>
    [out.paint(title, "bold"), ...rows.map(([name, value]) => `  ${name.padEnd(18)}${value}`), ""].join("\n");
  return [
    section("Trained", trainedRows(plan)),
    section("Rows", dataRows(plan)),
    section("Steps", stepRows(plan)),
    section("Memory", memoryRows(plan)),
    section("Time", timeRows(plan)),
  ].join("\n");
}

function trainedRows(plan: RunPlan): Row[] {
  const { adapter, bias, whole_modules } = plan.trained;
  const longest = Math.max(0, ...plan.modules.map(({ name }) => name.length));
  const kinds = [
    ["adapter", adapter],
    ["bias", bias],
    ["whole modules", whole_modules],
  ] as const;
  return [
    ...plan.modules.map(
      ({ name, count: n, shape, r }, i): Row => [
        i === 0 ? "modules" : "",
        `${name.padEnd(longest)}  ${n} x [${shape.join(", ")}]  r ${r}`,
      ],
    ),
    ...kinds.flatMap(([name, n]): Row[] => (n > 0 ? [[name, `${count(n)} values`]] : [])),
    ["", trainableLine(plan)],
  ];
}

function dataRows({ statistics, train_rows, eval_rows, padding_share, packing }: RunPlan): Row[] {
  const { rows, kept, dropped, truncatedRows, truncatedTokens, tokens, trainedTokens } = statistics;
  const { answers, answersEndingInEos, length, histogram } = statistics;
  const most = Math.max(1, ...histogram.map((entry) => entry.rows));
  return [
    [
      "read",
      `${count(rows)}, ${count(kept)} kept: ${count(train_rows)} to train on, ${count(eval_rows)} held out`,
    ],
    ...Object.entries(dropped).map(([reason, n]): Row => ["left out", `${plural(n, "row")}: ${reason}`]),
    [
      "cut",
      truncatedRows === 0 ? "none" : `${plural(truncatedRows, "row")}, ${plural(truncatedTokens, "token")}`,
    ],
    [
      "tokens",
      `${count(tokens)}, of which ${count(trainedTokens)} (${share(trainedTokens, tokens)}) are trained`,
    ],
    ["answers", `${count(answers)}, of which ${share(answersEndingInEos, 1)} end with a trained end token`],
    packing
      ? ["packed", packingText(packing)]
      : ["padding", `${share(padding_share, 1)} of the tokens in the batches of the first epoch`],
    [
      "length",
      `${length.min} to ${length.max} tokens, mean ${length.mean.toFixed(1)}, median ${length.median}`,
    ],
    ...histogram.map(
      ({ upTo, rows: n }): Row => [
        "",
        `${`to ${upTo}`.padEnd(9)}${"▇".repeat(Math.round((30 * n) / most))} ${count(n)}`,
      ],
    ),
  ];
}

function stepRows({ schedule }: RunPlan): Row[] {
  const { max_steps, steps_per_epoch, warmup_steps, evaluations, checkpoints } = schedule;
  return [
    [
      "steps",
      `${count(max_steps)}, ${count(steps_per_epoch)} an epoch, ${count(warmup_steps)} of them warm-up`,
    ],
    ["evaluations", evaluations === 0 ? "none: no rows are held out" : count(evaluations)],
    ["checkpoints", `${count(checkpoints)} of ${bytes(schedule.checkpoint_bytes)}`],
    ["on disk", bytes(schedule.disk_bytes)],
  ];
}

/** What each part of the memory is called. */
const PARTS: readonly (readonly [keyof MemoryParts, string])[] = [
  ["weights_mapped", "weights, mapped from their file"],
  ["weights_converted", "weights, float32 copies of 16-bit ones"],
  ["trained", "trained values, gradients, moments"],
  ["activations", "activations"],
  ["logits", "logits"],
  ["gaps", "gaps in onnxruntime's arena"],
  ["evaluation", "evaluation of the held-out rows"],
  ["rest", "Node, onnxruntime, tokenizer, data"],
];

function memoryRows({ memory }: RunPlan): Row[] {
  const { parts, expected_peak, measured_peak, machine_available, machine_total } = memory;
  const checked = measured_peak === null ? "" : `; the calibration reached ${bytes(measured_peak)}`;
  return [
    ...PARTS.flatMap(([key, name]): Row[] => (parts[key] >= 5e5 ? [[bytes(parts[key]), name]] : [])),
    [bytes(expected_peak), `expected at the peak${checked}`],
    [bytes(machine_available), `free now, of ${bytes(machine_total)}`],
  ];
}

function timeRows({ time, schedule }: RunPlan): Row[] {
  if (!time) return [["unknown", "no steps were timed (--calibration-steps 0)"]];
  const {
    step_seconds,
    training_seconds,
    evaluation_seconds,
    answering_seconds,
    answering_seconds_at_most,
    total_seconds,
    calibration,
  } = time;
  const seconds = (x: number) => (x < 1 ? `${(1000 * x).toFixed(0)} ms` : duration(x));
  return [
    ["a step", seconds(step_seconds)],
    ["training", `${duration(training_seconds)} for ${plural(schedule.max_steps, "step")}`],
    ...(evaluation_seconds > 0
      ? [["evaluation", `${duration(evaluation_seconds)} for the losses of the held-out rows`] as const]
      : []),
    ...(answering_seconds > 0
      ? [
          [
            "answers",
            `${duration(answering_seconds)} if the trained model stops where the references do, ${duration(answering_seconds_at_most)} if it never stops`,
          ] as const,
        ]
      : []),
    ["total", duration(total_seconds)],
    ...calibration.steps.map(
      ({ rows, length, tokens, seconds: took }, i): Row => [
        i === 0 ? "timed" : "",
        `${rows} x ${length} = ${plural(tokens, "token")}: ${seconds(took)}`,
      ],
    ),
  ];
}
