import { Scope } from '@ostler/kit/scope.ts'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { openCache } from './cache.ts'
import { buildImage, cachedImage } from './image.ts'
import { startMachine } from './machine.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The folder of the running machine; or why there is none. */
    machine: { readonly folder: string } | { readonly trouble: string }
  }
}

const PROJECT_FOLDER = join(import.meta.dirname, '../..')
const TICK_MS = 20_000

/**
 * Starts the one machine of a run before its first test and ends it after the last.
 * When that fails, each test file fails with the reason: vitest would count nothing as failed otherwise.
 */
export default async function boot(project: TestProject): Promise<() => Promise<void>> {
  const scope = new Scope()
  try {
    const cache = openCache()
    const image = cachedImage(cache) ?? (await telling('building the guest image', () => buildImage(cache)))
    const machine = await telling('starting the guest', () => startMachine(cache, image, PROJECT_FOLDER))
    scope.own(machine)
    project.provide('machine', { folder: machine.folder })
  } catch (error) {
    project.provide('machine', { trouble: error instanceof Error ? error.message : String(error) })
  }
  return () => scope.close()
}

/** Says on standard error how long something takes, also while it does. */
async function telling<T>(what: string, work: () => Promise<T>): Promise<T> {
  const start = performance.now()
  const say = (end: string): boolean =>
    process.stderr.write(`• ${what}: ${((performance.now() - start) / 1_000).toFixed(1)} s${end}\n`)
  const ticks = setInterval(() => say(' …'), TICK_MS)
  try {
    const result = await work()
    say('')
    return result
  } finally {
    clearInterval(ticks)
  }
}
