import { Fault } from '@ostler/contract/fault.ts'
import { type Clock, systemClock } from '@ostler/kit/clock.ts'

/** So many wrong tokens of an address are answered; each further one doubles the wait. */
const FREE = 10
const FIRST_MS = 1_000
const LONGEST_MS = 15 * 60_000
const FORGOTTEN_MS = 60 * 60_000
const MAX_KEPT = 10_000

interface Failures {
  count: number
  last: number
}

/**
 * Slows down who tries tokens. A token has 256 bits and is not guessed: this keeps trying from costing the database anything,
 * and makes it visible.
 */
export class GuessLimit {
  readonly #clock: Clock
  readonly #byAddress = new Map<string, Failures>()

  constructor(clock: Clock = systemClock) {
    this.#clock = clock
  }

  /** @throws Fault `admin.tooMany` while an address has to wait. */
  check(address: string): void {
    const failures = this.#byAddress.get(address)
    if (failures === undefined || failures.count < FREE) return
    const left = failures.last + waitOf(failures.count) - this.#clock.now()
    if (left > 0) throw new Fault('admin.tooMany', { seconds: Math.ceil(left / 1_000) })
  }

  /** Notes a wrong one. */
  failed(address: string): void {
    const now = this.#clock.now()
    const before = this.#byAddress.get(address)
    this.#byAddress.delete(address)
    // In order of time: the oldest come first.
    for (const [other, { last }] of this.#byAddress) {
      if (last > now - FORGOTTEN_MS && this.#byAddress.size < MAX_KEPT) break
      this.#byAddress.delete(other)
    }
    const isOld = before === undefined || before.last <= now - FORGOTTEN_MS
    this.#byAddress.set(address, { count: isOld ? 1 : before.count + 1, last: now })
  }
}

function waitOf(count: number): number {
  return Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(20, count - FREE))
}
