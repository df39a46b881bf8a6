import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/shared/**/*.test.ts"],
    pool: "forks",
    testTimeout: 600_000,
    reporters: ["default", "./test/closing_line_reporter.ts"],
  },
});
