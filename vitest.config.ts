import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defineConfig } from "vitest/config";

// The user's own cache is neither read nor written.
const PHINETUNE_CACHE = mkdtempSync(join(tmpdir(), "phinetune-test-cache-"));

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/long/**", "test/shared/**"],
    // A name that is misspelt must not be looked for in the network.
    env: { HF_HUB_OFFLINE: "1", PHINETUNE_CACHE },
    pool: "forks",
    testTimeout: 60_000,
    reporters: ["default", "./test/closing_line_reporter.ts"],
  },
});
