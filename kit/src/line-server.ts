import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'

/** Who has called a line server. */
export interface LineCaller {
  /** Says a word, as one line of JSON. */
  readonly say: (word: unknown) => void
  readonly hangUp: () => void
}

/** What a caller is for whoever serves it. */
export interface ServedLines {
  /** @param line without its end. */
  readonly heard: (line: string) => void
  /** It is gone, for whatever reason. */
  readonly left?: () => void
}

/**
 * Serves lines on a unix socket that only our own user may open; one that lies there already is replaced. Disposed of, it hangs up on everybody.
 *
 * @param folderMode of the socket's folder, if it has to be made.
 * @param welcome gets each caller and says how it is served.
 * @throws Error of the system.
 */
export async function serveLines(
  path: string,
  folderMode: number,
  welcome: (caller: LineCaller) => ServedLines,
): Promise<AsyncDisposable> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    const hangUp = (): void => void socket.destroy()
    socket.on('error', hangUp)
    const served = welcome({ say: (word) => void socket.write(`${JSON.stringify(word)}\n`), hangUp })
    socket.once('close', () => {
      sockets.delete(socket)
      served.left?.()
    })
    const lines = createInterface(socket)
    // A caller that was killed resets its connection: the reader of lines hears of that as well.
    lines.on('error', hangUp)
    lines.on('line', (line) => served.heard(line))
  })
  mkdirSync(dirname(path), { recursive: true, mode: folderMode })
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
