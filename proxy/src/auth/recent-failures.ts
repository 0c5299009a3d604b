import { Fault } from '@ostler/contract/fault.ts'
import { systemClock } from '@ostler/kit/clock.ts'
import { createHmac } from 'node:crypto'

/** So long the same wrong credentials are the same attempt. */
const SAME_MS = 10_000
const MAX_KEPT = 10_000

/**
 * Judges equal credentials once: what is being judged is not judged a second time beside it, and what was wrong a
 * moment ago is wrong still. Clients repeat themselves, and that must neither cost a hash nor count as guessing.
 */
export class RecentFailures<T> {
  readonly #key: Buffer
  readonly #isWrong: (fault: Fault) => boolean
  readonly #running = new Map<string, Promise<T>>()
  readonly #failed = new Map<string, { readonly fault: Fault; readonly until: number }>()

  /**
   * @param key of the node: it makes the marks of its processes equal.
   * @param isWrong says which refusals depend on the credentials alone: others may be lifted at any time.
   */
  constructor(key: Buffer, isWrong: (fault: Fault) => boolean) {
    this.#key = key
    this.#isWrong = isWrong
  }

  /**
   * @param credentials everything that the judgement depends on.
   * @param job gets a mark of the credentials, from 0 to 65,535: equal ones have the same, and it is too short to tell
   * anything about a password.
   */
  judge(credentials: readonly string[], job: (mark: number) => Promise<T>): Promise<T> {
    const digest = createHmac('sha256', this.#key).update(JSON.stringify(credentials)).digest()
    const name = digest.toString('base64')
    const before = this.#failed.get(name)
    if (before !== undefined && before.until > systemClock.now()) return Promise.reject(before.fault)
    const running = this.#running.get(name)
    if (running !== undefined) return running
    const judgement = job(digest.readUInt16BE(0))
      .catch((error: unknown) => {
        if (error instanceof Fault && this.#isWrong(error)) this.#keep(name, error)
        throw error
      })
      .finally(() => this.#running.delete(name))
    this.#running.set(name, judgement)
    return judgement
  }

  #keep(name: string, fault: Fault): void {
    const now = systemClock.now()
    this.#failed.delete(name)
    // In order of time: the oldest come first.
    for (const [key, { until }] of this.#failed) {
      if (until > now && this.#failed.size < MAX_KEPT) break
      this.#failed.delete(key)
    }
    this.#failed.set(name, { fault, until: now + SAME_MS })
  }
}
