import type { SessionEvent } from '@ostler/contract/agent-api.ts'
import type { Observable } from '@ostler/kit/observable.ts'

export interface ConnectedWork {
  /** A client has connected, also one that was there before this agent. Given up when it leaves. */
  readonly begin: (signal: AbortSignal) => Promise<void>
  /** No client is connected; also the first thing when an agent starts and there is none. */
  readonly end: () => Promise<void>
  /** Gets what either has thrown. */
  readonly complain: (error: unknown) => void
}

/**
 * Does something whenever a client connects, and another thing when it has left: one after the other, and of what was overtaken
 * meanwhile only the last. Disposal waits for the end of what is under way, and leaves a connected client as she is: the session lives on.
 */
export class WhileConnected implements AsyncDisposable {
  readonly #work: ConnectedWork
  readonly #unsubscribe: () => void
  #wanted: boolean | undefined
  #abort = new AbortController()
  #done: Promise<void> = Promise.resolve()

  constructor(news: Observable<SessionEvent>, work: ConnectedWork) {
    this.#work = work
    this.#follow(news.value)
    this.#unsubscribe = news.subscribe((event) => this.#follow(event))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#unsubscribe()
    if (this.#wanted === true) this.#abort.abort()
    await this.#done
  }

  #follow({ state }: SessionEvent): void {
    const isConnected = state === 'connected'
    if (isConnected === this.#wanted) return
    this.#wanted = isConnected
    this.#abort.abort()
    const abort = new AbortController()
    this.#abort = abort
    const isOvertaken = (): boolean => abort.signal.aborted
    this.#done = this.#done.then(async () => {
      if (isOvertaken()) return
      try {
        await (isConnected ? this.#work.begin(abort.signal) : this.#work.end())
      } catch (error) {
        if (!isOvertaken()) this.#work.complain(error)
      }
    })
  }
}
