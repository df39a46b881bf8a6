// Events of a run -> the report: what it shows of runs that end in each way, and that foreign text stays text.
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { summarizeAnswers } from "../../src/evaluate/metrics/index.js";
import { smooth, thin } from "../../src/run/report/curves.js";
import { compareEvaluations } from "../../src/run/report/metrics.js";
import { renderReport, writeReport } from "../../src/run/report.js";
import type { TrainEvent } from "../../src/train/events.js";
import { type Element, readHtml } from "./html_check.js";
import { evaluated, finished, manifest, started, stepEvent, steps } from "./story.js";

const change = (low: number, value: number, high: number) => ({ low, value, high });

const whole: readonly TrainEvent[] = [
  started(),
  { type: "warned", message: "2 of 12 rows are left out" },
  evaluated("before", 0, 3, { eval_f1: 0.1, eval_precision: 0.2, eval_recall: 0.3 }),
  { type: "sampled", step: 0, phase: "before", prompt: "Q?", reference: "yes", answer: "dunno" },
  { type: "sampled", step: 0, phase: "before", prompt: "Q?", reference: "yes", answer: "dunno 2" },
  ...steps(20),
  evaluated("after", 20, 2, {
    eval_f1: 0.5,
    eval_precision: 0.1,
    eval_recall: 0.3,
    eval_change: {
      f1: change(0.2, 0.4, 0.6),
      precision: change(-0.2, -0.1, -0.05),
      recall: change(-0.1, 0, 0.1),
    },
  }),
  { type: "sampled", step: 20, phase: "after", prompt: "Q?", reference: "yes", answer: "yes" },
  { type: "sampled", step: 20, phase: "after", prompt: "Q?", reference: "yes", answer: "no" },
  finished(20),
];

function read(events: readonly TrainEvent[], more = manifest) {
  const page = renderReport({ manifest: more, events });
  const elements = readHtml(page);
  const body = elements.find(({ name }) => name === "body")!.text;
  const of = (test: (element: Element) => boolean) => elements.filter(test).map(({ text }) => text);
  return { page, elements, body, of, classes: (name: string) => of(hasClass(name)) };
}

const hasClass =
  (name: string) =>
  ({ attributes }: Element) =>
    (attributes.class ?? "").split(" ").includes(name);

const squeezed = (text: string | undefined) => text?.replace(/\s+/g, " ").trim();

