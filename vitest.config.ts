import { defineConfig } from "vitest/config";
import { testEnvironment } from "./test/environment.js";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/long/**", "test/shared/**"],
    // A name that is misspelt must not be looked for in the network.
    env: { HF_HUB_OFFLINE: "1", ...testEnvironment() },
    pool: "forks",
    testTimeout: 60_000,
    reporters: ["default", "./test/closing_line_reporter.ts"],
  },
});
