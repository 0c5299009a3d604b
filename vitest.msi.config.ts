import { defineConfig } from 'vitest/config'

/** The installer for Windows, under Wine: a few minutes. */
export default defineConfig({
  test: {
    include: ['test/msi/**/*.msi.ts'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 600_000,
    hookTimeout: 900_000,
    reporters: ['default', './test/runner/closing-line.ts'],
  },
})
