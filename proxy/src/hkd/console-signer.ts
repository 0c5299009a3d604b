import type { Log } from '@ostler/kit/log.ts'
import { keepSigned, openConsoleOrders } from '../store/console-orders.ts'
import type { Db } from '../store/open.ts'
import type { Trust } from './trust.ts'

/** A lost hint costs this much. */
const TICK_MS = 2_000

/**
 * Signs the consoles that administrators were given tickets for, of desktops that run on this node. The door and the
 * agent do the rest; that this line is in the log of the node is the record of who was given one.
 */
export class ConsoleSigner implements AsyncDisposable {
  readonly #db: Db
  readonly #hostId: number
  readonly #trust: Pick<Trust, 'signConsole'>
  readonly #log: Log
  readonly #timer: NodeJS.Timeout
  #signing: Promise<void> = Promise.resolve()
  #again = false

  constructor(db: Db, hostId: number, trust: Pick<Trust, 'signConsole'>, log: Log) {
    this.#db = db
    this.#hostId = hostId
    this.#trust = trust
    this.#log = log
    this.#timer = setInterval(() => this.look(), TICK_MS)
  }

  /** Looks for orders, once more after the present look if one is under way. */
  look(): void {
    if (this.#again) return
    this.#again = true
    this.#signing = this.#signing.then(async () => {
      this.#again = false
      await this.#sign()
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    await this.#signing
  }

  async #sign(): Promise<void> {
    try {
      for (const order of await openConsoleOrders(this.#db, this.#hostId)) {
        const { vmId: vm, by, account, epoch } = order
        const signed = this.#trust.signConsole({ desktop: vm, epoch, by, user: account })
        this.#log.info('console signed', { audit: true, vm, epoch, by, account })
        await keepSigned(this.#db, order, signed)
      }
    } catch (error) {
      this.#log.warn('consoles could not be signed, will be tried again', { error })
    }
  }
}
