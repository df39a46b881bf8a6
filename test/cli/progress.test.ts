// Events -> the bar of a terminal and the plain lines of a pipe; rows -> text that shows what is trained.
import { describe, expect, it } from "vitest";
import { showRow, tokensText } from "../../src/cli/data_view.js";
import { createTransferLine } from "../../src/cli/download.js";
import { createProgress, trainableLine } from "../../src/cli/progress.js";
import { bytes, count, duration, plural, share } from "../../src/cli/quantities.js";
import { createOutput, printable, wantsColour, wrap } from "../../src/cli/terminal.js";
import { addEvent, emptyRecord, summaryText } from "../../src/cli/train_summary.js";
import type { StartedEvent, StepEvent } from "../../src/train/events.js";

const started: StartedEvent = {
  type: "started",
  model: "m",
  dataset: "d",
  train_rows: 100,
  eval_rows: 0,
  dropped_rows: 1,
  trainable_params: 4096,
  all_params: 120448,
  modules: 4,
  max_steps: 100,
  steps_per_epoch: 50,
  num_train_epochs: 2,
};
const step = (n: number): StepEvent => ({
  type: "step",
  step: n,
  loss: 1.23456,
  grad_norm: 0.5,
  learning_rate: 1e-4,
  epoch: n / 50,
  num_tokens: 200 * n,
  step_seconds: 0.5,
});

/** An output of a given width that keeps what is written. */
function paper(columns: number | undefined, hasColour = false) {
  let text = "";
  const write = (piece: string) => {
    text += piece;
  };
  const output = createOutput({ isTTY: columns !== undefined, columns: columns ?? 0, write }, hasColour);
  return { output, text: () => text };
}

describe("progress", () => {
  it("is a line that is redrawn in a terminal and never wider than it", () => {
    for (const width of [20, 40, 60, 80, 200]) {
      const { output, text } = paper(width);
      const progress = createProgress(output, { loggingSteps: 10, interval: 0 });
      progress.show(started);
      for (let n = 1; n <= 100; n++) progress.show(step(n));
      progress.end();
      const drawn = text().split("\r\u001b[K").slice(1, -1);
      expect(drawn.length).toBe(100);
      for (const line of drawn) expect(line.length).toBeLessThan(width);
      if (width < 80) continue;
      expect(drawn[49]).toMatch(/^50\/100 {2}█+░+ {2}loss 1\.2346 {2}ETA 25 s {2}400 tokens\/s {2}\d+ MB$/);
      expect(drawn[99]).toMatch(/^100\/100 {2}█+ {2}loss/);
    }
  });

  it("is plain lines in a pipe", () => {
    const { output, text } = paper(undefined);
    const progress = createProgress(output, { loggingSteps: 40 });
    progress.show(started);
    for (let n = 1; n <= 100; n++) progress.show(step(n));
    progress.end();
    expect(text()).not.toMatch(/[\r█]/);
    expect(text().match(/^step \d+/gm)).toEqual(["step 1", "step 40", "step 80", "step 100"]);
    expect(text()).toContain("100 rows to train on, 0 held out, 1 left out; 100 steps, 4 adapted modules\n");
  });

  it("keeps the bar below the lines that are noted", () => {
    const { output, text } = paper(80);
    const progress = createProgress(output, { loggingSteps: 10, interval: 0 });
    progress.show(started);
    progress.show(step(1));
    progress.show({ type: "warned", message: "careful" });
    const [, , after] = text().split("\r\u001b[K");
    expect(after).toMatch(/^warning: careful\n1\/100 [^\n]*$/);
  });

  it("names parameters as PEFT does", () => {
    expect(trainableLine(started)).toBe(
      "trainable params: 4,096 || all params: 120,448 || trainable%: 3.4006",
    );
  });
});

describe("the summary", () => {
  it("shows perplexity before and after, and answers of both", () => {
    const evaluated = {
      type: "evaluated",
      step: 0,
      epoch: 0,
      eval_mean_token_accuracy: 0.5,
      eval_num_tokens: 10,
      eval_runtime: 1,
    } as const;
    const sampled = { type: "sampled", step: 0, prompt: "p", reference: "r" } as const;
    const record = [
      started,
      { ...evaluated, phase: "before", eval_loss: Math.log(8) } as const,
      { ...sampled, phase: "before", answer: "b\u001b[31m" } as const,
      step(1),
      { ...evaluated, phase: "during", eval_loss: 99 } as const,
      { ...evaluated, phase: "after", eval_loss: Math.log(4) } as const,
      { ...sampled, phase: "after", answer: "a" } as const,
      {
        type: "finished",
        step: 1,
        train_loss: 2,
        train_runtime: 65,
        tokens_per_second: 1234,
        peak_memory_bytes: 2e9,
        output_dir: "/o",
        interrupted: false,
      } as const,
    ].reduce(addEvent, emptyRecord);
    expect(
      summaryText(record, [{ purpose: "why", command: "phinetune x" }], paper(undefined).output),
    ).toMatchInlineSnapshot(`
      "Trained for 1 step.
      trainable params: 4,096 || all params: 120,448 || trainable%: 3.4006
      training loss     2.0000
      held-out loss     2.0794 -> 1.3863
      perplexity        8.000 -> 4.000
      token accuracy    0.5000 -> 0.5000
      time              1 min 5 s, 1,234 tokens/s
      peak memory       2.0 GB
      folder            /o
      report            /o/report.html

      A held-out row
      prompt    | p
      before    | b␛[31m
      after     | a
      reference | r

      Next
        # why
        phinetune x
      "
    `);
  });
});

