import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Processes, not threads: the SQLite binding and the daemon tests own process-wide state.
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 20_000,
    // The first that needs the package builds it, beside the other worker's tests.
    hookTimeout: 60_000,
  },
});
