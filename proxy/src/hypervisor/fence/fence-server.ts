import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import type { Fence, FenceState } from './fence.ts'

/** A line to the fence: a time until which desktops may run (null: for ever), that they are to end now, or only a question. */
export type FenceOrder =
  { readonly until: number | null } | { readonly close: true } | { readonly look: true }
/** Its answer, when it is done. */
export type FenceWord = FenceState | { readonly failed: string }

/** Lets a fence be told by a unix socket that root alone may open. */
export async function serveFence(fence: Fence, path: string): Promise<AsyncDisposable> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    const lines = createInterface(socket)
    lines.on('error', () => socket.destroy())
    lines.on('line', (line) => {
      obey(fence, line)
        .catch((error: unknown): FenceWord => ({
          failed: error instanceof Error ? error.message : String(error),
        }))
        .then((word) => socket.write(`${JSON.stringify(word)}\n`))
        .catch(() => socket.destroy())
    })
  })
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 })
  rmSync(path, { force: true })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  chmodSync(path, 0o600)
  return {
    [Symbol.asyncDispose]: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

async function obey(fence: Fence, line: string): Promise<FenceWord> {
  const order = JSON.parse(line) as Partial<{ until: unknown; close: unknown; look: unknown }>
  if (order.look === true) return fence.state
  if (order.close === true) return await fence.close()
  if (order.until === null || typeof order.until === 'number') return await fence.set(order.until)
  throw new TypeError('neither a time nor an end')
}
