import {
  CONSOLE_HEARTBEAT_MS,
  encodeFrame,
  FrameParser,
  type ConsoleFrame,
  type TerminalSize,
} from '@ostler/contract/console-frames.ts'
import type { ConsoleTicket } from '@ostler/contract/console-ticket.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { drained } from '@ostler/kit/drained.ts'
import type { Log } from '@ostler/kit/log.ts'
import { findAccount } from '@ostler/kit/passwd.ts'
import { run } from '@ostler/kit/run.ts'
import type { Duplex } from 'node:stream'
import type { Audit } from './audit.ts'
import { openPty, type Pty, type TerminalProgram } from './pty.ts'

/** What a console is opened with. */
export interface ConsoleParts {
  readonly log: Log
  readonly audit: Audit
  /** Path of util-linux's runuser, which opens the PAM session and drops the privileges. */
  readonly runuser: string
  readonly lang: string
  /** Who asks, for the audit: an address. */
  readonly from: string
  /** Program that holds the terminal; by default the one beside ours. */
  readonly host?: string
}

/** How a console came to its end. */
type End =
  | { readonly how: 'exit'; readonly code: number }
  | { readonly how: 'hang-up' }
  | { readonly how: 'failed'; readonly fault: Fault }

const CLOSE_MS = 5_000

/**
 * Runs a login shell of the ticket's account on a terminal and relays it as frames, until it exits or the caller
 * closes, which ends everything in its session. Opening and closing are written to the audit before and after.
 * The caller hears in a note why nothing was opened, or why it was ended.
 *
 * Closes `stream` in any case, and never throws.
 */
export async function openConsole(
  stream: Duplex,
  ticket: ConsoleTicket,
  size: TerminalSize,
  parts: ConsoleParts,
): Promise<void> {
  stream.on('error', () => {}) // 'close' follows, and is a hang-up
  const started = performance.now()
  const { by, user, desktop, epoch, nonce } = ticket
  const who = { console: nonce, by, user, desktop, epoch, from: parts.from }
  const bytes = { typed: 0, printed: 0 }
  let end: End
  try {
    writeAudit(parts, 'console opened', who)
    await using pty = await openPty(await loginShell(user, size, parts), parts.host)
    end = await relay(stream, pty, bytes)
  } catch (error) {
    end = { how: 'failed', fault: asFault(error, parts.log) }
  }
  const closing = closeWith(stream, lastFrames(end))
  try {
    const seconds = Math.round((performance.now() - started) / 100) / 10
    writeAudit(parts, 'console closed', { ...who, ...told(end), seconds, ...bytes })
  } catch (error) {
    parts.log.error('the end of a console is not in the audit log', { ...who, error })
  }
  await closing
}

/** @throws Fault `console.failed`: what cannot be written down does not happen. */
function writeAudit({ audit }: ConsoleParts, ...entry: Parameters<Audit['write']>): void {
  try {
    audit.write(...entry)
  } catch (cause) {
    const reason = `the audit log cannot be written (${cause instanceof Error ? cause.message : String(cause)})`
    throw new Fault('console.failed', { reason }, { cause })
  }
}

async function loginShell(user: string, size: TerminalSize, parts: ConsoleParts): Promise<TerminalProgram> {
  const { runuser, lang } = parts
  const help = await run(runuser, ['--help']).catch((cause: unknown) => {
    throw new Fault('console.failed', { reason: `${runuser} cannot be run` }, { cause })
  })
  // An old runuser lets nothing but TERM through.
  const keep = help.stdout.includes('--whitelist-environment') ? ['--whitelist-environment=LANG'] : []
  const owner = findAccount(user)?.uid
  return {
    file: runuser,
    args: ['--login', ...keep, user],
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', TERM: 'xterm-256color', LANG: lang },
    cwd: '/',
    size,
    ...(owner === undefined ? {} : { owner }),
  }
}

/** Carries both ways until either side ends. Whoever is slow slows the other side, not our memory. */
async function relay(stream: Duplex, pty: Pty, bytes: { typed: number; printed: number }): Promise<End> {
  const end = Promise.withResolvers<End>()
  const hungUp = (): void => end.resolve({ how: 'hang-up' })
  const parser = new FrameParser()
  const take = (chunk: Buffer): void => {
    try {
      for (const frame of parser.push(chunk)) {
        const typed = obey(frame, pty)
        bytes.typed += typed.length
        if (typed.length === 0 || pty.stream.write(typed) || stream.isPaused()) continue
        stream.pause()
        pty.stream.once('drain', () => stream.resume())
      }
    } catch (error) {
      end.reject(error)
    }
  }
  stream.on('data', take).once('end', hungUp).once('close', hungUp)
  if (stream.destroyed) hungUp()
  print(pty, stream, bytes).then((code) => end.resolve({ how: 'exit', code }), end.reject)
  // Also tells a caller who has gone while we wait for the program to read and so do not listen.
  const heartbeat = setInterval(() => {
    if (!stream.writableNeedDrain) stream.write(encodeFrame({ type: 'data', bytes: new Uint8Array() }))
  }, CONSOLE_HEARTBEAT_MS)
  try {
    return await end.promise
  } finally {
    clearInterval(heartbeat)
    stream.off('data', take)
  }
}

/** Does what a frame of the caller says, and returns what is to be typed. */
function obey(frame: ConsoleFrame, pty: Pty): Uint8Array {
  if (frame.type === 'data') return frame.bytes
  if (frame.type !== 'size')
    throw new Fault('console.malformed', { problem: `${frame.type} is not for the caller to say` })
  pty.resize(frame.size)
  return new Uint8Array()
}

/** Sends what is printed, and returns the exit code after the last of it. */
async function print(pty: Pty, stream: Duplex, bytes: { printed: number }): Promise<number> {
  for await (const chunk of pty.stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes.printed += chunk.length
    if (!stream.write(encodeFrame({ type: 'data', bytes: chunk }))) await drained(stream)
  }
  return await pty.exited
}

function lastFrames(end: End): Uint8Array {
  if (end.how === 'exit') return encodeFrame({ type: 'exit', code: end.code })
  if (end.how === 'hang-up') return new Uint8Array()
  return encodeFrame({ type: 'note', text: `${end.fault.message}. ${end.fault.advice}` })
}

function told(end: End): { end: string; exitCode?: number; reason?: string } {
  if (end.how === 'exit') return { end: end.how, exitCode: end.code }
  return end.how === 'failed' ? { end: end.how, reason: end.fault.message } : { end: end.how }
}

function asFault(error: unknown, log: Log): Fault {
  if (error instanceof Fault) return error
  log.error('console failed', { error })
  return new Fault('server.internal', { reference: 'see the log' })
}

/**
 * Says the last words and closes, within 5 s. What still comes is read and dropped: an end with unread bytes would be
 * a reset, which may overtake the last words.
 */
export async function closeWith(stream: Duplex, last: Uint8Array | string): Promise<void> {
  const closed = new Promise<void>((resolve) => stream.once('close', resolve))
  if (stream.destroyed) return
  const deadline = setTimeout(() => stream.destroy(), CLOSE_MS)
  stream.resume()
  stream.end(last)
  await closed
  clearTimeout(deadline)
}
