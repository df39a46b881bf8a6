import { defineConfig } from "vitest/config";
import { testEnvironment } from "./test/environment.js";

export default defineConfig({
  test: {
    include: ["test/shared/**/*.test.ts"],
    env: testEnvironment(),
    pool: "forks",
    testTimeout: 600_000,
    reporters: ["default", "./test/closing_line_reporter.ts"],
  },
});
