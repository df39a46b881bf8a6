// The report of a real run, in a real browser -> curves that are drawn, at each width and in each colour scheme, without a complaint.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runBinary, START } from "../fixtures/binary.js";
import { type Browser, findChromium, startBrowser } from "./browser.js";

const chromium = findChromium();
const reason = "skipped: there is no chromium on PATH, and the variable CHROMIUM names none";
if (!chromium) console.log(`test/long/report.test.ts ${reason}`);

const views = [1280, 360].flatMap((width) =>
  (["light", "dark"] as const).map((scheme) => ({ width, height: 900, scheme })),
);

/** Pixels of each chart in the colour of a curve. */
const DRAWN = `[...document.querySelectorAll("canvas")].map((canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const colors = ["main", "second", "third", "fourth", "fifth"].map((name) => {
    const hex = getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
    return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
  });
  let drawn = 0;
  for (let i = 0; i < data.length; i += 4)
    if (colors.some((color) => data[i + 3] === 255 && color.every((value, n) => Math.abs(data[i + n] - value) < 4)))
      drawn++;
  return drawn;
})`;
const LEGEND = `document.querySelector(".u-legend").textContent`;
/** Whether all steps are shown. */
const SHOWN = `document.getElementById("reset").disabled`;

describe.skipIf(!chromium)(`report.html in chromium${chromium ? "" : ` (${reason})`}`, () => {
  let root: string;
  let report: string;
  let browser: Browser;
  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), "phinetune-report-"));
    report = join(root, "run", "report.html");
    const { model, dataset } = START;
    const words = `--model ${model} --dataset ${dataset} --eval-size 8 --max-steps 12 --eval-strategy steps --eval-steps 4`;
    const more = "--predict-with-generate --max-new-tokens 8 --sample-rows 3 --num-threads 1 --output-dir";
    const { code, stderr } = await runBinary(["train", ...`${words} ${more}`.split(" "), join(root, "run")]);
    expect(code, stderr).toBe(0);
    browser = await startBrowser(chromium!);
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(root, { recursive: true, force: true });
  });

  it.each(views)("draws its curves at $width pixels, $scheme", async (view) => {
    const page = await browser.open(report, view);
    const drawn = await page.evaluate<number[]>(DRAWN);
    expect(drawn.length).toBe(5);
    for (const pixels of drawn) expect(pixels).toBeGreaterThan(100);
    expect(await page.evaluate(`document.documentElement.scrollWidth <= ${view.width}`)).toBe(true);
    expect(await page.evaluate("getComputedStyle(document.body).backgroundColor")).toBe(
      view.scheme === "light" ? "rgb(255, 255, 255)" : "rgb(19, 22, 26)",
    );
    expect(page.complaints).toEqual([]);
    expect(page.requests).toEqual([]);
  });

  it("is read and zoomed by keyboard and mouse, and follows colour scheme, width and printer", async () => {
    const page = await browser.open(report, views[0]!);
    expect(await page.evaluate(LEGEND)).toMatch(/^step12each step/);
    await page.evaluate(`document.getElementById("plot-loss").focus()`);
    await page.press("Home");
    await page.press("ArrowRight");
    expect(await page.evaluate(`document.querySelector("#plot-loss [aria-live]").textContent`)).toMatch(
      /^step 1: each step [\d.]+, smoothed over 5 steps [\d.]+$/,
    );
    expect(await page.evaluate(LEGEND)).toMatch(/^step1each step/);
    expect(await page.evaluate(SHOWN)).toBe(true);
    await page.press("+");
    expect(await page.evaluate(SHOWN)).toBe(false);
    await page.press("Escape");
    expect(await page.evaluate(SHOWN)).toBe(true);
    await page.evaluate(`document.getElementById("plot-loss").scrollIntoView({ behavior: "instant" })`);
    await page.point([700, 150]);
    expect(await page.evaluate(LEGEND)).not.toMatch(/^step(1|12)each/);
    await page.point([900, 150], [500, 150]);
    expect(await page.evaluate(SHOWN)).toBe(false);
    await page.press("Escape");
    await page.evaluate(`document.getElementById("log").click()`);
    await page.look({ width: 360, height: 900, scheme: "dark" });
    for (const pixels of await page.evaluate<number[]>(DRAWN)) expect(pixels).toBeGreaterThan(100);
    expect((await page.pdf()).length).toBeGreaterThan(10_000);
    expect(page.complaints).toEqual([]);
  });
});
