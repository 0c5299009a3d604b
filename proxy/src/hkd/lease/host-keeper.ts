import type { Log } from '@ostler/kit/log.ts'
import { monotonicMs } from '@ostler/kit/monotonic.ts'
import {
  type HostClocks,
  HostLease,
  type Member,
  type PeerAnswer,
  type SilentHost,
  type TickSight,
} from '../../model/host-lease.ts'
import type { TakenDesktops } from '../../store/host-service.ts'

export interface HostKeeperParts {
  readonly clocks: HostClocks
  /** Reaches the database; `lost` when others have declared this node lost. */
  readonly tick: (told: number) => Promise<TickSight | 'lost'>
  /** Tells the fence until when desktops may run; what it has not heard is not so. */
  readonly setFence: (until: number) => Promise<{ readonly endedAt: number | null }>
  /** Called when the fence has ended this node's desktops, and none of the others has them. */
  readonly onEnded: () => Promise<void>
  /** Asks another node whether it reaches the database; `undefined`: it did not say. */
  readonly ask: (member: Member) => Promise<PeerAnswer | undefined>
  readonly declareLost: (standing: number, host: SilentHost) => Promise<TakenDesktops | undefined>
  /** Called once, when others have this node's desktops. */
  readonly onLost: () => void
  readonly onTick?: () => void
  readonly log: Log
}

/**
 * Keeps a node in service among others: ticks, renews what the fence holds, asks the others when the database is away, and declares
 * those lost that are silent for too long.
 */
export class HostKeeper implements AsyncDisposable {
  readonly #parts: HostKeeperParts
  readonly #lease: HostLease
  #until = -Infinity
  #timer: NodeJS.Timeout | undefined
  #asking = false
  #isLost = false
  /** The last end of desktops by the fence that was made good. */
  #endedAt: number | null = null
  #closed = false
  #work: Promise<void> = Promise.resolve()

  constructor(parts: HostKeeperParts) {
    this.#parts = parts
    this.#lease = new HostLease(parts.clocks)
  }

  /** Ticks once, and from then on by itself. @throws what keeps the first tick from the database or the fence. */
  async start(): Promise<void> {
    await this.#tick()
    this.#again()
  }

  /** True while the fence lets desktops run: none may start otherwise. */
  get mayRun(): boolean {
    return monotonicMs() < this.#until
  }

  /** What this node says to another one that asks. */
  answer(): PeerAnswer {
    return this.#isLost ? 'sees' : this.#lease.answer(monotonicMs())
  }

  /** Stops ticking. The fence keeps what it was told. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    clearTimeout(this.#timer)
    await this.#work
  }

  #again(): void {
    if (this.#closed || this.#isLost) return
    this.#timer = setTimeout(() => {
      this.#work = this.#tick()
        .catch((error: unknown) => {
          this.#parts.log.warn('tick failed', { error })
          this.#askOthers()
        })
        .then(() => this.#again())
    }, this.#parts.clocks.tickMs)
  }

  async #tick(): Promise<void> {
    const { tick, declareLost, onLost, onTick, log } = this.#parts
    const askedAt = monotonicMs()
    const sight = await tick(this.#lease.told)
    if (sight === 'lost') {
      this.#isLost = true
      this.#until = -Infinity
      log.error('others have declared this node lost: its desktops are theirs')
      onLost()
      return
    }
    const lost = this.#lease.ticked(askedAt, monotonicMs(), sight)
    await this.#tellFence()
    onTick?.()
    for (const host of lost) {
      const taken = await declareLost(sight.standing, host)
      if (taken !== undefined)
        log.error('a node is lost: its desktops start elsewhere', { node: host.name, ...taken })
    }
  }

  /**
   * Before the next tick says that this node knows of others, the fence knows until when. It is told of a time that is over as well:
   * until now there may have been none.
   */
  async #tellFence(): Promise<void> {
    const { until } = this.#lease
    const { endedAt } = await this.#parts.setFence(until)
    // Before anything may begin or be looked at here: desktops that are gone must not pass for some that have ended by themselves.
    if (endedAt !== null && endedAt !== this.#endedAt) await this.#parts.onEnded()
    this.#endedAt = endedAt
    this.#until = until
  }

  /** Several rounds may be needed: others find out later than we. */
  #askOthers(): void {
    if (this.#asking || this.#closed) return
    this.#asking = true
    this.#askRound()
      .catch((error: unknown) => this.#parts.log.warn('other nodes could not be asked', { error }))
      .finally(() => (this.#asking = false))
  }

  async #askRound(): Promise<void> {
    const askedAt = monotonicMs()
    const answers = new Map<number, PeerAnswer>()
    await Promise.all(
      this.#lease.members.map(async (member) => {
        const answer = await this.#parts.ask(member)
        if (answer !== undefined) answers.set(member.id, answer)
      }),
    )
    if (!this.#lease.held(askedAt, answers)) return
    await this.#tellFence()
    this.#parts.log.warn('no node reaches the database: desktops go on', { nodes: answers.size + 1 })
  }
}
