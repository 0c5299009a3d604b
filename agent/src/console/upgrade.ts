import { consoleApi, parseSize, type TerminalSize } from '@ostler/contract/console-frames.ts'
import { checkConsoleTicket, type ConsoleTicket, UsedNonces } from '@ostler/contract/console-ticket.ts'
import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import { signedAt } from '@ostler/kit/signed-at.ts'
import { type IncomingMessage, STATUS_CODES } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { auditFile } from './audit.ts'
import { closeWith, openConsole } from './console.ts'

export interface ConsoleSettings {
  /** `vma.console.enable`, as it is now. */
  readonly enabled: () => boolean
  /** The agent's own certificate and that of the authority, as it got them when it enrolled; PEM. */
  readonly certificate: string
  readonly authority: string
  /** When it got them, in `performance.now()`. */
  readonly enrolledAt: number
  readonly desktop: number
  readonly epoch: number
  /** Path of the file that every use is written to. */
  readonly auditLog: string
  readonly runuser: string
  readonly lang: string
  readonly log: Log
  /** Program that holds a terminal; by default the one beside ours. */
  readonly host?: string
}

/** Takes the upgrades for `consoleApi.path` off a server. Closing it hangs up every console. */
export type ConsoleUpgrade = ((request: IncomingMessage, socket: Duplex, head: Buffer) => void) &
  AsyncDisposable

const MAX_CONSOLES = 8
const DEFAULT_SIZE: TerminalSize = { columns: 80, rows: 24 }
/** A clock that nobody sets may run this much too fast. */
const CLOCK_ERROR = 0.001

/**
 * Makes the door of the console. The caller's role must have been checked: `consoleApi.callers` alone may come here.
 *
 * It answers 426 without the right upgrade, 403 when there is no console here, 503 when eight are open, 401 for a
 * ticket that is not good, else 101. Each refusal has a fault as its body, and is written to the audit log.
 */
export function consoleUpgrade(settings: ConsoleSettings): ConsoleUpgrade {
  const { desktop, log } = settings
  const audit = auditFile(settings.auditLog, log)
  const now = installationClock(settings.certificate, settings.enrolledAt)
  const used = new UsedNonces()
  const open = new Map<Duplex, Promise<void>>()
  let closing = false

  const admit = (request: IncomingMessage): ConsoleTicket => {
    if (closing) throw new Fault('server.stopping')
    if (!settings.enabled()) throw new Fault('console.disabled', { desktop })
    if (open.size >= MAX_CONSOLES) throw new Fault('console.busy', { desktop, count: open.size })
    const { epoch, authority: authorityPem } = settings
    const ticket = headerOf(request, consoleApi.ticketHeader)
    return checkConsoleTicket(ticket, { authorityPem, desktop, epoch, now: now() }, used)
  }

  const refuse = (socket: Duplex, error: unknown, from: string): void => {
    const fault = error instanceof Fault ? error : new Fault('server.internal', { reference: 'see the log' })
    if (fault !== error) log.error('console failed', { error })
    try {
      const { by, user } = fault.detail
      audit.write('console refused', { by, user, desktop, from, reason: fault.message, code: fault.code })
    } catch (cause) {
      log.error('a refused console is not in the audit log', { error: cause })
    }
    void closeWith(socket, responseOf(fault))
  }

  const take = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on('error', () => {}) // 'close' follows
    const { remoteAddress = '', remotePort = 0 } = socket as Socket
    const from = `${remoteAddress} ${remotePort}`
    if (!asksForConsole(request)) {
      const fault = new Fault('request.upgradeRequired', { protocol: consoleApi.upgrade })
      return void closeWith(socket, responseOf(fault))
    }
    try {
      const ticket = admit(request)
      const size = parseSize(headerOf(request, consoleApi.sizeHeader)) ?? DEFAULT_SIZE
      if (socket instanceof Socket) socket.setNoDelay(true).setKeepAlive(true, 30_000)
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${consoleApi.upgrade}\r\n\r\n`,
      )
      if (head.length > 0) socket.unshift(head)
      const console_ = openConsole(socket, ticket, size, { ...settings, audit, from })
      open.set(
        socket,
        console_.finally(() => open.delete(socket)),
      )
    } catch (error) {
      refuse(socket, error, from)
    }
  }

  return Object.assign(take, {
    [Symbol.asyncDispose]: async () => {
      closing = true
      for (const socket of open.keys()) socket.destroy()
      await Promise.all(open.values())
    },
  })
}

function asksForConsole(request: IncomingMessage): boolean {
  return (
    request.method === 'GET' &&
    request.url === consoleApi.path &&
    request.headers.upgrade?.toLowerCase() === consoleApi.upgrade
  )
}

function headerOf(request: IncomingMessage, name: string): string {
  const value = request.headers[name]
  return typeof value === 'string' ? value : ''
}

/** A whole answer, for a socket that no server looks after any more. */
function responseOf(fault: Fault): string {
  const body = JSON.stringify(fault)
  const extra =
    fault.status === 426
      ? `Upgrade: ${consoleApi.upgrade}\r\nConnection: Upgrade, close\r\n`
      : 'Connection: close\r\n'
  return (
    `HTTP/1.1 ${fault.status} ${STATUS_CODES[fault.status] ?? ''}\r\n${extra}` +
    `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  )
}

/**
 * The time of the installation, never ahead of it: from the moment at which hkd signed our certificate, by its clock,
 * and what has gone by since. The guest's own clock is set by whoever likes, and often by nobody.
 */
function installationClock(certificate: string, from: number): () => number {
  const signed = signedAt(certificate)
  return () => signed + (performance.now() - from) * (1 - CLOCK_ERROR)
}
