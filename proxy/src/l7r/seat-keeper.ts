import { Fault } from '@ostler/contract/fault.ts'
import { cause } from '@ostler/kit/log/cause.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { SeatState } from '../model/seat.ts'
import type { Db } from '../store/open.ts'
import {
  claimSeat,
  endedShares,
  freeLapsedSeats,
  lossOfSeat,
  lostSeats,
  occupySeat,
  releaseSeat,
  releaseSeats,
  renewSeats,
  type Seat,
  type SeatLoss,
} from '../store/seats.ts'
import { asking } from './asking.ts'
import { lossFault, type SeatEnd } from './seat-end.ts'

/** A part in a seat: that of the connection that claimed it, or of a further one of the same client. */
export interface SeatShare extends AsyncDisposable {
  readonly epoch: number
  /** Aborts with Fault `desktop.moved` or `desktop.disconnected` as soon as the seat is lost. */
  readonly signal: AbortSignal
  /**
   * Looks whether the seat is still ours: before something is done that would disturb who has it now.
   * @throws Fault `desktop.moved`, `desktop.disconnected`, `database.unavailable`.
   */
  confirm(): Promise<void>
}

/** A desktop that one of our connections has. */
export interface HeldSeat extends SeatShare {
  /** Who had it before; `undefined` when nobody did. */
  readonly displaced: string | undefined
  /**
   * Says that the display shows, if the seat is still ours.
   * @throws as `confirm`, and Fault `desktop.unknown` when the desktop is gone.
   */
  occupy(): Promise<void>
  /** Says what has ended it on purpose, for whoever asks later: told when it is given back. */
  endedBy(what: SeatEnd): void
}

interface Held {
  readonly seat: Seat
  readonly label: string
  /** The id of the connection that has it. */
  readonly connection: string | undefined
  readonly abort: AbortController
  state: SeatState
  endedBy: SeatEnd | undefined
}

/** A further connection of whoever has a desktop, perhaps by another door. */
interface Share {
  readonly vmId: number
  readonly epoch: number
  readonly abort: AbortController
}

/** A lost hint costs this much. */
const TICK_MS = 1_000
/** A look that has not come back after so long is not waited for. */
const STUCK_MS = 3_000

/**
 * The seats of this l7r. A newer claim cuts an older one: at once within this process, at the hint from another
 * l7r, and at the next tick where the hint was lost. Only the number of the claim decides. The lease says to others
 * that we live; when it runs out, because we or the database were away, the seat stays ours until somebody claims it.
 */
export class SeatKeeper implements AsyncDisposable {
  readonly #db: Db
  readonly #door: string
  readonly #log: Log
  readonly #onLost: (reason: 'moved' | 'disconnected') => void
  readonly #held = new Map<number, Held>()
  readonly #shares = new Set<Share>()
  readonly #timer: NodeJS.Timeout
  #ticking: number | undefined
  #away = false
  #closed = false

  /**
   * @param door names this process in the rows of its seats: NODE/PID.
   * @param onLost told of every seat that is lost.
   */
  constructor(db: Db, door: string, log: Log, onLost: (reason: 'moved' | 'disconnected') => void = () => {}) {
    this.#onLost = onLost
    this.#db = db
    this.#door = door
    this.#log = log
    this.#timer = setInterval(() => void this.#tick(), TICK_MS)
  }

