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
      const next = this.#frozen(this.#load(), log)
      const keys = Object.keys(next.values) as (keyof AgentValues)[]
      const changed = keys.filter((key) => !isPlace(key) && next.text(key) !== this.#current.text(key))
      this.#current = next
      for (const warning of next.warnings) log.warn('configuration', { warning })
      log.info('configuration read again', { changed })
    } catch (error) {
      log.error('configuration has problems and stays as it was', { problems: lastSentence(error).sentence })
    }
  }

  /** Where things are cannot change while they are there: those keys keep their values until the agent is restarted. */
  #frozen(next: AgentConfig, log: Log): AgentConfig {
    const kept = (Object.keys(next.values) as (keyof AgentValues)[]).filter(isPlace)
    const values = { ...next.values, ...Object.fromEntries(kept.map((key) => [key, this.values()[key]])) }
    const waiting = kept.filter((key) => next.text(key) !== this.#current.text(key))
    if (waiting.length > 0) log.warn('configuration needs a restart of the agent', { keys: waiting })
    return { ...next, values }
  }
}

/** Where a running session, its files, the log or the port is. */
function isPlace(key: string): boolean {
  return (
    /^(path|log)\./.test(key) ||
    /^internal\.vma\.(nxagent|slave|printing)\.config$/.test(key) ||
    ['internal.nxagent.display', 'internal.vm.port.vma', 'vma.compat.plaintext'].includes(key)
  )
}
