// Events of a run -> TensorBoard's event file, read back by a decoder that shares nothing with the writer.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { crc32c, frame } from "../../src/formats/tfrecord.js";
import { openRunFolder } from "../../src/run/folder.js";
import { scalarsOf, withTensorBoard } from "../../src/run/tensorboard.js";
import { evaluated, finished, started, stepEvent } from "./story.js";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "phinetune-tensorboard-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const eventFiles = (folder: string) => readdirSync(folder).filter((name) => name.includes("tfevents"));

describe("the checksum", () => {
  // RFC 3720, appendix B.4
  it("is CRC-32C", () => {
    const bytes = (text: string) => new TextEncoder().encode(text);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(255))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
    expect(crc32c(bytes("123456789"))).toBe(0xe3069283);
  });

  // Written by tensorboard 2.21: EventFileWriter's first record but for its time, which is 1 here.
  it("frames as TensorFlow does", () => {
    const content = Buffer.from("09000000000000f03f1a0d627261696e2e4576656e743a32", "hex");
    expect(Buffer.from(frame(content)).toString("hex")).toBe(
      "1800000000000000a37f4b2209000000000000f03f1a0d627261696e2e4576656e743a3286bf577a",
    );
  });
});

describe("the scalars", () => {
  it("bear TRL's names", () => {
    expect(scalarsOf(stepEvent(3))).toEqual({
      "train/loss": 3,
      "train/grad_norm": 0.5,
      "train/learning_rate": 2e-4,
      "train/epoch": 0.3,
      "train/num_tokens": 120,
      "train/step_seconds": 0.5,
    });
    const change = { f1: { value: 0, low: 0, high: 0 } };
    expect(scalarsOf(evaluated("after", 5, 1.5, { eval_f1: 0.5, eval_change: change }))).toEqual({
      "eval/loss": 1.5,
      "eval/mean_token_accuracy": 0.25,
      "eval/num_tokens": 20,
      "eval/runtime": 0.1,
      "eval/f1": 0.5,
      "train/epoch": 0.5,
    });
    expect(scalarsOf(finished(9))).toMatchObject({ "train/train_loss": 2.5, "train/train_runtime": 10 });
    expect(scalarsOf(started())).toEqual({});
  });
});

describe("the file", () => {
  it("has a version, then an event a record, in the file as soon as it is recorded", async () => {
    const run = withTensorBoard(await openRunFolder(join(root, "run"), { overwrite: false }));
    run.record(started());
    expect(run.record(stepEvent(1))).toEqual(stepEvent(1));
    run.record(stepEvent(300, { loss: Number.NaN, num_tokens: 5e9 }));
    run.record(evaluated("after", 300, 1.5));
    const [name] = eventFiles(run.folder);
    const [version, first, second, third, ...rest] = readEvents(join(run.folder, name!));
    expect(version).toEqual({ time: expect.any(Number), step: 0, version: "brain.Event:2" });
    expect(Math.abs(version!.time - Date.now() / 1000)).toBeLessThan(60);
    expect(first).toMatchObject({ step: 1, scalars: { "train/loss": 5, "train/grad_norm": 0.5 } });
    expect(second).toMatchObject({ step: 300, scalars: { "train/loss": NaN, "train/num_tokens": 5e9 } });
    expect(third).toMatchObject({ step: 300, scalars: { "eval/loss": 1.5 } });
    expect(rest).toEqual([]);
    await run.close();
    expect(readFileSync(join(run.folder, "events.jsonl"), "utf8").split("\n").length).toBe(5);
    expect(() => run.record(stepEvent(2))).toThrow();
  });

  it("of a run that goes on is another one, which says where it begins", async () => {
    const first = withTensorBoard(await openRunFolder(join(root, "run"), { overwrite: false }));
    first.record(stepEvent(1));
    const keptBytes = first.size();
    await first.close();
    const second = withTensorBoard(await openRunFolder(join(root, "run"), { keptBytes }), 2);
    second.record(stepEvent(2));
    await second.close();
    const [, name] = eventFiles(second.folder).sort();
    expect(readEvents(join(second.folder, name!)).slice(1)).toMatchObject([
      { step: 2, status: 1 },
      { step: 2, scalars: { "train/loss": 3.5 } },
    ]);
  });

  it("goes with a run that is overwritten", async () => {
    const folder = join(root, "run");
    await withTensorBoard(await openRunFolder(folder, { overwrite: false })).close();
    expect(eventFiles(folder).length).toBe(1);
    await (await openRunFolder(folder, { overwrite: true })).close();
    expect(eventFiles(folder)).toEqual([]);
  });
});

interface ReadEvent {
  time: number;
  step?: number;
  version?: string;
  status?: number;
  scalars?: Record<string, number>;
}

/** Event { 1 wall_time, 2 step, 3 file_version, 5 Summary { 1 Value { 1 tag, 2 simple_value } }, 7 SessionLog { 1 status } } */
function readEvents(path: string): ReadEvent[] {
  const file = readFileSync(path);
  const events: ReadEvent[] = [];
  for (let at = 0; at < file.length; ) {
    const size = Number(file.readBigUInt64LE(at));
    expect(file.readUInt32LE(at + 8)).toBe(slowMaskedCrc(file.subarray(at, at + 8)));
    const content = file.subarray(at + 12, at + 12 + size);
    expect(file.readUInt32LE(at + 12 + size)).toBe(slowMaskedCrc(content));
    events.push(readEvent(content));
    at += size + 16;
  }
  return events;
}

function readEvent(content: Buffer): ReadEvent {
  const event: ReadEvent = { time: Number.NaN };
  for (const [field, value] of fieldsOf(content)) {
    if (field === 1) event.time = (value as Buffer).readDoubleLE();
    else if (field === 2) event.step = value as number;
    else if (field === 3) event.version = String(value);
    else if (field === 7) event.status = fieldsOf(value as Buffer)[0]![1] as number;
    else if (field === 5) {
      event.scalars = Object.fromEntries(
        fieldsOf(value as Buffer).map(([, scalar]) => {
          const [[, tag], [, number]] = fieldsOf(scalar as Buffer) as [[number, Buffer], [number, Buffer]];
          return [String(tag), number.readFloatLE()];
        }),
      );
    } else throw new Error(`field ${field}`);
  }
  return event;
}

function fieldsOf(message: Buffer): [field: number, value: number | Buffer][] {
  const fields: [number, number | Buffer][] = [];
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[at++]!;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return Number(value);
    }
  };
  const take = (size: number) => {
    at += size;
    return message.subarray(at - size, at);
  };
  while (at < message.length) {
    const key = varint();
    const read = [varint, () => take(8), () => take(varint()), undefined, undefined, () => take(4)][key & 7];
    fields.push([key >>> 3, read!()]);
  }
  return fields;
}

/** By long division of the bits, without a table. */
function slowMaskedCrc(bytes: Uint8Array): number {
  let crc = 0xffffffffn;
  for (const byte of bytes) {
    crc ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) crc = crc & 1n ? (crc >> 1n) ^ 0x82f63b78n : crc >> 1n;
  }
  crc ^= 0xffffffffn;
  return Number((((crc >> 15n) | (crc << 17n)) + 0xa282ead8n) & 0xffffffffn);
}