describe("a row", () => {
  const tokens = ["<s>", "ask", "ed", "an", "swer", "</s>"];
  const tokenizer = {
    decode: (ids: ArrayLike<number>) => Array.from(ids, (id) => tokens[id]!).join(""),
    specialTokenIds: new Set([0, 5]),
  };
  const encoded = {
    source: "d.jsonl",
    line: 3,
    inputIds: Int32Array.of(0, 1, 2, 3, 4, 5),
    labels: Int32Array.of(-100, -100, -100, 3, 4, 5),
    truncatedTokens: 0,
  };

  it("marks trained tokens with brackets where there are no colours", () => {
    const row = showRow(encoded, 1, tokenizer);
    expect(row.trained_tokens).toBe(3);
    expect(tokensText(row, paper(undefined).output)).toBe("<s>asked⟦answer</s>⟧");
    expect(
      tokensText(showRow({ ...encoded, labels: encoded.inputIds }, 1, tokenizer), paper(undefined).output),
    ).toBe("⟦<s>askedanswer</s>⟧");
  });

  it("colours them where there are", () => {
    expect(tokensText(showRow(encoded, 1, tokenizer), paper(80, true).output)).toBe(
      "\u001b[36m<s>\u001b[0m\u001b[2masked\u001b[0m\u001b[32manswer\u001b[0m\u001b[35m</s>\u001b[0m",
    );
  });
});

describe("words", () => {
  it("for numbers", () => {
    expect([0, 999, 1000, 1234567.4].map(count)).toEqual(["0", "999", "1,000", "1,234,567"]);
    expect([0.04, 9.96, 12.4, 59.6, 61, 3599.7, 3600, 7290].map(duration)).toEqual([
      "0.0 s",
      "10.0 s",
      "12 s",
      "1 min 0 s",
      "1 min 1 s",
      "1 h 0 min",
      "1 h 0 min",
      "2 h 2 min",
    ]);
    expect([512, 2.5e6, 1.25e9].map(bytes)).toEqual(["1 kB", "3 MB", "1.3 GB"]);
    expect([share(1, 3), share(0, 0), plural(1, "row"), plural(2000, "row")]).toEqual([
      "33.3 %",
      "0.0 %",
      "1 row",
      "2,000 rows",
    ]);
  });

  it("have colours as the environment says", () => {
    expect(wantsColour(true, {})).toBe(true);
    expect(wantsColour(false, {})).toBe(false);
    expect(wantsColour(true, { NO_COLOR: "1" })).toBe(false);
    expect(wantsColour(true, { NO_COLOR: "" })).toBe(true);
    expect(wantsColour(false, { FORCE_COLOR: "1" })).toBe(true);
    expect(wantsColour(true, { TERM: "dumb" })).toBe(false);
  });

  it("from elsewhere cannot steer the terminal", () => {
    expect(printable("a\u001b[31mb\u0000\u009b\tc\nd\r\u007f")).toBe("a␛[31mb␀\ufffd\tc\nd␍␡");
  });

  it("are wrapped at the width", () => {
    expect(wrap("aa bb cc dd", 7, "  ")).toBe("aa bb\n  cc dd");
    expect(wrap("longword b", 4)).toBe("longword\nb");
  });
});

describe("a transfer", () => {
  const at = (done: number, filesDone = 0) => ({
    ...{ name: "org/a", direction: "down" as const, done, total: 4e6, filesDone, files: 2 },
  });

  it("is one line that is drawn anew in a terminal, and never wider than that", () => {
    for (const width of [30, 60, 100]) {
      const { output, text: read } = paper(width);
      const line = createTransferLine(output);
      for (const progress of [at(0), at(1e6), at(2e6, 1), at(4e6, 2)]) line.show(progress);
      const drawn = read().split("\r\u001b[K");
      expect(drawn.at(-1)).toBe("downloaded org/a: 4 MB, 2 files\n");
      expect(drawn.slice(0, -1).every((text) => text.length < width && !text.includes("\n"))).toBe(true);
      if (width === 100)
        expect(drawn[2]).toBe(
          `downloading org/a: ${"█".repeat(15)}${"░".repeat(15)}  2 MB of 4 MB, 1 of 2 files`,
        );
    }
  });

  it("is its beginning and its end in a pipe, and tells what it waits for", () => {
    const { output, text: read } = paper(undefined);
    const line = createTransferLine(output);
    line.show(at(0));
    line.show({ ...at(0), note: "the server answered 429\u001b[31m: trying again in 7 s" });
    for (const progress of [at(1e6), at(4e6, 2)]) line.show(progress);
    expect(read()).toBe(
      "downloading org/a: 0 kB of 4 MB, 0 of 2 files\norg/a: the server answered 429\u241b[31m: trying again in 7 s\ndownloaded org/a: 4 MB, 2 files\n",
    );
  });
});
