import { Fault } from '@ostler/contract/fault.ts'
import { withDeadline } from '@ostler/kit/deadline.ts'
import type { GuestCalls } from './guest-calls.ts'

/** A display opens its channel at once. */
const PATIENCE_MS = 20_000

/** The slave channel of a desktop that is shown: each connection has its own, and between two of them there is none. */
export class PresentChannel {
  #guest = Promise.withResolvers<GuestCalls>()

  begin(guest: GuestCalls): void {
    this.#guest.resolve(guest)
  }

  end(): void {
    this.#guest = Promise.withResolvers()
  }

  /** Waits for the present one. @throws Fault `slave.silent` when there is none for long. */
  async guest(): Promise<GuestCalls> {
    try {
      return await withDeadline('the slave channel', PATIENCE_MS, () => this.#guest.promise)
    } catch (cause) {
      throw new Fault('slave.silent', { reason: 'no connection is open' }, { cause })
    }
  }
}
