import { defineConfig } from 'vitest/config'

/** What needs another kernel than the machine's: tests inside one virtual machine, which boot.ts starts. */
export default defineConfig({
  test: {
    include: ['test/vm/**/*.vm.ts'],
    globalSetup: './test/vm/boot.ts',
    pool: 'forks',
    // They share one guest.
    fileParallelism: false,
    testTimeout: 240_000,
    hookTimeout: 60_000,
    reporters: ['default', './test/runner/closing-line.ts'],
  },
})
