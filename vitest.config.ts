import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['{kit,contract,agent,proxy,client,qa}/src/**/*.test.ts', 'test/**/*.test.ts'],
    pool: 'forks',
    // Whole nodes with real desktops run in these files, on machines with two cores: one at a time.
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Real programs on shared machines: a test that fails is tried once more, and named at the end (decision 0046).
    retry: 1,
    reporters: ['default', './test/closing-line.ts'],
  },
})
