import type { Duplex } from 'node:stream'
import { Agent, type RequestOptions } from 'node:https'
import type { ConnectionOptions } from 'node:tls'
import type { AgentAt } from '../model/agent-at.ts'
import { dialAgent, dialled } from './dial.ts'

/** How one boot of one desktop is called; two that are equal lead to the same agent. */
export interface AgentLine {
  /** Names the boot, its address, and who calls. */
  readonly name: string
  readonly at: AgentAt
  readonly tls: ConnectionOptions
}

/** Connections that nobody uses, all agents together. */
const MAX_IDLE = 64
/** Milliseconds; an agent that closes its own sooner says so. */
const IDLE_MS = 15_000
/** A ticket is about a kilobyte. */
const MAX_TICKETS = 4_096

/** A request's options as they reach `createConnection`. */
type WithLine = RequestOptions & { readonly line: AgentLine }

/**
 * Connections to agents that outlive a call. A call over one that stands costs a tenth of one that must prove with certificates
 * again who is who; a TLS session that is taken up again saves a third of that.
 *
 * Neither reaches further than the boot that was checked: both are kept under its line's name. An agent can take up only a session
 * whose ticket it has itself written with a key that it holds in memory, so whoever answers is the one who was checked.
 */
export class AgentLines extends Agent {
  readonly #tickets = new Map<string, Buffer>()

  constructor() {
    super({ keepAlive: true, maxFreeSockets: 1, timeout: IDLE_MS, maxCachedSessions: 0 })
  }

  override getName(options?: RequestOptions): string {
    return (options as WithLine).line.name
  }

  override createConnection(
    options: RequestOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | undefined {
    return dialled(() => this.#dial((options as WithLine).line), callback)
  }

  #dial({ name, at, tls }: AgentLine): Duplex {
    const session = this.#tickets.get(name)
    const socket = dialAgent(at, { ...tls, ...(session === undefined ? {} : { session }) })
    socket.on('session', (ticket: Buffer) => this.#keep(name, ticket))
    socket.once('close', (failed) => {
      if (failed) this.#tickets.delete(name)
    })
    return socket
  }

  /** Whether a connection is kept when its call has been answered: Node's type does not say so, but its documentation. */
  override keepSocketAlive(socket: Duplex): boolean {
    if (Object.keys(this.freeSockets).length >= MAX_IDLE) return false
    const base = Agent.prototype as unknown as { keepSocketAlive(socket: Duplex): boolean }
    return base.keepSocketAlive.call(this, socket)
  }

  [Symbol.dispose](): void {
    this.destroy()
  }

  /** The newest is the last; the oldest makes room. */
  #keep(name: string, ticket: Buffer): void {
    this.#tickets.delete(name)
    this.#tickets.set(name, ticket)
    const [oldest] = this.#tickets.keys()
    if (this.#tickets.size > MAX_TICKETS && oldest !== undefined) this.#tickets.delete(oldest)
  }
}
