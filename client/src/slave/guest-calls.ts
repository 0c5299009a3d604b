import { Fault } from '@ostler/contract/fault.ts'
import {
  askSlave,
  callSlave,
  type SlaveCall,
  type SlaveReply,
  untilAnswered,
} from '@ostler/contract/slave-call.ts'
import type { Secret } from '@ostler/kit/secret.ts'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

/** Calls to the guest's end of the slave channel. */
export interface GuestCalls {
  /** @throws Fault `slave.silent`, `slave.ended`. */
  ask(call: SlaveCall): Promise<SlaveReply>
  /**
   * A call that gives a stream.
   * @throws Fault `slave.silent`, or `slave.refused` with what the guest says; no stream is open then.
   */
  open(call: SlaveCall): Promise<{ stream: Duplex; reply: SlaveReply }>
}

const ATTEMPTS = 11
const PAUSE_MS = 1_000

/**
 * Calls the guest through nxproxy's socket, which is there soon after nxproxy has been started: QVD's clients try it eleven times,
 * a second apart (section 5.4), and so do we.
 * @param signal ends the waiting.
 */
export function guestCalls(path: string, key: Secret, signal: AbortSignal): GuestCalls {
  const reach = async (): Promise<Socket> => {
    for (let attempt = 1; ; attempt++) {
      const socket = connect({ path, allowHalfOpen: true })
      socket.on('error', () => socket.destroy())
      try {
        await once(socket, 'connect', { signal })
        return socket
      } catch (cause) {
        socket.destroy()
        if (attempt >= ATTEMPTS || signal.aborted)
          throw new Fault('slave.silent', { reason: 'nxproxy has none' }, { cause })
      }
      await sleep(PAUSE_MS, undefined, { signal })
    }
  }
  const call = async <T>(make: (stream: Socket) => Promise<T>): Promise<T> => {
    const stream = await reach()
    const cut = (): void => void stream.destroy()
    signal.addEventListener('abort', cut, { once: true })
    stream.once('close', () => signal.removeEventListener('abort', cut))
    try {
      return await make(stream)
    } catch (error) {
      stream.destroy()
      throw error
    }
  }
  return {
    ask: (what) => {
      const ask = () => call((stream) => askSlave(stream, key, what))
      // What may have been done already is not asked for twice.
      return what.method === 'GET' ? untilAnswered(ask, signal) : ask()
    },
    open: async (what) => {
      const make = async (stream: Socket) => ({ stream, reply: await callSlave(stream, key, what) })
      const opened = await untilAnswered(() => call(make), signal)
      const { status, text } = opened.reply
      if (status === 101) return opened
      opened.stream.destroy()
      throw new Fault('slave.refused', { what: `${what.method} ${what.path}`, status, text })
    },
  }
}
