// `npm start` as it stands -> a base that cannot follow instructions, and an adapter that follows nearly all of them to the letter.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { runBinary } from "../fixtures/binary.js";

const root = mkdtempSync(join(tmpdir(), "phinetune-start-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

interface Result {
  readonly eval_before: Readonly<Record<string, number>>;
  readonly eval_after: Readonly<Record<string, number>>;
  readonly samples: readonly { readonly phase: string; readonly prompt: string; readonly answer: string }[];
}

it("teaches tiny-phi to answer the test questions, and to stop", async () => {
  const output = join(root, "run");
  const { code, stdout, stderr } = await runBinary([
    "train",
    ...["--config", "examples/start/train.yaml", "--json", "--output-dir", output],
  ]);
  expect(code, stderr).toBe(0);
  const { eval_before: before, eval_after: after, samples } = JSON.parse(stdout) as Result;
  expect(before.eval_exact_match).toBeLessThan(0.05);
  expect(after.eval_exact_match).toBeGreaterThanOrEqual(0.7);
  expect(after.eval_macro_f1).toBeGreaterThanOrEqual(0.85);
  expect(after.eval_f1).toBeGreaterThanOrEqual(0.75);
  expect(after.eval_stop_rate).toBeGreaterThanOrEqual(0.99);
  expect(after.eval_loss).toBeLessThan(before.eval_loss! / 2);

  const sample = samples.find(({ phase }) => phase === "after")!;
  const words = [
    "generate",
    "--model",
    "assets/tiny-phi",
    "--adapter",
    output,
    "--max-new-tokens",
    "40",
    "--json",
  ];
  const asked = await runBinary(words, { input: `${sample.prompt}\n` });
  expect((JSON.parse(asked.stdout) as { answer: string }).answer.trim()).toBe(sample.answer);
});
