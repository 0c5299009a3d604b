import { Fault } from '@ostler/contract/fault.ts'
import { run } from '@ostler/kit/run.ts'
import { mkdirSync } from 'node:fs'
import { rm, rmdir } from 'node:fs/promises'
import { seal } from '@ostler/contract/sealed-system.ts'

/** A system of some gigabytes on a slow disk. */
const COPY_MS = 7_200_000

/** Two folders, of which the upper one hides what it has of the lower one. */
export interface Layers {
  readonly lower: string
  readonly upper: string
}

/**
 * Copies a system as its desktop sees it into a new folder, and seals it. The kernel lays the folders over each other, for
 * reading: it knows what was removed.
 * @param target is made, or made anew.
 * @throws Fault `capture.failed`; then there is no target.
 */
export async function copyFolder(layers: Layers, target: string, signal: AbortSignal): Promise<void> {
  const view = `${target}.view`
  try {
    await rm(target, { recursive: true, force: true })
    for (const folder of [view, target]) mkdirSync(folder, { recursive: true, mode: 0o755 })
    await run('umount', ['--lazy', view]).catch(() => {}) // of a copy that was interrupted
    const options = `ro,lowerdir=${layers.upper}:${layers.lower}`
    await run('mount', ['-t', 'overlay', '-o', options, 'ostler-capture', view])
    try {
      await run('cp', ['--archive', '--', `${view}/.`, target], { timeoutMs: COPY_MS, signal })
    } finally {
      await run('umount', ['--lazy', view])
    }
    seal(target)
  } catch (cause) {
    await rm(target, { recursive: true, force: true })
    throw new Fault(
      'capture.failed',
      { reason: cause instanceof Error ? cause.message : String(cause) },
      { cause },
    )
  } finally {
    await rmdir(view).catch(() => {})
  }
}
