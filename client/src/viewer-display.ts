import { Fault } from '@ostler/contract/fault.ts'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { Duplex } from 'node:stream'
import type { DisplayStream } from './door.ts'
import type { DisplayEnd } from './nx-display.ts'
import type { ViewerProgram } from './viewers.ts'

/** A viewer whose desktop is gone may say so for a moment, then it is ended. */
const FAREWELL_MS = 1_000

/** What a viewer shows. */
export interface ViewedDisplay {
  readonly first: DisplayStream
  /** Opens a further connection to the same display; `undefined` where there is one only. */
  readonly further: (() => Promise<DisplayStream>) | undefined
  readonly title: string
}

/**
 * Shows a display in a viewer, and returns when either has ended. The viewer connects to a unix socket in a folder
 * that is ours alone.
 *
 * @throws Fault `client.displayFailed` when the viewer does not even connect. Nothing is left running or lying about.
 */
export async function showInViewer(
  { first, further, title }: ViewedDisplay,
  viewer: ViewerProgram,
  signal: AbortSignal,
): Promise<DisplayEnd> {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-'))
  const socketPath = join(folder, 'display.sock')
  const streams = new Set<Duplex>([first.stream])
  const firstEnd = Promise.withResolvers<DisplayEnd>()
  const seen = { connected: false }

  const carry = ({ stream, head }: DisplayStream, link: Socket): void => {
    streams.add(stream)
    const end = (): void => {
      stream.destroy()
      link.destroy()
    }
    stream.on('error', end)
    stream.once('close', end)
    link.once('close', end)
    if (head.length > 0) link.write(head)
    stream.pipe(link)
    link.pipe(stream)
  }
  const server = createServer((link) => {
    link.on('error', () => link.destroy())
    if (!seen.connected) {
      seen.connected = true
      for (const event of ['end', 'close'] as const) {
        link.once(event, () => firstEnd.resolve('window closed'))
        first.stream.once(event, () => firstEnd.resolve('server closed'))
      }
      return carry(first, link)
    }
    if (further === undefined) return void link.destroy()
    further().then(
      (stream) => carry(stream, link),
      () => link.destroy(),
    )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(socketPath, resolve)
  })
  const program = spawn(viewer.path, viewer.args(socketPath, title), { stdio: ['ignore', 'ignore', 'pipe'] })
  const kill = (): void => void program.kill('SIGTERM')
  signal.addEventListener('abort', kill, { once: true })
  let said = ''
  program.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString('utf8')).slice(-4_096)))
  const exit = new Promise<string>((resolve) => {
    program.once('error', (error) => resolve(error.message))
    program.once('close', (code, by) => resolve(lastLine(said) ?? `it ended with ${by ?? code ?? 'nothing'}`))
  })
  try {
    const end = await Promise.race([firstEnd.promise, exit.then(() => 'window closed' as const)])
    if (!seen.connected && !signal.aborted)
      throw new Fault('client.displayFailed', { program: basename(viewer.path), reason: await exit })
    if (signal.aborted) return 'window closed'
    const late = new Promise<void>((resolve) => setTimeout(resolve, FAREWELL_MS).unref())
    await Promise.race([exit, late])
    return end
  } finally {
    signal.removeEventListener('abort', kill)
    program.kill('SIGTERM')
    server.close()
    for (const stream of streams) stream.destroy()
    rmSync(folder, { recursive: true, force: true })
  }
}

function lastLine(said: string): string | undefined {
  return said.split('\n').findLast((line) => line.trim() !== '')
}