  /**
   * Takes a desktop for a connection, whoever has it.
   * @param label how to name this connection to whom it displaces: user and kind of client.
   * @param userId who it is for.
   * @throws Fault `desktop.notHers`, `database.unavailable`, or `server.stopping` when this door takes nobody any more.
   */
  async claim(vmId: number, label: string, userId: number | null = null): Promise<HeldSeat> {
    const { seat, displaced } = await asking(claimSeat(this.#db, vmId, this.#door, label, userId))
    const held: Held = {
      seat,
      label,
      connection: cause(),
      abort: new AbortController(),
      state: 'connecting',
      endedBy: undefined,
    }
    if (this.#closed) {
      await this.#release([seat])
      throw new Fault('server.stopping')
    }
    const before = this.#held.get(vmId)
    // Claims of one process may come back in another order than the database made them.
    if (before !== undefined && before.seat.epoch > seat.epoch)
      this.#lose(held, { label: before.label, endedBy: null })
    else {
      this.#held.set(vmId, held)
      if (before !== undefined) this.#lose(before, { label, endedBy: null })
    }
    return {
      epoch: seat.epoch,
      displaced,
      signal: held.abort.signal,
      confirm: () => this.#confirm(held),
      occupy: async () => {
        held.abort.signal.throwIfAborted()
        const ours = await asking(occupySeat(this.#db, seat))
        if (ours) held.state = 'connected'
        else await this.#confirm(held)
        held.abort.signal.throwIfAborted()
        if (!ours) throw new Fault('desktop.unknown')
      },
      endedBy: (what) => (held.endedBy = what),
      [Symbol.asyncDispose]: async () => {
        if (this.#held.get(vmId) === held) this.#held.delete(vmId)
        this.#endShares(seat, new Fault('desktop.disconnected', { by: 'the client' }))
        // Who was displaced has nothing to give back, and a door that closes has given everything back.
        if (!held.abort.signal.aborted && !this.#closed) await this.#release([seat], held.endedBy)
      },
    }
  }

  /**
   * Joins a seat with a further connection of the client who has it, at this door or another. It ends with the seat:
   * of one that was claimed at another door and given back in order, within a second.
   *
   * @param epoch the number of the claim.
   * @throws Fault `desktop.moved` or `desktop.disconnected` when the seat is no longer that one, `database.unavailable`,
   *   `server.stopping`.
   */
  async join(vmId: number, epoch: number): Promise<SeatShare> {
    const share: Share = { vmId, epoch, abort: new AbortController() }
    this.#shares.add(share)
    const { signal } = share.abort
    const confirm = async (): Promise<void> => {
      signal.throwIfAborted()
      await asking(this.#checkShares([share]))
      signal.throwIfAborted()
    }
    try {
      if (this.#closed) throw new Fault('server.stopping')
      await confirm()
    } catch (error) {
      this.#shares.delete(share)
      throw error
    }
    return {
      epoch,
      signal,
      confirm,
      [Symbol.asyncDispose]: () => {
        this.#shares.delete(share)
        return Promise.resolve()
      },
    }
  }

  /** Looks whether a seat is still ours; all seats when the hint names none. */
  look(vmId: number | undefined): void {
    const seats = vmId === undefined ? [...this.#held.values()] : [this.#held.get(vmId) ?? []].flat()
    const shares = [...this.#shares].filter((share) => vmId === undefined || share.vmId === vmId)
    Promise.all([this.#check(seats), this.#checkShares(shares)]).catch((error: unknown) =>
      this.#unheard(error),
    )
  }

  /** Gives all seats back: their streams end with this process. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    clearInterval(this.#timer)
    const seats = [...this.#held.values()].map(({ seat }) => seat)
    this.#held.clear()
    await this.#release(seats)
  }

  async #tick(): Promise<void> {
    const now = performance.now()
    if (this.#ticking !== undefined && now - this.#ticking < STUCK_MS) return
    this.#ticking = now
    try {
      await this.#check([...this.#held.values()])
      await this.#checkShares([...this.#shares])
      await renewSeats(this.#db, this.#door, [...this.#held.values()])
      const freed = await freeLapsedSeats(this.#db)
      if (freed.length > 0) this.#log.warn('seats of a door that is silent are free', { vms: freed })
      if (this.#away) this.#log.info('seats are looked after again')
      this.#away = false
    } catch (error) {
      this.#unheard(error)
    } finally {
      if (this.#ticking === now) this.#ticking = undefined
    }
  }

  async #confirm(held: Held): Promise<void> {
    held.abort.signal.throwIfAborted()
    const loss = await asking(lossOfSeat(this.#db, held.seat))
    if (loss !== undefined) this.#lose(held, loss)
    held.abort.signal.throwIfAborted()
  }

  async #check(held: readonly Held[]): Promise<void> {
    const lost = await lostSeats(
      this.#db,
      held.map(({ seat }) => seat),
    )
    for (const each of held) {
      const loss = lost.get(each.seat.vmId)
      if (loss !== undefined) this.#lose(each, loss)
    }
  }

  async #checkShares(shares: readonly Share[]): Promise<void> {
    const ended = await endedShares(this.#db, shares)
    for (const [index, loss] of ended) shares[index]?.abort.abort(lossFault(loss))
  }

  /** What shares a seat of this door ends with it, at once. */
  #endShares({ vmId, epoch }: Seat, fault: unknown): void {
    for (const share of this.#shares)
      if (share.vmId === vmId && share.epoch === epoch) share.abort.abort(fault)
  }

  #lose(held: Held, loss: SeatLoss): void {
    if (held.abort.signal.aborted) return
    const { vmId, epoch } = held.seat
    if (this.#held.get(vmId) === held) this.#held.delete(vmId)
    const fault = lossFault(loss)
    this.#onLost(loss.endedBy === null ? 'moved' : 'disconnected')
    // Who claimed it has another connection.
    const { connection, label: whose } = held
    this.#log.info('seat lost', { vm: vmId, seat: epoch, whose, because: fault.message, connection })
    held.abort.abort(fault)
    this.#endShares(held.seat, fault)
  }

  async #release(seats: readonly Seat[], endedBy: SeatEnd | null = null): Promise<void> {
    const [first] = seats
    // One seat is given back with every session that ends: that statement is a prepared one.
    const given =
      first !== undefined && seats.length === 1
        ? releaseSeat(this.#db, first, endedBy)
        : releaseSeats(this.#db, seats)
    await given.catch((error: unknown) =>
      this.#log.warn('seats not given back, their lease ends by itself', { seats, error }),
    )
  }

  /** The streams go on: a database that is away is no reason to end anybody's work. Said once, not every second. */
  #unheard(error: unknown): void {
    if (!this.#away) this.#log.warn('seats cannot be looked after, streams go on', { error })
    this.#away = true
  }
}
