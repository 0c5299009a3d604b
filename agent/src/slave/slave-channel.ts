import { Fault } from '@ostler/contract/fault.ts'
import type { SlaveCall, SlaveReply } from '@ostler/contract/slave-call.ts'
import { portRoutes } from '@ostler/contract/slave-ports.ts'
import { serveSlave, type SlaveRoute, type SlaveServer } from '@ostler/contract/slave-server.ts'
import { SLAVE_PORT_BASE } from '@ostler/contract/slave.ts'
import type { SessionEvent } from '@ostler/contract/agent-api.ts'
import type { SessionState } from '@ostler/contract/session.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { Observable } from '@ostler/kit/observable.ts'
import type { Account } from '@ostler/kit/passwd.ts'
import { Secret } from '@ostler/kit/secret.ts'
import { createServer, type Server, type Socket } from 'node:net'
import type { AgentValues } from '../config/options.ts'
import { nxPlaces } from '../desktop/launch.ts'
import { readSessionPolicy } from '../desktop/session-policy.ts'
import type { Pairs } from '../hooks/run-hook.ts'
import type { AsUser } from '../platform/linux/as-user.ts'
import { listenAt } from '../rpc/place.ts'
import { openRoutes } from './open-routes.ts'
import { type MountShare, shareRoutes } from './share-routes.ts'
import { callClient } from './to-client.ts'
import { usbRoute } from './usb-route.ts'
import { type UserPrograms, userPrograms } from './user-programs.ts'

/** The session as the channel sees it. */
export interface ChannelSession {
  readonly news: Observable<SessionEvent>
  readonly account: Account | undefined
  readonly pairs: Pairs
}

export interface ChannelParts {
  readonly session: ChannelSession
  readonly config: () => AgentValues
  readonly asUser: AsUser
  readonly log: Log
  readonly mountShare: MountShare
  /** Where the two sockets are: `slave` for streams of the client, `open` for programs of the desktop. */
  readonly sockets: { readonly slave: string; readonly open: string }
}

const MAX_STREAMS = 32
/** In these no client is there, so none of its streams is. */
const GONE: readonly SessionState[] = ['suspending', 'suspended', 'stopping', 'stopped']

/**
 * The guest's end of the slave channel. nxagent starts a program for each stream of the client, which carries it to a unix socket
 * of ours that the session's user alone may open; at a second one her programs ask for things to be opened at the client. With the
 * client all its streams end, and with them what was made of them.
 */
export class SlaveChannel implements AsyncDisposable {
  readonly #parts: ChannelParts
  readonly #streams = new Set<Socket>()
  readonly #servers: Server[] = []
  readonly #unsubscribe: () => void
  #owner: number | undefined

  constructor(parts: ChannelParts) {
    this.#parts = parts
    this.#unsubscribe = parts.session.news.subscribe(({ state }) => {
      if (GONE.includes(state)) this.#cut()
    })
  }

  /**
   * Listens for this user's programs from now on, and for nobody else's. What listens for her already goes on.
   * @throws Error of the system, Fault `session.failed`.
   */
  async listenFor(account: Account): Promise<void> {
    if (this.#owner === account.uid) return
    this.#close()
    const { slave, open } = this.#parts.sockets
    await this.#listen(slave, account, { key: () => this.#key(), routes: this.#clientRoutes() })
    await this.#listen(open, account, { key: 'by socket', routes: this.#programRoutes() })
    this.#owner = account.uid
  }

  /**
   * Calls the client's end.
   * @throws Fault `slave.silent` where there is none, `slave.ended`.
   */
  async callClient(call: SlaveCall, signal?: AbortSignal): Promise<SlaveReply> {
    const { config, session } = this.#parts
    const [key, account] = [this.#key(), session.account]
    if (key === undefined || account === undefined)
      throw new Fault('slave.silent', { reason: 'this session has no slave channel' })
    const port = SLAVE_PORT_BASE + config()['internal.nxagent.display']
    return await callClient(port, account.uid, key, call, signal)
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#unsubscribe()
    this.#close()
    return Promise.resolve()
  }

  async #listen(path: string, account: Account, served: Pick<SlaveServer, 'key' | 'routes'>): Promise<void> {
    const server = createServer({ allowHalfOpen: true }, (stream) => {
      stream.on('error', () => stream.destroy())
      if (this.#streams.size >= MAX_STREAMS) {
        this.#parts.log.warn('slave channel', { what: 'stream refused', reason: 'too many are open' })
        return void stream.destroy()
      }
      this.#streams.add(stream)
      stream.once('close', () => this.#streams.delete(stream))
      void serveSlave(stream, {
        ...served,
        onTrouble: (what, detail) => this.#parts.log.warn('slave channel', { what, ...detail }),
      })
    })
    this.#servers.push(server)
    await listenAt(server, { socket: path, owner: account.uid })
  }

  #clientRoutes(): readonly SlaveRoute[] {
    const { config, mountShare } = this.#parts
    const parts = {
      config,
      parameters: () => this.#parameters(),
      programs: () => this.#programs(),
    }
    return [
      ...shareRoutes({ ...parts, mountShare }),
      usbRoute(parts),
      ...portRoutes((port) => this.#mayReach(port)),
    ]
  }

  /** @throws Fault `slave.forbidden` where policy allows no ports at all. */
  #mayReach(port: number): boolean {
    if (!readSessionPolicy(this.#parameters()).ports)
      throw new Fault('slave.forbidden', { what: `port ${port}`, reason: 'policy' })
    return this.#parts.config()['vma.slave.forward.ports'].has(port)
  }

  #programRoutes(): readonly SlaveRoute[] {
    return openRoutes({
      parameters: () => this.#parameters(),
      callClient: (call) => this.callClient(call),
    })
  }

  #parameters(): ReadonlyMap<string, string> {
    return new Map(this.#parts.session.pairs)
  }

  #key(): Secret | undefined {
    const key = this.#parameters().get('qvd.slave.key') ?? ''
    return key === '' ? undefined : new Secret(key)
  }

  #programs(): UserPrograms {
    const { session, config, asUser } = this.#parts
    if (session.account === undefined) throw new Fault('session.busy', { state: 'stopped' })
    return userPrograms(session.account, asUser, {
      DISPLAY: `:${config()['internal.nxagent.display']}`,
      XAUTHORITY: nxPlaces(config(), undefined).authority,
    })
  }

  #cut(): void {
    for (const stream of this.#streams) stream.destroy()
  }

  #close(): void {
    this.#owner = undefined
    this.#cut()
    for (const server of this.#servers.splice(0)) server.close()
  }
}