describe("a finished run", () => {
  const { elements, body, of, classes } = read(whole);

  it("says how it ended, and shows the figures before and after with intervals and verdicts", () => {
    expect(squeezed(classes("status")[0])).toBe("finished after 20 steps");
    const tiles = classes("tile").map(squeezed);
    expect(tiles).toContain("Held-out lossbefore 3.000 → after 2.000−33.3 %");
    expect(tiles).toContain("Perplexitybefore 20.09 → after 7.389−63.2 %");
    expect(tiles).toContain("Answer F1before 0.100 → after 0.500better +0.400 [+0.200, +0.600]");
    expect(tiles).toContain("Answer precisionbefore 0.200 → after 0.100worse −0.100 [−0.200, −0.050]");
    expect(tiles).toContain("Answer recallbefore 0.300 → after 0.300no clear change 0.000 [−0.100, +0.100]");
  });

  it("has a section, a heading and a link for each part, in the order of the page", () => {
    const sections = ["result", "warnings", "curves", "metrics", "samples", "data", "options", "origin"];
    expect(elements.filter(({ name }) => name === "h2").map(({ attributes }) => attributes.id)).toEqual(
      sections,
    );
    const links = elements.flatMap(({ name, attributes }) => (name === "a" ? attributes.href! : []));
    expect(links).toEqual(["#main", ...sections.map((id) => `#${id}`)]);
    expect(body).toContain("2 of 12 rows are left out");
  });

  it("names every table, and heads every column", () => {
    const count = (name: string) => elements.filter((element) => element.name === name).length;
    expect(count("table")).toBeGreaterThan(6);
    expect(count("caption")).toBe(count("table"));
    expect(
      elements.filter(({ name, attributes }) => name === "th" && attributes.scope === undefined),
    ).toEqual([]);
  });

  it("shows answers before and after of the same row, also where rows are equal", () => {
    const answers = (name: string) =>
      elements
        .filter(hasClass(name))
        .filter(({ name: tag }) => tag === "div")
        .map(({ text }) => squeezed(text));
    expect(answers("before")).toEqual(["Beforedunno", "Beforedunno 2"]);
    expect(answers("after")).toEqual(["After equals the referenceyes", "Afterno"]);
    expect(answers("reference")).toEqual(["Referenceyes", "Referenceyes"]);
  });

  it("shows rows, mask, lengths and options, those that differ first", () => {
    const rows = of(({ name }) => name === "tr").map(squeezed);
    for (const row of [
      "rows kept10 (83.3 %)",
      "left out: answer truncated2",
      "trained tokens100 (25 %)",
      "answers that end with a trained end token90 %",
      "rows cut to --max-length1, by 7 tokens",
      "1–324",
      "33–646",
    ])
      expect(rows).toContain(row);
    const [differing, defaults] = elements.filter(
      ({ name, attributes }) => name === "table" && attributes.class === "options",
    );
    expect(differing!.text).toContain("--lora-r");
    expect(differing!.text).not.toContain("--lora-alpha");
    expect(defaults!.text).toContain("--lora-alpha");
    expect(body).toContain("ab12");
  });

  it("carries its curves", () => {
    const charts = chartsOf(elements);
    expect(charts.map(({ id }) => id)).toEqual(["loss", "evaluation", "learning-rate", "grad-norm", "speed"]);
    const [x, raw, , held] = charts[0]!.columns;
    expect(x).toEqual(Array.from({ length: 21 }, (_, i) => i));
    expect(raw!.slice(0, 3)).toEqual([null, 5, 3.5]);
    expect([held![0], held![1], held![20]]).toEqual([3, null, 2]);
    expect(charts[4]!.columns[1]).toEqual(Array(20).fill(80));
  });
});

interface DrawnChart {
  readonly id: string;
  readonly columns: readonly (readonly (number | null)[])[];
}

function chartsOf(elements: readonly Element[]): DrawnChart[] {
  const data = elements.find(({ attributes }) => attributes.id === "curves-data")!;
  return JSON.parse(data.text) as DrawnChart[];
}

