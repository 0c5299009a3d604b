import type { KeyValue } from '@ostler/contract/admin-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { suggestion } from '@ostler/kit/config.ts'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { AUTH_OPTIONS } from '../auth/options.ts'
import { PLUGINS } from '../auth/registry.ts'
import { isSecretKey } from '../auth/secret-keys.ts'
import { deleteConfiguration, readConfiguration, setConfiguration } from '../store/configuration.ts'
import type { Db } from '../store/open.ts'

/** The node's configuration with other keys laid over its file. */
export interface ConfigurationSource {
  /** All keys that a node knows. */
  readonly keys: readonly string[]
  /** @throws Fault `config.invalid` with every problem. */
  over(overrides: Readonly<Record<string, string>>): {
    readonly values: Readonly<{ [K in keyof typeof AUTH_OPTIONS]: unknown }>
    /** A known key's value as text. */
    readonly text: (key: string) => string
    /** Keys of a site's plugins. */
    readonly texts: ReadonlyMap<string, string>
  }
}

/** Guards of the whole node: a door reads them from its file alone. */
const LIMITS = 'l7r.auth.limit.'
const PLUGIN_KEY = /^l7r\.auth\.plugin\.(\w+)\.[\w.-]+$/
const PLUGIN_LISTS = ['l7r.auth.plugins.head', 'l7r.auth.plugins', 'l7r.auth.plugins.tail'] as const

/** The configuration as administrators see it: keys in the database over those in the node's file. */
export class ConfigurationDesk {
  readonly #db: Db
  readonly #source: ConfigurationSource

  constructor(db: Db, source: ConfigurationSource) {
    this.#db = db
    this.#source = source
  }

  /** Says whether logins of a tenant keep their case. */
  async keepsCase(tenantId: number | undefined): Promise<boolean> {
    return (await this.#of(tenantId)).values['model.user.login.case-sensitive'] === true
  }

  /**
   * What holds for a tenant, or for all of them, by key. Secrets are masked.
   * @param keys none: all but those of `internal.`.
   * @throws Fault `request.invalid` for a key that nobody knows.
   */
  async get(tenantId: number | undefined, keys: readonly string[]): Promise<KeyValue[]> {
    const { text, texts } = await this.#of(tenantId)
    const all = [...new Set([...this.#source.keys, ...texts.keys()])]
    const unknown = keys.find((key) => !all.includes(key))
    if (unknown !== undefined) throw this.#unknown(unknown)
    const wanted = keys.length > 0 ? keys : all.filter((key) => !key.startsWith('internal.'))
    return wanted.toSorted().map((key) => {
      const value = this.#source.keys.includes(key) ? text(key) : (texts.get(key) ?? '')
      return { key, value: isSecretKey(key) && value !== '' ? '***' : value }
    })
  }

  /**
   * Sets keys, all or none; doors hear of it.
   * @throws Fault `request.invalid` naming the first key that nobody knows, that belongs in the file, or whose value
   * is none.
   */
  async set(tenantId: number | undefined, values: Readonly<Record<string, string>>): Promise<void> {
    for (const key of Object.keys(values)) this.#requireSettable(key)
    const config = await this.#over(tenantId, values)
    const folder = String(config.values['path.l7r.auth.plugins'])
    for (const key of PLUGIN_LISTS) if (key in values) requirePlugins(key, String(config.values[key]), folder)
    await setConfiguration(this.#db, tenantId, values)
  }

  /** Removes keys; returns how many there were. */
  async delete(tenantId: number | undefined, keys: readonly string[]): Promise<number> {
    return await deleteConfiguration(this.#db, tenantId, keys)
  }

  async #of(tenantId: number | undefined) {
    return this.#source.over(await readConfiguration(this.#db, tenantId))
  }

  async #over(tenantId: number | undefined, values: Readonly<Record<string, string>>) {
    const before = await readConfiguration(this.#db, tenantId)
    try {
      return this.#source.over({ ...before, ...values })
    } catch (cause) {
      if (!(cause instanceof Fault) || cause.code !== 'config.invalid') throw cause
      throw invalid(cause.message.replaceAll(/^override: /gm, ''), cause)
    }
  }

  #requireSettable(key: string): void {
    const [, word = ''] = PLUGIN_KEY.exec(key) ?? []
    const isOurs = Object.hasOwn(AUTH_OPTIONS, key)
    const isOfSite = word !== '' && !Object.hasOwn(PLUGINS, word.toLowerCase())
    if ((isOurs && !key.startsWith(LIMITS)) || (isOfSite && !this.#source.keys.includes(key))) return
    if (key.startsWith('l7r.ssl.'))
      throw invalid(`${key} is set by qa config ssl key=FILE cert=FILE [ca=FILE] [crl=FILE]`)
    if (!this.#source.keys.includes(key)) throw this.#unknown(key)
    throw invalid(`${key} is read from the configuration file of each node: set it there`)
  }

  #unknown(key: string): Fault {
    return invalid(`there is no key ${key}${suggestion(key, this.#source.keys)}`)
  }
}

/** A word that is no plugin would keep everybody out. */
function requirePlugins(key: string, list: string, folder: string): void {
  for (const word of list.split(',').map((part) => part.trim()))
    if (
      word !== '' &&
      !Object.hasOwn(PLUGINS, word.toLowerCase()) &&
      !existsSync(join(folder, `${word}.mjs`))
    )
      throw invalid(
        `${key}: there is no plugin ${word}: known are ${Object.keys(PLUGINS).join(', ')}, and files in ${folder}`,
      )
}

function invalid(problem: string, cause?: unknown): Fault {
  return new Fault('request.invalid', { problem }, { cause })
}
