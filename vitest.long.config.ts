import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defineConfig } from "vitest/config";

// The user's own cache is neither read nor written.
const PHINETUNE_CACHE = mkdtempSync(join(tmpdir(), "phinetune-test-cache-"));

export default defineConfig({
  test: {
    include: ["test/long/**/*.test.ts"],
    env: { PHINETUNE_CACHE },
    pool: "forks",
    testTimeout: 600_000,
    reporters: ["default", "./test/closing_line_reporter.ts"],
  },
});