describe("foreign text", () => {
  const evil = `</script><script>alert(1)</script><img src=x onerror="alert('2')">&amp; <!-- ]]> \u0000\u001b[31m \ud800 \u2028`;
  const events: readonly TrainEvent[] = [
    started({ model: evil, dataset: evil }),
    { type: "warned", message: evil },
    evaluated("before", 0, 3),
    { type: "sampled", step: 0, phase: "before", prompt: evil, reference: evil, answer: evil },
    ...steps(2),
    { type: "failed", step: 2, message: evil },
  ];
  const { page, elements, body } = read(events, {
    ...manifest,
    options: { ...manifest.options, model: evil, loraTargetModules: [evil] },
    device: { ...manifest.device, model: evil },
    hashes: { [evil]: evil },
    data: { ...manifest.data, dropped: { [evil]: 1 } },
  });

  it("stays text wherever it stands", () => {
    expect(elements.filter(({ name }) => name === "script").length).toBe(2);
    expect(elements.filter(({ name }) => name === "img")).toEqual([]);
    expect(
      elements.flatMap(({ attributes }) => Object.keys(attributes).filter((n) => /^on/.test(n))),
    ).toEqual([]);
    expect(page).not.toContain("<script>alert");
    expect(body.split("alert('2')").length - 1).toBeGreaterThanOrEqual(9);
    expect(body).toContain("␀␛[31m \ufffd");
  });

  it("cannot end the data of the curves", () => {
    const data = elements.find(({ attributes }) => attributes.id === "curves-data")!;
    expect(data.text).not.toMatch(/[<>&\u2028]/);
  });

  it("lets nothing run but the program of the report, and nothing load", () => {
    const policy = elements.find(({ attributes }) => attributes["http-equiv"])!.attributes.content!;
    const [style, , program] = elements.filter(({ name }) => name === "style" || name === "script");
    for (const { text } of [style!, program!])
      expect(policy).toContain(createHash("sha256").update(text).digest("base64"));
    expect(policy).toMatch(/^default-src 'none'; style-src 'sha256-[^']*'; script-src 'sha256-[^']*'; /);
    expect(page).not.toMatch(/\s(src|href|srcset|action)="(?!#)|@import|url\(/);
    expect(page).not.toMatch(/\sstyle="/);
  });
});

describe("a run that is not whole", () => {
  it("without held-out rows says so", () => {
    const { body, elements } = read([started({ eval_rows: 0 }), ...steps(3), finished(3)]);
    expect(body).toContain("No rows were held out");
    expect(body).toContain("none held out");
    expect(elements.filter(({ attributes }) => attributes.id === "metrics")).toEqual([]);
    expect(elements.filter(({ attributes }) => attributes.id === "samples")).toEqual([]);
    expect(chartsOf(elements).map(({ id }) => id)).toEqual(["loss", "learning-rate", "grad-norm", "speed"]);
  });

  it("that was interrupted shows the last evaluation during the training", () => {
    const { classes, body } = read([
      started(),
      evaluated("before", 0, 3),
      ...steps(7),
      evaluated("during", 5, 2.5),
      finished(7, { interrupted: true }),
    ]);
    expect(squeezed(classes("status")[0])).toBe("interrupted after step 7 of 20");
    expect(body).toContain("“After” is the last evaluation during the training, at step 5.");
    expect(classes("tile").map(squeezed)).toContain("Held-out lossbefore 3.000 → after 2.500−16.7 %");
  });

  it("that failed tells why, with a gap where the loss is not a number", () => {
    const broken = stepEvent(3, { loss: Number.NaN, grad_norm: Number.POSITIVE_INFINITY });
    const events = JSON.parse(JSON.stringify([started(), ...steps(2), broken])) as TrainEvent[];
    const { classes, elements } = read([...events, { type: "failed", step: 2, message: "the loss is NaN" }]);
    expect(squeezed(classes("status")[0])).toBe("failed after step 2: the loss is NaN");
    expect(chartsOf(elements)[0]!.columns[1]).toEqual([5, 3.5, null]);
  });

  it("that was killed, or has not begun, has a report as well", () => {
    expect(squeezed(read([started(), ...steps(4)]).classes("status")[0])).toBe(
      "unfinished the log stops after step 4: the run goes on, or was killed",
    );
    const empty = read([], { ...manifest, options: {}, hashes: {}, data: {} });
    expect(empty.body).toContain("No step was made");
    expect(read([started(), finished(0, { interrupted: true })]).body).toContain(
      "The held-out rows were not evaluated",
    );
  });

  it("is read from its folder, an unfinished line passed over", async () => {
    const folder = mkdtempSync(join(tmpdir(), "phinetune-report-"));
    try {
      writeFileSync(join(folder, "run.json"), JSON.stringify(manifest));
      const lines = [started(), ...steps(3)].map((event) => `${JSON.stringify(event)}\n`).join("");
      writeFileSync(join(folder, "events.jsonl"), `${lines}{"type":"ste`);
      const page = readFileSync(await writeReport(folder), "utf8");
      expect(page === renderReport({ manifest, events: [started(), ...steps(3)] })).toBe(true);
      rmSync(join(folder, "run.json"));
      await expect(writeReport(folder)).rejects.toThrow(/run\.json/);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe("a run with labels", () => {
  it("shows macro precision, recall and F1 in place of those of words", () => {
    const labels = { eval_macro_precision: 0.5, eval_macro_recall: 0.4, eval_macro_f1: 0.45, eval_f1: 0.9 };
    const { classes } = read([
      started(),
      evaluated("before", 0, 3, labels),
      evaluated("after", 9, 2, labels),
      finished(9),
    ]);
    const titles = classes("tile").map((text) => text.split("before")[0]);
    expect(titles).toEqual([
      "Held-out loss",
      "Perplexity",
      "Token accuracy",
      "Label precision (macro)",
      "Label recall (macro)",
      "Label F1 (macro)",
    ]);
  });

  it("shows what was answered for what, and the scores of each label", () => {
    const answered = (...pairs: readonly (readonly [label: string, answer: string])[]) => ({
      eval_labels: summarizeAnswers(
        pairs.map(([label, answer]) => ({ reference: label, answer, label, stopped: true, tokens: 1 })),
      ).labels!,
    });
    const labels = read([
      started(),
      evaluated("before", 0, 3, answered(["yes", "Maybe"], ["no", "yes"], ["no", "no"])),
      evaluated("after", 2, 2, answered(["yes", "Yes."], ["no", "no"], ["no", "yes"])),
      finished(2),
    ]);
    const rows = labels.of(({ name }) => name === "tr").map(squeezed);
    expect(rows).toContain("no1.000 → 1.0000.500 → 0.5000.667 → 0.6672");
    expect(rows).toContain("yes0.000 → 0.5000.000 → 1.0000.000 → 0.6671");
    // after: two for no, then what came before.
    expect(rows.filter((row) => row === "no11·")).toHaveLength(2);
    expect(rows).toContain("yes·1·");
    expect(rows).toContain("yes··1");
  });

  it("knows for which metrics less is better", () => {
    const verdict = (low: number, high: number) =>
      compareEvaluations(
        evaluated("before", 0, 3, { eval_no_label_rate: 0.5 }),
        evaluated("after", 9, 2, {
          eval_no_label_rate: 0.2,
          eval_change: { no_label_rate: change(low, low, high) },
        }),
      ).find(({ name }) => name === "no_label_rate")!.verdict;
    expect(verdict(-0.4, -0.2)).toBe("better");
    expect(verdict(0.2, 0.4)).toBe("worse");
    expect(verdict(-0.2, 0)).toBe("no clear change");
  });
});

describe("a long run", () => {
  it("keeps to 3 MB and shows its spikes, also with long answers", () => {
    const long = "word ".repeat(20_000);
    const count = 100_000;
    const all = Array.from({ length: count }, (_, i) =>
      stepEvent(i + 1, {
        loss: i === 54_321 ? 99 : 2 + Math.sin(i),
        grad_norm: Math.abs(Math.sin(i * i)),
        step_seconds: 0.1 + (i % 7) / 100,
      }),
    );
    const samples = Array.from({ length: 50 }, (_, i) => ({
      type: "sampled" as const,
      step: 0,
      phase: "before" as const,
      prompt: `${i} ${long}`,
      reference: long,
      answer: long,
    }));
    const evaluations = Array.from({ length: 10_000 }, (_, i) => evaluated("during", i * 10, 2));
    const warnings = Array.from({ length: 5000 }, (_, i) => ({
      type: "warned" as const,
      message: `no ${i}`,
    }));
    const { page, elements } = read([
      started(),
      ...warnings,
      ...samples,
      ...all,
      ...evaluations,
      finished(count),
    ]);
    expect(page.length).toBeLessThan(3e6);
    const [steps, losses] = chartsOf(elements)[0]!.columns as [number[], number[]];
    expect(losses[steps.indexOf(54_322)]).toBe(99);
    expect([steps[0], steps.at(-1)]).toEqual([0, count]);
    expect(elements.filter(({ name }) => name === "article").length).toBe(20);
  });

  it("is thinned to the lowest and highest of each stretch", () => {
    expect(thin([3, 1, 2], 3)).toEqual([0, 1, 2]);
    expect(thin([5, 1, 9, 5, 5, 0, 5, 8, 5, 5], 6)).toEqual([0, 1, 2, 5, 7, 9]);
    expect(
      thin(
        Array.from({ length: 1000 }, (_, i) => (i === 500 ? null : 1)),
        10,
      ),
    ).toContain(500);
  });

  it("is smoothed without a bias at its start", () => {
    expect(smooth([4, 4, 4], 10)).toEqual([4, 4, 4].map((value) => expect.closeTo(value)));
    expect(smooth([null, 2, null, 4], 2)).toEqual([null, 2, 2, expect.closeTo(10 / 3)]);
  });
});
