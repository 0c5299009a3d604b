import {
  type AgentFailure,
  type AgentPatience,
  type AgentVerdict,
  type AgentWay,
  isGivenUp,
  judgeAgent,
} from '../model/agent-verdict.ts'

/** One attempt to reach an agent that came to nothing. */
interface FailedAttempt {
  readonly way: AgentWay
  readonly failure: AgentFailure
  readonly reason: string
}

/** What was seen of the agent of one boot, by whoever watches it now: what another hkd has seen counts for nothing. */
export class AgentHealth {
  #up = false
  #known: boolean
  #failed: Partial<Record<AgentWay, AgentFailure>> = {}
  #newest: FailedAttempt | undefined
  #attempts = 0
  /** Of `performance.now()`. */
  #silentSince = performance.now()
  #told: AgentVerdict | undefined

  /** @param known whether something of it was seen before. */
  constructor(known: boolean) {
    this.#known = known
  }

  /** How it is, what it said last if it does not answer, and for how long it is silent. `undefined`: nobody can tell yet. */
  get state():
    { readonly verdict: AgentVerdict; readonly said: string | null; readonly sinceMs: number } | undefined {
    const sinceMs = performance.now() - this.#silentSince
    const verdict = this.#verdict(sinceMs)
    if (verdict === undefined) return undefined
    return this.#up
      ? { verdict, said: null, sinceMs: 0 }
      : { verdict, said: this.#newest?.reason ?? null, sinceMs }
  }

  /** Milliseconds for which it is silent when it was reached in vain for too long; else `undefined`. */
  lostForMs(patience: AgentPatience): number | undefined {
    const silentMs = performance.now() - this.#silentSince
    return !this.#up && isGivenUp({ attempts: this.#attempts, silentMs }, patience) ? silentMs : undefined
  }

  answered(): void {
    this.#up = this.#known = true
    this.#failed = {}
    this.#newest = undefined
    this.#attempts = 0
    this.#told = 'answers'
  }

  /**
   * @param wasUp the attempt was a stream that ended. Then only silence says something of the agent itself.
   * @returns whether it is otherwise than when this was asked before.
   */
  failed(attempt: FailedAttempt, wasUp: boolean): boolean {
    if (this.#up) this.#silentSince = performance.now()
    this.#up = false
    if (attempt.failure !== 'absent') this.#known = true
    if (!wasUp || attempt.failure === 'silent') {
      this.#attempts += 1
      this.#failed[attempt.way] = attempt.failure
      // One who listens and says nothing was there; one that is gone says so whichever way it is asked.
      if (attempt.failure === 'absent') this.#failed = { [attempt.way]: 'absent' }
      this.#newest = attempt
    }
    const verdict = this.#verdict(performance.now() - this.#silentSince)
    const isNews = verdict !== undefined && verdict !== this.#told
    if (isNews) this.#told = verdict
    return isNews
  }

  #verdict(silentMs: number): AgentVerdict | undefined {
    return judgeAgent({
      up: this.#up,
      known: this.#known,
      failed: this.#failed,
      newest: this.#newest?.way,
      silentMs,
    })
  }
}
