import type { Log } from '@ostler/kit/log.ts'
import type { AgentLink } from '../../guest/agent-link.ts'
import { markExpiryTold } from '../../store/images.ts'
import type { Db } from '../../store/open.ts'
import type { VmPlan } from '../../store/vms.ts'

/** After a hook that failed, or without an agent, the user is told again after so long. */
const RETRY_MS = 60_000

/** Has agents run the hook that tells a user that her desktop expires. Nobody waits for it, and it runs once at a time. */
export class ExpiryNotice {
  readonly #db: Db
  readonly #log: Log
  readonly #signal: AbortSignal
  /** Desktops that are being told, or were in vain, and when they may be told again, in `performance.now()`. */
  readonly #notBefore = new Map<number, number>()

  constructor(db: Db, log: Log, signal: AbortSignal) {
    this.#db = db
    this.#log = log
    this.#signal = signal
  }

  /**
   * Tells a user, unless it is being done or failed just now.
   * @param after called when it is done, well or not.
   * @returns milliseconds until it may be tried again; 0 when it is being done now.
   */
  tell(plan: VmPlan, link: AgentLink | undefined, after: () => void): number {
    const wait = (this.#notBefore.get(plan.id) ?? 0) - performance.now()
    if (wait > 0) return Math.min(wait, RETRY_MS)
    if (link === undefined) return RETRY_MS
    this.#notBefore.set(plan.id, Infinity)
    void this.#tell(plan, link).then((told) => {
      if (told) this.#notBefore.delete(plan.id)
      else this.#notBefore.set(plan.id, performance.now() + RETRY_MS)
      after()
    })
    return 0
  }

  async #tell({ id, epoch, expiry }: VmPlan, link: AgentLink): Promise<boolean> {
    const { soft, hard } = expiry
    try {
      await link.client.expire({ ...(soft && { soft }), ...(hard && { hard }) }, this.#signal)
      await markExpiryTold(this.#db, id, epoch)
      this.#log.info('user was told that the desktop expires', { vm: id, soft, hard })
      return true
    } catch (error) {
      if (!this.#signal.aborted)
        this.#log.warn('user could not be told that the desktop expires', { vm: id, error })
      return false
    }
  }
}
