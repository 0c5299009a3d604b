import { Fault } from '@ostler/contract/fault.ts'
import type { Overrides } from '@ostler/kit/config.ts'
import type { Log } from '@ostler/kit/log.ts'
import { configurationStamp, readConfiguration } from '../store/configuration.ts'
import type { Db } from '../store/open.ts'
import { type LaidConfig, nodeConfigSource, type NodeConfigSource, type NodeValues } from './node-config.ts'

const RELOAD_MS = 10_000

/**
 * What holds for a process: the keys of the database over those of its file. A key in the database that cannot be is left
 * out and said: a row must not keep a node from starting.
 */
export class LiveConfig {
  readonly #db: Db
  readonly #source: NodeConfigSource
  readonly #log: Log
  readonly #listeners: ((values: NodeValues) => void)[] = []
  #stamp = ''
  #values: NodeValues

  /** Begins with what the file says. @throws Fault `config.invalid`. */
  constructor(db: Db, file: string, log: Log) {
    this.#db = db
    this.#source = nodeConfigSource(file)
    this.#log = log
    this.#values = this.#source.over({}).values
  }

  /** @throws Fault `config.invalid` when the file is none, or what the database says. */
  static async open(db: Db, file: string, log: Log): Promise<LiveConfig> {
    const live = new LiveConfig(db, file, log)
    await live.reload()
    return live
  }

  /** As they are now. Who keeps this object keeps old values. */
  get values(): NodeValues {
    return this.#values
  }

  /** Calls back after each change. */
  onChange(listener: (values: NodeValues) => void): void {
    this.#listeners.push(listener)
  }

  /** Looks again and again, since a hint may be lost, until it is disposed of. Never rejects. */
  keepUp(): Disposable & { now(): void } {
    const now = (): void => {
      this.reload().catch((error: unknown) => this.#log.warn('configuration not read', { error }))
    }
    now()
    const timer = setInterval(now, RELOAD_MS)
    return { now, [Symbol.dispose]: () => clearInterval(timer) }
  }

  /** Reads the keys of the database again if any has changed. */
  async reload(): Promise<void> {
    const stamp = await configurationStamp(this.#db)
    if (stamp === this.#stamp) return
    const { values } = laidOver(this.#source, await readConfiguration(this.#db, undefined), this.#log)
    this.#values = values
    this.#stamp = stamp
    for (const listener of this.#listeners) listener(values)
  }
}

/**
 * Lays over the file what can be of the database, and says what cannot.
 * @param mustHold keys that are never left out.
 * @throws Fault `config.invalid` for one of those that cannot be.
 */
export function laidOver(
  source: NodeConfigSource,
  rows: Overrides,
  log: Log,
  mustHold: (key: string) => boolean = () => false,
): LaidConfig {
  const whole = attempt(source, rows)
  if (!(whole instanceof Fault)) return whole
  const good: [string, Overrides[string]][] = []
  for (const [key, value] of Object.entries(rows)) {
    const tried = attempt(source, Object.fromEntries([...good, [key, value]]))
    if (tried instanceof Fault && mustHold(key)) throw tried
    if (tried instanceof Fault) log.warn('a key of the database is left out', { problem: tried.message })
    else good.push([key, value])
  }
  return source.over(Object.fromEntries(good))
}

function attempt(source: NodeConfigSource, rows: Overrides): LaidConfig | Fault {
  try {
    return source.over(rows)
  } catch (error) {
    if (error instanceof Fault && error.code === 'config.invalid') return error
    throw error
  }
}
