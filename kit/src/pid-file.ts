import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { identify, isAlive, type ProcessIdentity } from './process-table.ts'

/** The process that holds a pid file and lives; `undefined` when nobody does. */
export function pidFileHolder(path: string): ProcessIdentity | undefined {
  try {
    const holder = JSON.parse(readFileSync(path, 'utf8')) as ProcessIdentity
    return Number.isInteger(holder.pid) && isAlive(holder) ? holder : undefined
  } catch {
    return undefined
  }
}

/**
 * Takes a pid file for this process.
 * @returns the other process that holds it, or a disposer that removes it.
 */
export function takePidFile(path: string): { holder: ProcessIdentity } | { taken: Disposable } {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 })
  const draft = `${path}.${process.pid}`
  writeFileSync(draft, JSON.stringify(identify(process.pid)), { mode: 0o644 })
  try {
    for (;;) {
      try {
        linkSync(draft, path) // fails when somebody has it
        break
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      }
      const holder = pidFileHolder(path)
      if (holder !== undefined) return { holder }
      // Of a process that has ended. Moved away first: of several that see it, one moves it.
      renameSync(path, `${draft}.stale`)
      rmSync(`${draft}.stale`)
    }
  } finally {
    rmSync(draft, { force: true })
  }
  const isOurs = (): boolean => pidFileHolder(path)?.pid === process.pid
  return {
    taken: {
      [Symbol.dispose]: () => {
        if (isOurs()) rmSync(path, { force: true })
      },
    },
  }
}
