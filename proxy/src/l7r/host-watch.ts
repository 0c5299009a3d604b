import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { HostCounter } from '../model/host.ts'
import { countOnHost, findHost, type HostRow } from '../store/hosts.ts'
import type { Db } from '../store/open.ts'

/** A lost hint costs this much, and a counter is so late. */
const TICK_MS = 1_000

/** What this node's row says about it, and the counters that the door adds to it. */
export class HostWatch implements AsyncDisposable {
  readonly #db: Db
  readonly #name: string
  readonly #log: Log
  readonly #timer: NodeJS.Timeout
  readonly #counts = new Map<HostCounter, number>()
  #row: HostRow | undefined
  /** An administrator has emptied this very door, whatever the row says. */
  #isShut = false
  #looking: Promise<void> = Promise.resolve()
  /** The look that begins when the present one is done; all who ask meanwhile share it. */
  #next: Promise<void> | undefined

  private constructor(db: Db, name: string, log: Log) {
    this.#db = db
    this.#name = name
    this.#log = log
    this.#timer = setInterval(() => void this.look(), TICK_MS)
  }

  /** @param name `nodename` of this node. */
  static async open(db: Db, name: string, log: Log): Promise<HostWatch> {
    const watch = new HostWatch(db, name, log)
    await watch.look()
    return watch
  }

  /** Reads the row again, and writes what was counted. Never rejects: while the database is away the last row counts. */
  look(): Promise<void> {
    // A database that does not answer must not leave a queue of looks behind.
    this.#next ??= this.#looking.then(() => {
      this.#next = undefined
      return (this.#looking = this.#lookNow())
    })
    return this.#next
  }

  count(counter: HostCounter): void {
    this.#counts.set(counter, (this.#counts.get(counter) ?? 0) + 1)
  }

  /** Number of this node; `undefined` while it has no row. */
  get id(): number | undefined {
    return this.#row?.id
  }

  /** Lets nobody in, or everybody again, beside what the row says. */
  shut(isShut: boolean): void {
    this.#isShut = isShut
  }

  /** @throws Fault `server.unregistered`: this node has no row (compatibility page 1.2). */
  requireRegistered(): void {
    if (this.#row === undefined) throw new Fault('server.unregistered')
  }

  /** @throws Fault `server.unregistered`, `server.draining`, `server.blocked`, or `server.state` when it does not run. */
  requireOpen(): void {
    this.requireRegistered()
    if (this.#isShut) throw new Fault('server.draining')
    if (this.#row?.blocked === true) throw new Fault('server.blocked')
    const state = this.#row?.state ?? 'stopped'
    if (state !== 'running') throw new Fault('server.state', { state })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    await this.look()
  }

  async #lookNow(): Promise<void> {
    try {
      this.#row = await findHost(this.#db, this.#name)
      await this.#writeCounts()
    } catch (error) {
      this.#log.warn('the row of this node could not be read', { error })
    }
  }

  async #writeCounts(): Promise<void> {
    const hostId = this.#row?.id
    if (hostId === undefined || this.#counts.size === 0) return
    const counts = Object.fromEntries(this.#counts)
    this.#counts.clear()
    try {
      await countOnHost(this.#db, hostId, counts)
    } catch (error) {
      for (const [counter, count] of Object.entries(counts) as [HostCounter, number][])
        this.#counts.set(counter, (this.#counts.get(counter) ?? 0) + count)
      throw error
    }
  }
}
