import { defineConfig } from 'vitest/config'

/** Whole nodes with system users, desktops and doors: one at a time. */
const NODES = 'test/{client,displays,door,flows,image}/**/*.test.ts'
/** What lives in databases of its own, or in files: it starts no node, and is nobody's neighbour. */
const APART =
  'test/{api,architecture,auth-examples,configuration,database,docs,expiry,runner,simulation,store}/**/*.test.ts'

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
          include: ['{kit,contract,agent,proxy,client,qa,image}/src/**/*.test.ts'],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'apart',
          include: [APART],
          maxWorkers: 2,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'rooms',
          include: ['test/**/*.test.ts'],
          exclude: [APART, NODES],
          // One guest, one network, one driver with real containers: they know each other's names.
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: { name: 'nodes', include: [NODES], fileParallelism: false, sequence: { groupOrder: 2 } },
      },
    ],
  },
})
