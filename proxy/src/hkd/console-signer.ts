import type { Log } from '@ostler/kit/log.ts'
import { Rounds } from '@ostler/kit/rounds.ts'
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
  readonly #rounds: Rounds

  constructor(db: Db, hostId: number, trust: Pick<Trust, 'signConsole'>, log: Log) {
    this.#db = db
    this.#hostId = hostId
    this.#trust = trust
    this.#log = log
    this.#rounds = new Rounds({
      everyMs: TICK_MS,
      round: () => this.#sign(),
      onError: (error) => log.warn('orders of consoles could not be read, will be tried again', { error }),
    })
  }

  /** Looks for orders, once more after the present look if one is under way. */
  look(): void {
    this.#rounds.ask()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#rounds[Symbol.asyncDispose]()
  }

  async #sign(): Promise<void> {
    for (const order of await openConsoleOrders(this.#db, this.#hostId)) {
      const { vmId: vm, by, account, epoch } = order
      try {
        const signed = this.#trust.signConsole({ desktop: vm, epoch, by, user: account })
        this.#log.info('console signed', { audit: true, vm, epoch, by, account })
        await keepSigned(this.#db, order, signed)
      } catch (error) {
        this.#log.warn('a console could not be signed', { vm, by, error })
      }
    }
  }
}
