// `npm start` as it stands -> a model that answers its held-out rows better than before, and an adapter that answers the same again.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { runBinary } from "../fixtures/binary.js";

const root = mkdtempSync(join(tmpdir(), "phinetune-start-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

interface Result {
  readonly eval_before: { readonly eval_loss: number; readonly eval_mean_token_accuracy: number };
  readonly eval_after: { readonly eval_loss: number; readonly eval_mean_token_accuracy: number };
  readonly samples: readonly { readonly phase: string; readonly prompt: string; readonly answer: string }[];
}

it("nearly halves the held-out loss, and does so in the same way each time", async () => {
  const run = async (name: string) => {
    const output = join(root, name);
    const words = [
      "train",
      "--config",
      "examples/start/train.yaml",
      "--json",
      "--num-threads",
      "1",
      "--output-dir",
      output,
    ];
    const { code, stdout, stderr } = await runBinary(words);
    expect(code, stderr).toBe(0);
    return { output, result: JSON.parse(stdout) as Result };
  };
  const { output, result } = await run("first");
  expect(result.eval_after.eval_loss).toBeLessThan(result.eval_before.eval_loss / 1.8);
  expect(result.eval_after.eval_mean_token_accuracy).toBeGreaterThan(0.2);

  const sample = result.samples.find(({ phase }) => phase === "after")!;
  const asked = await runBinary(
    [
      "generate",
      "--model",
      "test/fixtures/start/model",
      "--adapter",
      output,
      "--max-new-tokens",
      "24",
      "--num-threads",
      "1",
      "--json",
    ],
    { input: `${sample.prompt}\n` },
  );
  expect((JSON.parse(asked.stdout) as { answer: string }).answer).toBe(sample.answer);

  const { result: again } = await run("second");
  expect(again.eval_after).toMatchObject({ eval_loss: result.eval_after.eval_loss });
});
