import { closeSync, constants, openSync } from 'node:fs'
import { DeadlineExceeded } from './deadline.ts'
import { run, RunError } from './run.ts'

/** flock(1) says with it that somebody else holds the lock. */
const HELD_EXIT = 75

/**
 * Waits for the exclusive lock (flock) of a file or device and holds it until it is disposed of or this process ends.
 * Two calls exclude each other also within one process.
 *
 * @param path must exist; it is opened for reading only, so that a read-only device can be locked too.
 * @throws DeadlineExceeded when somebody else holds it for longer than `withinMs`, the reason of `signal` when that
 *   aborts, the system's error when `path` cannot be opened, RunError when flock(1) fails otherwise.
 */
export async function lockFile(path: string, withinMs: number, signal?: AbortSignal): Promise<Disposable> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  try {
    if (!(await lockOpenFile(fd, withinMs, signal)))
      throw new DeadlineExceeded(`the lock of ${path}`, withinMs)
  } catch (error) {
    closeSync(fd)
    throw error
  }
  let held = true
  return {
    [Symbol.dispose]: () => {
      if (held) closeSync(fd)
      held = false
    },
  }
}

/**
 * Waits for the exclusive lock (flock) of an open file. Whoever has the same open file has the lock, such as a program that was started
 * with it, until the last one closes it.
 *
 * @param withinMs 0: only if nobody holds it now.
 * @returns whether it is held.
 * @throws the reason of `signal` when that aborts, RunError when flock(1) fails otherwise.
 */
export async function lockOpenFile(fd: number, withinMs: number, signal?: AbortSignal): Promise<boolean> {
  try {
    // The lock belongs to the open file, not to the process that asks for it: flock(1) asks and ends, we keep it.
    await run(
      'flock',
      ['--exclusive', '--timeout', String(withinMs / 1000), '--conflict-exit-code', String(HELD_EXIT), '3'],
      { files: [fd], timeoutMs: withinMs + 10_000, ...(signal === undefined ? {} : { signal }) },
    )
    return true
  } catch (error) {
    signal?.throwIfAborted()
    if (error instanceof RunError && error.exitCode === HELD_EXIT) return false
    throw error
  }
}
