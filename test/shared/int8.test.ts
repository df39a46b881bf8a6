// A real small model in 8 bits -> gradients of all adapters near the exact ones, on real rows.
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { errorOn } from "../fixtures/gradient_error.js";

const shared = process.env.PHINETUNE_SHARED ?? "../shared";

it("stories15M on Alpaca rows", async () => {
  process.env.PHINETUNE_CACHE = mkdtempSync(join(tmpdir(), "phinetune-cache-"));
  const rows = join(shared, "data/alpaca_gpt4_sample_999.json");
  const found = await errorOn(join(shared, "models/stories15M"), rows, 6);
  expect(found.gradients).toBeLessThan(0.08);
  expect(found.loss).toBeLessThan(0.005);
});
