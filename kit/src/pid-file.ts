import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { identify, isAlive, type ProcessIdentity } from './process-table.ts'

/** The process that holds a pid file and lives; `undefined` when nobody does. */
export function pidFileHolder(path: string): ProcessIdentity | undefined {
  try {
    const holder = JSON.parse(readFileSync(path, 'utf8')) as ProcessIdentity
    return isAlive(holder) ? holder : undefined
  } catch {
    return undefined
  }
}

/**
 * Takes a pid file for this process.
 * @returns the other process that holds it, or a disposer that removes it.
 */
export function takePidFile(path: string): { holder: ProcessIdentity } | { taken: Disposable } {
  const holder = pidFileHolder(path)
  if (holder !== undefined) return { holder }
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 })
  rmSync(path, { force: true }) // of a process that has ended
  try {
    writeFileSync(path, JSON.stringify(identify(process.pid)), { flag: 'wx', mode: 0o644 })
  } catch (error) {
    const winner = pidFileHolder(path)
    if (winner !== undefined) return { holder: winner }
    throw error
  }
  return { taken: { [Symbol.dispose]: () => rmSync(path, { force: true }) } }
}
