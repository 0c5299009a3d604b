import { openSocketName } from '@ostler/kit/socket-name.ts'
import { Agent, type AgentOptions } from 'node:https'
import type { Duplex } from 'node:stream'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import type { AgentAt } from '../model/agent-at.ts'

/**
 * Connects to where an agent listens. A unix socket lies where the guest could put a link to another program's: the name is
 * opened without following links, and that very socket is connected to.
 *
 * @throws Error when there is no socket of that name.
 */
export function dialAgent(at: AgentAt, tls: ConnectionOptions): TLSSocket {
  if (!('socketPath' in at)) return connect({ ...tls, host: at.host, port: at.port })
  const handle = openSocketName(at.socketPath)
  const socket = connect({ ...tls, path: handle.path })
  // Once it is connected, or was refused, the name is not needed any more.
  let isOpen = true
  const close = (): void => {
    if (isOpen) handle[Symbol.dispose]()
    isOpen = false
  }
  socket.once('connect', close)
  socket.once('close', close)
  return socket
}

type Connected = (error: Error | null, stream: Duplex) => void

/** Dials for `https.request`, and tells what cannot be dialled as `request` tells other failures. */
export function dialled(dial: () => Duplex, callback: Connected | undefined): Duplex | undefined {
  try {
    return dial()
  } catch (error) {
    callback?.(error as Error, undefined as unknown as Duplex)
    return undefined
  }
}

/** Dials one agent, whatever host a request names. */
export class AgentDialler extends Agent {
  readonly #at: AgentAt
  readonly #tls: ConnectionOptions

  constructor(at: AgentAt, tls: ConnectionOptions, options: AgentOptions = {}) {
    super(options)
    this.#at = at
    this.#tls = tls
  }

  override createConnection(_: unknown, callback?: Connected): Duplex | undefined {
    return dialled(() => dialAgent(this.#at, this.#tls), callback)
  }
}
