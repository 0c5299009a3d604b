import type { Log } from '@ostler/kit/log.ts'
import { lastSentence } from '@ostler/contract/fault.ts'
import type { AgentConfig } from './load.ts'
import type { AgentValues } from './options.ts'

/**
 * The configuration that is in force. A reload is taken whole or not at all, and what runs already is not touched: parts ask for
 * the values when they begin something.
 */
export class LiveConfig {
  #current: AgentConfig
  readonly #load: () => AgentConfig

  /** @throws what `load` throws. */
  constructor(load: () => AgentConfig) {
    this.#load = load
    this.#current = load()
  }

  readonly values = (): AgentValues => this.#current.values

  get current(): AgentConfig {
    return this.#current
  }

  /** Reads the files again; when they have a problem, the configuration stays as it was. */
  reload(log: Log): void {
    try {
      const next = this.#load()
      const keys = Object.keys(next.values) as (keyof AgentValues)[]
      const changed = keys.filter((key) => next.text(key) !== this.#current.text(key))
      this.#current = next
      for (const warning of next.warnings) log.warn('configuration', { warning })
      log.info('configuration read again', { changed })
    } catch (error) {
      log.error('configuration has problems and stays as it was', { problems: lastSentence(error).sentence })
    }
  }
}
