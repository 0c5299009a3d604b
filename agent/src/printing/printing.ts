import type { SessionEvent } from '@ostler/contract/agent-api.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { Observable } from '@ostler/kit/observable.ts'
import { findAccount } from '@ostler/kit/passwd.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import type { AgentValues } from '../config/options.ts'
import { PRINTING_PORT } from '../desktop/nxagent-options.ts'
import type { SessionRequest } from '../desktop/request.ts'
import { WhileConnected } from '../desktop/while-connected.ts'
import { type ClientPrinter, ippPrinters, slavePrinters, smbPrinters } from './client-printers.ts'
import type { JobDoor } from './job-door.ts'
import { PrintSystem } from './print-system.ts'
import type { CallClient } from './slave-printers.ts'

/** nxagent opens the channel a moment before or after it says that the session has started. */
const CHANNEL_MS = 20_000
const AGAIN_MS = 500

export interface PrintingParts {
  readonly config: () => AgentValues
  readonly news: Observable<SessionEvent>
  /** What the present session was opened with; `undefined` without a session. */
  readonly request: () => SessionRequest | undefined
  /** Calls the client over the slave channel. */
  readonly callClient: CallClient
  readonly log: Log
}

/** As whom CUPS runs its programs where they need not be root's. */
const CUPS_USER = 'lp'

/**
 * Brings the client's printers into the desktop while she is connected, and takes them out again; also those that an agent left which
 * was killed. It never stops a session: what fails is in the log.
 */
export function followPrinting(parts: PrintingParts): AsyncDisposable {
  const { config, news, request, log } = parts
  const system = new PrintSystem(config)
  let door: JobDoor | undefined
  const closeDoor = async (): Promise<void> => {
    const closing = door
    door = undefined
    await closing?.[Symbol.asyncDispose]()
  }
  const follower = new WhileConnected(news, {
    begin: async (signal) => {
      if (!config()['vma.printing.enable']) return
      await system.clear()
      await closeDoor()
      const wanted = request()
      if (wanted?.printing === undefined) return
      const found = await awaitPrinters(() => list(parts, wanted, signal), signal)
      door = found.door
      const { printers } = found
      if (printers.length === 0) return void log.info('the client has no printers')
      await system.ensureRunning(signal)
      const complain = (printer: string, error: unknown): void =>
        log.warn('a printer of the client cannot be used', { printer, error })
      const queues = await system.add(printers, wanted.user.name, complain, signal)
      log.info('printers of the client are there', { queues })
    },
    end: async () => {
      await closeDoor()
      if (!config()['vma.printing.enable']) return
      const queues = await system.clear()
      if (queues.length > 0) log.info('printers of the client are gone', { queues })
    },
    complain: (error) => log.warn('the printers of the client are not in order', { error }),
  })
  return {
    [Symbol.asyncDispose]: async () => {
      await follower[Symbol.asyncDispose]()
      await closeDoor()
    },
  }
}

/** Printers, and what their queues lead to where that is ours. */
interface FoundPrinters {
  readonly printers: readonly ClientPrinter[]
  readonly door?: JobDoor
}

async function list(
  { config, callClient, log }: PrintingParts,
  { printing }: SessionRequest,
  signal: AbortSignal,
): Promise<FoundPrinters> {
  if (printing === 'smb')
    return { printers: await smbPrinters(config()['command.smbclient'], PRINTING_PORT, signal) }
  if (printing === 'cups') return { printers: await ippPrinters(PRINTING_PORT, signal) }
  const patienceMs = config()['internal.vma.printing.timeout'] * 1_000
  const users = new Set([0, findAccount(CUPS_USER)?.uid ?? 0])
  return await slavePrinters({ callClient, patienceMs, users, log }, signal)
}

/** Asks until the client answers; throws its last failure. */
async function awaitPrinters(ask: () => Promise<FoundPrinters>, signal: AbortSignal): Promise<FoundPrinters> {
  const end = performance.now() + CHANNEL_MS
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (signal.aborted || performance.now() > end) throw error
      await sleep(AGAIN_MS, undefined, { signal })
    }
  }
}
