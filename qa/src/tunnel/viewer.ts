import { Fault } from '@ostler/contract/fault.ts'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, readFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import type { ApiClient } from '../api-client.ts'
import { openTunnel } from './open-tunnel.ts'
import { carry } from './pipe.ts'

/** Viewers that take HOST::PORT, in the order in which they are looked for. */
const VIEWERS = ['vncviewer', 'xtigervncviewer', 'xtightvncviewer']
/** So long a viewer may take to connect to us. */
const VIEWER_MS = 300_000

export interface ViewerSettings {
  readonly env: NodeJS.ProcessEnv
  readonly print: (line: string) => void
}

/**
 * Shows the session of a desktop, whose user is asked first: to a viewer on PATH where there is a display, else to the
 * first one that the same person connects to the address that is printed. Ends with it.
 *
 * @throws Fault as `openTunnel`, and `tunnel.ended` when no viewer comes within five minutes.
 */
export async function showDesktop(
  api: ApiClient,
  desktop: string,
  asked: { readonly person?: string },
  { env, print }: ViewerSettings,
): Promise<void> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const program = env['DISPLAY'] === undefined ? undefined : viewerOn(env['PATH'] ?? '')
  try {
    const viewer =
      program === undefined ? undefined : spawn(program, [`127.0.0.1::${port}`], { stdio: 'ignore' })
    if (viewer === undefined) print(`connect a VNC viewer to 127.0.0.1:${port}`)
    const left = new Promise<never>((_, reject) => {
      const because = (reason: string) => (): void => reject(new Fault('tunnel.ended', { reason }))
      viewer
        ?.once('exit', because('the viewer ended'))
        .once('error', because('the viewer could not be started'))
      setTimeout(because('no viewer came'), VIEWER_MS).unref()
    })
    left.catch(() => {})
    const socket = await Promise.race([firstOwn(server, port), left])
    server.close()
    try {
      const { stream } = await openTunnel(api, desktop, { kind: 'support', ...asked })
      await carry(stream, socket, socket)
    } finally {
      socket.destroy()
    }
  } finally {
    server.close()
  }
}

/** The first connection of a program of the same user: others of this machine can reach the port as well. */
function firstOwn(server: Server, port: number): Promise<Socket> {
  return new Promise((resolve) => {
    server.on('connection', (socket) => {
      socket.on('error', () => socket.destroy())
      const own = ownerOf(readFileSync('/proc/net/tcp', 'utf8'), socket.remotePort ?? 0, port)
      if (own === process.getuid?.()) resolve(socket)
      else socket.destroy()
    })
  })
}

/**
 * Whose end of a connection on loopback it is.
 * @param table as in /proc/net/tcp: local address, remote address, …, user.
 * @returns `undefined` when the table has no such connection.
 */
export function ownerOf(table: string, from: number, to: number): number | undefined {
  const hex = (port: number): string => `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`
  const words = table.split('\n').map((line) => line.trim().split(/\s+/))
  const found = words.find(([, local, remote]) => local === hex(from) && remote === hex(to))
  return found?.[7] === undefined ? undefined : Number(found[7])
}

function viewerOn(path: string): string | undefined {
  const all = VIEWERS.flatMap((name) => path.split(':').map((folder) => join(folder, name)))
  return all.find((file) => {
    try {
      accessSync(file, constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
