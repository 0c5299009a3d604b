import { defineConfig } from 'vitest/config'

/** Whole nodes with desktops that bring up a system of their own, on an emulated processor at worst: minutes. */
export default defineConfig({
  test: {
    include: ['test/kvm/**/*.kvm.ts'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 600_000,
    // The image is built when it is not in the cache.
    hookTimeout: 1_200_000,
    reporters: ['default', './test/runner/closing-line.ts'],
  },
})
