// Events of a run -> an event file of TensorBoard in the run folder, scalars only, with the tags that TRL gives them.
import { closeSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { PhinetuneError } from "../errors.js";
import { fileFault } from "../formats/file_error.js";
import { frame } from "../formats/tfrecord.js";
import type { TrainEvent } from "../train/events.js";
import type { RunFolder } from "./folder.js";

/** Tag -> value. */
export type Scalars = Readonly<Record<string, number>>;

/**
 * A run folder that writes the figures of its events for TensorBoard, too.
 * @param firstStep where a run goes on: TensorBoard forgets what older files of the folder tell from this step on
 */
export function withTensorBoard(run: RunFolder, firstStep?: number): RunFolder {
  const seconds = Math.floor(Date.now() / 1000);
  const path = join(run.folder, `events.out.tfevents.${seconds}.phinetune.${process.pid}.${++opened}`);
  const attempt = <Result>(action: () => Result): Result => {
    try {
      return action();
    } catch (error) {
      throw new PhinetuneError(fileFault("the events for TensorBoard cannot be written", path, error), error);
    }
  };
  // "ax" fails when the file exists.
  const file = attempt(() => openSync(path, "ax"));
  const write = (event: Uint8Array) => attempt(() => writeWhole(file, frame(event)));
  const now = () => Date.now() / 1000;
  write(eventBytes(now(), 0, [text(3, "brain.Event:2")]));
  // session_log { status: START }
  if (firstStep !== undefined) write(eventBytes(now(), firstStep, [message(7, [int(1, 1)])]));
  return {
    ...run,
    record(event) {
      const scalars = scalarsOf(event);
      run.record(event);
      if ("step" in event && Object.keys(scalars).length > 0) write(scalarEvent(now(), event.step, scalars));
      return event;
    },
    async close() {
      closeSync(file);
      await run.close();
    },
  };
}

/** Event files of this process, whose names must differ. */
let opened = 0;

/** `eval_loss` is `eval/loss`, all else `train/…`, as transformers' TensorBoardCallback renames them. */
export function scalarsOf(event: TrainEvent): Scalars {
  if (event.type !== "step" && event.type !== "evaluated" && event.type !== "finished") return {};
  const named = Object.entries(event).flatMap(([name, value]) => {
    if (typeof value !== "number" || name === "step") return [];
    return [[name.startsWith("eval_") ? name.replace("_", "/") : `train/${name}`, value] as const];
  });
  return Object.fromEntries(named);
}

/** An Event with a Summary of scalars. Source: tensorboard/compat/proto/event.proto, summary.proto */
function scalarEvent(wallTime: number, step: number, scalars: Scalars): Uint8Array {
  const values = Object.entries(scalars).map(([tag, value]) => message(1, [text(1, tag), float(2, value)]));
  return eventBytes(wallTime, step, [message(5, values)]);
}

function eventBytes(wallTime: number, step: number, content: readonly Uint8Array[]): Uint8Array {
  const time = new DataView(new ArrayBuffer(8));
  time.setFloat64(0, wallTime, true);
  return joined([Uint8Array.of((1 << 3) | 1), new Uint8Array(time.buffer), int(2, step), ...content]);
}

// Fields of a protobuf message: number and wire type, then the value.

function int(field: number, value: number): Uint8Array {
  return joined([varint(field << 3), varint(value)]);
}

function float(field: number, value: number): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(4));
  bytes.setFloat32(0, value, true);
  return joined([varint((field << 3) | 5), new Uint8Array(bytes.buffer)]);
}

function text(field: number, value: string): Uint8Array {
  return delimited(field, new TextEncoder().encode(value));
}

function message(field: number, fields: readonly Uint8Array[]): Uint8Array {
  return delimited(field, joined(fields));
}

function delimited(field: number, bytes: Uint8Array): Uint8Array {
  return joined([varint((field << 3) | 2), varint(bytes.length), bytes]);
}

/** Seven bits a byte, the lowest first. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Uint8Array.of(...bytes, rest);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

function writeWhole(file: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written);
}
