/** The clocks of a node that shares its database with others, in milliseconds. */
export interface HostClocks {
  /** How often it says that it lives. */
  readonly tickMs: number
  /** So long after it last could, its desktops end. */
  readonly leaseMs: number
  /** So long others must have seen nothing of it before they start its desktops: longer by what ending them may take. */
  readonly lostAfterMs: number
}

export const HOST_CLOCKS: HostClocks = { tickMs: 2_000, leaseMs: 20_000, lostAfterMs: 25_000 }

/** After so many ticks without the database a node cannot tell any more what others do. */
const BLIND_AFTER_TICKS = 3

/** Another node that has been in service and has not said that it stopped: it might declare us lost. */
export interface Member {
  readonly id: number
  readonly name: string
  /** Given when it came into service: whoever was told a lower one does not know of it. */
  readonly standing: number
  /** Where its hkd is asked; null: nowhere. */
  readonly address: string | null
  readonly port: number | null
}

/** A node that has been silent for some time, as a tick has seen it. */
export interface SilentHost {
  readonly id: number
  readonly name: string
  /** Changes with each of its ticks. */
  readonly seen: string
  /** The highest standing that it knew of. */
  readonly told: number
  readonly lostAfterMs: number
}

/** What a tick came back with. */
export interface TickSight {
  /** Our own standing. */
  readonly standing: number
  readonly silent: readonly SilentHost[]
  /** All others in service; absent: as they were. */
  readonly members?: readonly Member[]
}

/** What a node says when another one, which cannot reach the database, asks whether it can. */
export type PeerAnswer = 'sees' | 'blind'

interface Watched {
  readonly seen: string
  readonly since: number
}

/**
 * Until when the desktops of a node may run, and which other nodes it may declare lost. Everything that a node does about
 * either is decided here; the times are those of one monotonic clock of the node, in milliseconds, and are given by the caller.
 *
 * Why no desktop runs twice: a lease counts from before a question was sent, what is seen of others from after an answer came.
 * Whoever might declare this node lost is either known to it, and then has said that it starts its clocks afresh, or this
 * node's desktops end; or it is not known to it, and may not (docs/decisions/0078).
 */
export class HostLease {
  readonly #clocks: HostClocks
  #until = -Infinity
  #members: readonly Member[] | undefined
  #lastTickAt = -Infinity
  #lastAskedAt = -Infinity
  #watched = new Map<number, Watched>()

  constructor(clocks: HostClocks) {
    this.#clocks = clocks
  }

  /** Until when desktops may run; `Infinity` where nobody else could start them. Before the first tick it says nothing. */
  get until(): number {
    return this.#members?.length === 0 ? Infinity : this.#until
  }

  /** All others in service, as the last tick knew them. */
  get members(): readonly Member[] {
    return this.#members ?? []
  }

  /** What the next tick says that this node knows of. */
  get told(): number {
    return Math.max(0, ...this.members.map(({ standing }) => standing))
  }

  /**
   * A tick reached the database. One that comes back after a later one says nothing: who was there then may not be there now.
   * @param askedAt when it was sent.
   * @returns those which this node may declare lost now.
   */
  ticked(askedAt: number, now: number, { standing, silent, members }: TickSight): readonly SilentHost[] {
    if (askedAt < this.#lastAskedAt) return []
    this.#lastAskedAt = askedAt
    if (members !== undefined) this.#members = members
    this.#until = Math.max(this.#until, askedAt + this.#clocks.leaseMs)
    if (now - this.#lastTickAt > this.#blindMs) this.#watched.clear()
    this.#lastTickAt = now
    const watched = new Map<number, Watched>()
    for (const { id, seen } of silent) {
      const before = this.#watched.get(id)
      watched.set(id, before?.seen === seen ? before : { seen, since: now })
    }
    this.#watched = watched
    return silent.filter(({ id, told, lostAfterMs }) => {
      const since = watched.get(id)?.since ?? now
      return told >= standing && askedAt - since >= lostAfterMs
    })
  }

  /** Another node asks whether this one reaches the database. Who says no has forgotten what it saw of others. */
  answer(now: number): PeerAnswer {
    if (now - this.#lastTickAt <= this.#blindMs) return 'sees'
    this.#watched.clear()
    return 'blind'
  }

  /**
   * All others were asked, at `askedAt`: if none of them reaches the database either, nobody can take the desktops for a while.
   * @param answers by number; who is missing did not answer, and may be the one that can.
   */
  held(askedAt: number, answers: ReadonlyMap<number, PeerAnswer>): boolean {
    const isHeld = this.#members?.every(({ id }) => answers.get(id) === 'blind') ?? false
    if (isHeld) this.#until = Math.max(this.#until, askedAt + this.#clocks.leaseMs)
    return isHeld
  }

  get #blindMs(): number {
    return BLIND_AFTER_TICKS * this.#clocks.tickMs
  }
}
