import { closeSync, openSync, readSync, watch } from 'node:fs'

/** Longer lines lose their beginning. */
const MAX_LINE = 65_536
const LOOK_MS = 50

/**
 * Calls `onLine` for every complete line of a growing file, from its beginning, as it is written.
 *
 * Reads happen synchronously inside the file-system event, so a line is seen before anything that its
 * writer does next can be waited for. The file must exist.
 * @returns a function that stops following and frees the descriptor.
 */
export function followLines(path: string, onLine: (line: string) => void): () => void {
  const fd = openSync(path, 'r')
  const buffer = Buffer.allocUnsafe(16_384)
  let rest = ''
  let stopped = false
  const isStopped = (): boolean => stopped // `onLine` may stop us
  const drain = (): void => {
    for (;;) {
      if (isStopped()) return
      const length = readSync(fd, buffer, 0, buffer.length, null)
      if (length === 0) return
      const lines = (rest + buffer.toString('latin1', 0, length)).split('\n')
      rest = (lines.pop() ?? '').slice(-MAX_LINE)
      for (const line of lines) if (!isStopped()) onLine(line)
    }
  }
  const unwatch = notice(path, drain)
  drain()
  return () => {
    if (isStopped()) return
    stopped = true
    unwatch()
    closeSync(fd)
  }
}

/** Calls `look` when the file grows. Where the kernel has no watch left for us, it is looked at often instead. */
function notice(path: string, look: () => void): () => void {
  try {
    const watcher = watch(path, look)
    return () => watcher.close()
  } catch {
    const timer = setInterval(look, LOOK_MS)
    return () => clearInterval(timer)
  }
}
