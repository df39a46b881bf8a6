import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/long/**", "test/shared/**"],
    pool: "forks",
    testTimeout: 60_000,
    reporters: ["default", "./test/closing_line_reporter.ts"],
  },
});
