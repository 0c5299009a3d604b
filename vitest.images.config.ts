import { defineConfig } from 'vitest/config'

/** The recipes that come with `ostler-image`, each built and tried on a node: many minutes. */
export default defineConfig({
  test: {
    include: ['test/image/**/*.image.ts'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 5_400_000,
    hookTimeout: 300_000,
    reporters: ['default', './test/runner/closing-line.ts'],
  },
})
