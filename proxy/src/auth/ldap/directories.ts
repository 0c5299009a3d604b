import { Fault } from '@ostler/contract/fault.ts'
import { type Clock, systemClock } from '@ostler/kit/clock.ts'
import { DeadlineExceeded, withDeadline } from '@ostler/kit/deadline.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { DirectoryAddress } from './settings.ts'
import { DirectoryTrouble } from './trouble.ts'

/** So long the others are asked before one that was in trouble. */
const DOWN_MS = 5_000

export interface DirectoriesOptions {
  /** Milliseconds that each may take. */
  readonly timeoutMs: number
  readonly log: Log
  readonly clock?: Clock
}

/** Several directories with the same users. */
export class Directories {
  readonly #addresses: readonly DirectoryAddress[]
  readonly #timeoutMs: number
  readonly #log: Log
  readonly #clock: Clock
  /** When each was last found in trouble. */
  readonly #troubled = new Map<DirectoryAddress, number>()

  constructor(addresses: readonly DirectoryAddress[], { timeoutMs, log, clock }: DirectoriesOptions) {
    this.#addresses = addresses
    this.#timeoutMs = timeoutMs
    this.#log = log
    this.#clock = clock ?? systemClock
  }

  /**
   * Asks one after the other until one answers, each within its time. Those that were in trouble a moment ago come
   * last: nobody waits for them while others answer.
   *
   * @param ask must heed its signal; DirectoryTrouble sends the question to the next one, any other error ends it.
   * @throws Fault `auth.unavailable` when nobody could tell, the reason of `signal` when that aborts.
   */
  async ask<T>(
    ask: (address: DirectoryAddress, signal: AbortSignal) => Promise<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const troubles: DirectoryTrouble[] = []
    for (const address of this.#inOrder()) {
      try {
        const answer = await withDeadline(
          'the directory',
          this.#timeoutMs,
          (inTime) => ask(address, inTime),
          signal,
        )
        this.#troubled.delete(address)
        return answer
      } catch (error) {
        const trouble = this.#troubleIn(error, signal)
        if (trouble === undefined) throw error
        this.#log.warn('a directory could not tell', { directory: address.uri, trouble: trouble.message })
        if (trouble.isDown) this.#troubled.set(address, this.#clock.now())
        signal.throwIfAborted()
        troubles.push(trouble)
      }
    }
    // Outside nobody needs to know how our directories are called.
    throw new Fault(
      'auth.unavailable',
      { reason: 'the directory could not be asked' },
      { cause: new AggregateError(troubles) },
    )
  }

  #troubleIn(error: unknown, signal: AbortSignal): DirectoryTrouble | undefined {
    if (error instanceof DirectoryTrouble) return error
    if (signal.aborted)
      return new DirectoryTrouble('did not answer before the sign-in had to end', { isDown: true })
    if (!(error instanceof DeadlineExceeded)) return undefined
    return new DirectoryTrouble(`did not answer within ${this.#timeoutMs / 1_000} s`, { isDown: true })
  }

  #inOrder(): DirectoryAddress[] {
    const now = this.#clock.now()
    const since = (address: DirectoryAddress): number => {
      const at = this.#troubled.get(address) ?? 0
      return now - at < DOWN_MS ? at : 0
    }
    return this.#addresses.toSorted((one, other) => since(one) - since(other))
  }
}
