import type { Writable } from 'node:stream'

/** Resolves when `stream`, whose `write` has returned false, takes more; or when it has closed. */
export async function drained(stream: Writable): Promise<void> {
  if (stream.destroyed) return
  await new Promise<void>((resolve) => {
    const done = (): void => {
      stream.off('drain', done).off('close', done)
      resolve()
    }
    stream.on('drain', done).on('close', done)
  })
}
