import { Fault } from '@ostler/contract/fault.ts'
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'

/** What goes through nxproxy beside the picture. */
export interface NxChannel extends AsyncDisposable {
  /** Options of nxproxy, and more of its environment. */
  readonly options: readonly string[]
  readonly environment: Readonly<Record<string, string>>
}

/** A channel of nxproxy's options alone, by their names. */
export function optionsOnly(options: Readonly<Record<string, string>>): NxChannel {
  return {
    options: Object.entries(options).map(([name, value]) => `${name}=${value}`),
    environment: {},
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

/** How showing a desktop ended. */
export type DisplayEnd = 'window closed' | 'server closed'

/** How nxproxy is started. */
export interface NxProxy {
  readonly program: string
  readonly extraArgs: readonly string[]
  /** What it inherits. */
  readonly environment: NodeJS.ProcessEnv
}

const ACCEPT_MS = 10_000
/** nxproxy's number for the link; it means nothing with a unix socket. */
const LINK = 40

/**
 * Shows an NX stream on the local X display with nxproxy, and returns when either has ended. nxproxy cannot be
 * handed a connection, so it connects to a socket in a folder that is ours alone, and we relay.
 *
 * @param openChannel makes a channel in a folder of ours alone; it is closed with the display.
 * @throws Fault `client.noDisplay`, `client.displayFailed`, or what `openChannel` throws. Nothing is left running or lying about.
 */
export async function showNx(
  stream: Duplex,
  head: Buffer,
  nxproxy: NxProxy,
  signal: AbortSignal,
  openChannel?: (folder: string) => Promise<NxChannel>,
): Promise<DisplayEnd> {
  if ((nxproxy.environment['DISPLAY'] ?? '') === '') throw new Fault('client.noDisplay')
  const folder = mkdtempSync(join(tmpdir(), 'ostler-'))
  const socketPath = join(folder, 'nx.sock')
  const nxRoot = join(folder, 'nx')
  mkdirSync(nxRoot, { mode: 0o700 })
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(socketPath, resolve))
  const channel = await openChannel?.(folder).catch((error: unknown) => {
    server.close()
    stream.destroy()
    rmSync(folder, { recursive: true, force: true })
    throw error
  })
  const options = [...(channel?.options ?? []), `connect=unix:${socketPath}`]
  const words = [...nxproxy.extraArgs, '-S', `nx/nx,${options.join(',')}:${LINK}`]
  const proxy = spawn(nxproxy.program, words, {
    env: { ...nxproxy.environment, ...channel?.environment, NX_CLIENT: '/bin/false', NX_ROOT: nxRoot },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const kill = (): void => void proxy.kill('SIGTERM')
  signal.addEventListener('abort', kill, { once: true })
  try {
    const said: string[] = []
    proxy.stderr.on('data', (chunk: Buffer) => said.push(chunk.toString('latin1')))
    const exit = new Promise<string>((resolve) => {
      proxy.once('error', (error) => resolve(error.message))
      proxy.once('exit', (code, by) => resolve(lastWords(said) ?? `it ended with ${by ?? code ?? 'nothing'}`))
    })
    const link = await Promise.race([accept(server), exit])
    if (typeof link === 'string')
      throw new Fault('client.displayFailed', { program: 'nxproxy', reason: link })
    const end = await relay(stream, head, link, exit)
    return signal.aborted ? 'window closed' : end
  } finally {
    signal.removeEventListener('abort', kill)
    proxy.kill('SIGTERM')
    server.close()
    stream.destroy()
    await channel?.[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  }
}

function accept(server: ReturnType<typeof createServer>): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new Fault('client.displayFailed', { program: 'nxproxy', reason: 'it did not connect to us' }))
    }, ACCEPT_MS)
    server.once('connection', (socket) => {
      clearTimeout(timer)
      socket.on('error', () => socket.destroy())
      server.close() // exactly one
      resolve(socket)
    })
  })
}

async function relay(stream: Duplex, head: Buffer, link: Socket, exit: Promise<string>): Promise<DisplayEnd> {
  stream.on('error', () => stream.destroy())
  if (head.length > 0) link.write(head)
  stream.pipe(link)
  link.pipe(stream)
  return await new Promise((resolve) => {
    stream.once('close', () => resolve('server closed'))
    stream.once('end', () => resolve('server closed'))
    link.once('close', () => resolve('window closed'))
    void exit.then(() => resolve('window closed'))
  })
}

function lastWords(said: readonly string[]): string | undefined {
  const errors = said
    .join('')
    .split('\n')
    .filter((line) => line.startsWith('Error:'))
  return errors.at(-1)?.slice('Error: '.length)
}
