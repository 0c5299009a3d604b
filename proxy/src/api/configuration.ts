import type {
  ConfigurationChange,
  ConfigurationEntry,
  ConfigurationFinding,
} from '@ostler/contract/configuration-api.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { type Overrides, type Setting, suggestion } from '@ostler/kit/config.ts'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { AUTH_OPTIONS } from '../auth/options.ts'
import { PLUGINS } from '../auth/registry.ts'
import { isSecretKey } from '../auth/secret-keys.ts'
import {
  type ConfigurationRow,
  deleteConfiguration,
  listConfiguration,
  setConfiguration,
} from '../store/configuration.ts'
import type { Db } from '../store/open.ts'

/** What becomes of a key that a configuration sets. */
export type KeyVerdict =
  | { readonly kind: 'honoured' }
  | { readonly kind: 'mapped'; readonly to: string; readonly how: string }
  | { readonly kind: 'reported'; readonly reason: string }
  | { readonly kind: 'unknown'; readonly near: string }

/** The node's configuration with other keys laid over its file. */
export interface ConfigurationSource {
  /** All keys that a node knows. */
  readonly keys: readonly string[]
  readonly verdict: (key: string) => KeyVerdict
  /** What a key that only QVD has says in our words. */
  readonly translate: (
    key: string,
    value: string,
  ) => { readonly key: string; readonly value: string } | undefined
  /** Where a key may be set beside the file, and who must be started again then; `undefined`: nowhere. */
  readonly reach: (
    key: string,
  ) => { readonly place: 'database' | 'tenant'; readonly restart: readonly string[] } | undefined
  /** What there is to say about keys that are set. */
  readonly findings: (
    set: readonly { readonly key: string; readonly origin: string }[],
  ) => readonly ConfigurationFinding[]
  /** @throws Fault `config.invalid` with every problem. */
  over(overrides: Overrides): {
    readonly values: Readonly<{ [K in keyof typeof AUTH_OPTIONS]: unknown }>
    /** Every key that has a value. */
    readonly all: readonly string[]
    /** The value of any of them, and where it came from. */
    readonly find: (key: string) => Setting | undefined
  }
}

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
   * What holds for a tenant, or for all of them, by key, and where it comes from. Secrets are masked.
   * @param keys none: those that the node knows but `internal.` ones, and every other one that is set.
   * @throws Fault `request.invalid` for a key that has no value.
   */
  async get(tenantId: number | undefined, keys: readonly string[]): Promise<ConfigurationEntry[]> {
    const { all, find } = await this.#of(tenantId)
    const unknown = keys.find((key) => !all.includes(key))
    if (unknown !== undefined) throw this.#unknown(unknown)
    const isShown = (key: string): boolean =>
      this.#source.keys.includes(key) ? !key.startsWith('internal.') : find(key)?.origin !== 'default'
    return (keys.length > 0 ? keys : all.filter(isShown)).toSorted().map((key) => {
      const { value, origin } = find(key) ?? { value: '', origin: 'default' }
      return { key, value: isSecretKey(key) && value !== '' ? '***' : value, origin }
    })
  }

  /**
   * Sets keys, all or none; everybody hears of it.
   * @throws Fault `request.invalid` naming the first key that nobody knows, that belongs in the file or to nobody in
   * particular, or whose value is none.
   */
  async set(
    tenantId: number | undefined,
    values: Readonly<Record<string, string>>,
  ): Promise<ConfigurationChange> {
    for (const key of Object.keys(values)) this.#requireSettable(key, tenantId)
    await this.requireSense(tenantId, values)
    await setConfiguration(this.#db, tenantId, values)
    return this.#change(Object.keys(values), Object.keys(values).length)
  }

  /** Removes keys. */
  async delete(tenantId: number | undefined, keys: readonly string[]): Promise<ConfigurationChange> {
    return this.#change(keys, await deleteConfiguration(this.#db, tenantId, keys))
  }

  /** What there is to say about every key that is set, in the file of this node and in the database. */
  async findings(): Promise<readonly ConfigurationFinding[]> {
    const { all, find } = this.#source.over({})
    const inFile = all
      .map((key) => ({ key, origin: find(key)?.origin ?? 'default' }))
      .filter(({ origin }) => origin !== 'default')
    const rows = (await listConfiguration(this.#db)).map((row) => ({ ...row, origin: originOf(row) }))
    const misplaced = rows.filter(({ key, tenant }) => this.placeProblem(key, tenant !== null) !== undefined)
    return [
      ...this.#source.findings([...inFile, ...rows]),
      ...misplaced.map(({ key, origin, tenant }) => ({
        kind: 'misplaced' as const,
        keys: [`${key} (${origin})`],
        text: `not used: ${this.placeProblem(key, tenant !== null) ?? ''}`,
      })),
    ]
  }

  /** Why a key that the node knows cannot stand in the database; `undefined`: it can. */
  placeProblem(key: string, isTenants: boolean): string | undefined {
    if (key.startsWith('l7r.ssl.') && !key.startsWith('l7r.ssl.options.'))
      return `${key} is set by qa config ssl key=FILE cert=FILE [ca=FILE] [crl=FILE]`
    if (!this.#source.keys.includes(key)) return undefined
    const reach = this.#source.reach(key)
    if (reach === undefined) return `${key} is read from the configuration file of each node: set it there`
    if (isTenants && reach.place !== 'tenant')
      return `${key} is the same for all tenants: set it without tenant=`
    return undefined
  }

  /** @throws Fault `request.invalid` when the configuration would be none with these keys. */
  async requireSense(tenantId: number | undefined, values: Readonly<Record<string, string>>): Promise<void> {
    const before = await this.#rows(tenantId)
    try {
      const config = this.#source.over({ ...before, ...values })
      const folder = String(config.values['path.l7r.auth.plugins'])
      for (const key of PLUGIN_LISTS)
        if (key in values) requirePlugins(key, String(config.values[key]), folder)
    } catch (cause) {
      if (!(cause instanceof Fault) || cause.code !== 'config.invalid') throw cause
      throw invalid(cause.message.replaceAll(/^override: /gm, ''), cause)
    }
  }

  async #of(tenantId: number | undefined) {
    return this.#source.over(await this.#rows(tenantId))
  }

  async #rows(tenantId: number | undefined): Promise<Overrides> {
    const rows = (await listConfiguration(this.#db, tenantId ?? NOBODY)).filter(
      ({ key, tenant }) => this.placeProblem(key, tenant !== null) === undefined,
    )
    return Object.fromEntries(rows.map((row) => [row.key, { value: row.value, origin: originOf(row) }]))
  }

  #change(keys: readonly string[], count: number): ConfigurationChange {
    const restart = keys.flatMap((key) => {
      const services = this.#source.reach(key)?.restart ?? []
      return services.length === 0 ? [] : [[key, services] as const]
    })
    const notes = keys.flatMap((key) => {
      const verdict = this.#source.verdict(key)
      return verdict.kind === 'reported' ? [`${key} is kept and not used: ${verdict.reason}`] : []
    })
    return { count, restart: Object.fromEntries(restart), notes }
  }

  #requireSettable(key: string, tenantId: number | undefined): void {
    const problem = this.placeProblem(key, tenantId !== undefined)
    if (problem !== undefined) throw invalid(problem)
    if (this.#source.verdict(key).kind === 'unknown') throw this.#unknown(key)
  }

  #unknown(key: string): Fault {
    return invalid(`there is no key ${key}${suggestion(key, this.#source.keys)}`)
  }
}

/** No tenant has this number: its keys are those for all. */
const NOBODY = -1

function originOf({ tenant }: ConfigurationRow): string {
  return tenant === null ? 'database' : `tenant ${tenant}`
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
