import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import { randomUUID } from 'node:crypto'
import type { Db } from '../store/open.ts'
import { claimSeat, releaseSeat, renewSeats, type Seat } from '../store/seats.ts'

/** A desktop that one of our connections has. */
export interface HeldSeat extends AsyncDisposable {
  readonly epoch: number
  /** Aborts with Fault `desktop.moved` as soon as somebody else has it. */
  readonly signal: AbortSignal
}

interface Held {
  readonly seat: Seat
  readonly abort: AbortController
}

const RENEW_MS = 1_000

/**
 * The seats of this l7r. A newer claim cuts an older one: at once within this process, at the hint from another
 * l7r, and at the next renewal where the hint was lost.
 */
export class SeatKeeper {
  readonly #db: Db
  readonly #log: Log
  readonly #held = new Map<number, Held>()
  readonly #timer: NodeJS.Timeout

  constructor(db: Db, log: Log) {
    this.#db = db
    this.#log = log
    this.#timer = setInterval(() => this.#check([...this.#held.values()]), RENEW_MS)
  }

  /**
   * Takes a desktop for a connection, whoever has it.
   * @param label how to name this connection to whom it displaces: user and kind of client.
   */
  async claim(vmId: number, label: string): Promise<HeldSeat> {
    const seat = await claimSeat(this.#db, vmId, randomUUID(), label)
    const before = this.#held.get(vmId)
    const held = { seat, abort: new AbortController() }
    // Claims of one process may come back in another order than the database made them.
    if (before !== undefined && before.seat.epoch > seat.epoch) held.abort.abort(moved('another client'))
    else {
      before?.abort.abort(moved(label))
      this.#held.set(vmId, held)
    }
    return {
      epoch: seat.epoch,
      signal: held.abort.signal,
      [Symbol.asyncDispose]: async () => {
        if (this.#held.get(vmId) === held) this.#held.delete(vmId)
        await releaseSeat(this.#db, seat).catch((error: unknown) =>
          this.#log.warn('seat not given back, its lease ends by itself', { vm: vmId, error }),
        )
      },
    }
  }

  /** Looks whether a seat is still ours; all seats when the hint names none. */
  look(vmId: number | undefined): void {
    this.#check([...this.#held.values()].filter(({ seat }) => vmId === undefined || seat.vmId === vmId))
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #check(held: readonly Held[]): void {
    renewSeats(
      this.#db,
      held.map(({ seat }) => seat),
    )
      .then((lost) => {
        for (const { seat, abort } of held) {
          const by = lost.get(seat.vmId)
          if (by === undefined) continue
          abort.abort(moved(by))
          if (this.#held.get(seat.vmId)?.seat === seat) this.#held.delete(seat.vmId)
        }
      })
      .catch((error: unknown) => this.#log.warn('seats could not be renewed', { error }))
  }
}

function moved(by: string): Fault {
  return new Fault('desktop.moved', { by })
}
