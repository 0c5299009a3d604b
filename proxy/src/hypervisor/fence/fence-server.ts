import { serveLines } from '@ostler/kit/line-server.ts'
import type { Fence, FenceState } from './fence.ts'

/** A line to the fence: a time until which desktops may run (null: for ever), that they are to end now, or only a question. */
export type FenceOrder =
  { readonly until: number | null } | { readonly close: true } | { readonly look: true }
/** Its answer, when it is done. */
export type FenceWord = FenceState | { readonly failed: string }

/** Lets a fence be told by a unix socket that root alone may open. */
export async function serveFence(fence: Fence, path: string): Promise<AsyncDisposable> {
  return await serveLines(path, 0o755, ({ say }) => ({
    heard: (line) => {
      obey(fence, line).then(say, (error: unknown) => {
        say({ failed: error instanceof Error ? error.message : String(error) } satisfies FenceWord)
      })
    },
  }))
}

async function obey(fence: Fence, line: string): Promise<FenceWord> {
  const order = JSON.parse(line) as Partial<{ until: unknown; close: unknown; look: unknown }>
  if (order.look === true) return fence.state
  if (order.close === true) return await fence.close()
  if (order.until === null || typeof order.until === 'number') return await fence.set(order.until)
  throw new TypeError('neither a time nor an end')
}
