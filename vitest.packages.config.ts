import { defineConfig } from 'vitest/config'

/** Packages where they live: on whole systems, which are made from Debian's archive and kept in the cache. */
export default defineConfig({
  test: {
    include: ['test/packages/**/*.life.ts'],
    pool: 'forks',
    // Each is a machine of its own.
    fileParallelism: false,
    testTimeout: 900_000,
    hookTimeout: 1_500_000,
    reporters: ['default', './test/runner/closing-line.ts'],
  },
})
