import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Real programs on shared machines: a test that fails is tried once more, and named at the end (decision 0046).
    retry: 1,
    reporters: ['default', './test/runner/closing-line.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'parts',
          include: ['{kit,contract,agent,proxy,client,qa}/src/**/*.test.ts'],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'rooms',
          include: ['test/**/*.test.ts'],
          // Whole nodes with real desktops run in these files, on machines with two cores: one at a time.
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
})
