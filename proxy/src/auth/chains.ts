import { Fault } from '@ostler/contract/fault.ts'
import { type PluginContext, PLUGINS, type AuthValues } from './registry.ts'
import { loadSitePlugin } from './site-plugin.ts'
import type { AuthPlugin } from './plugin.ts'
import type { Chain } from './sign-in.ts'

/** What is configured for one tenant, or for all of them. */
export interface AuthConfiguration {
  readonly values: AuthValues
  /** Every key that is set, as text: plugins of a site have keys that nobody else knows. */
  readonly texts: ReadonlyMap<string, string>
}

export interface ChainParts extends Omit<PluginContext, 'settings'> {
  /** Reads the configuration. @throws when it cannot be used. */
  readonly configurationOf: (tenantId: number | undefined) => Promise<AuthConfiguration>
}

/** Keeps the chain of each tenant, made from its configuration when it is first needed. */
export class Chains {
  readonly #parts: ChainParts
  readonly #chains = new Map<number | undefined, Promise<Chain>>()

  constructor(parts: ChainParts) {
    this.#parts = parts
  }

  /** @throws Fault `auth.unavailable` naming what is wrong with the configuration. */
  of(tenantId: number | undefined): Promise<Chain> {
    const known = this.#chains.get(tenantId)
    if (known !== undefined) return known
    const made = this.#make(tenantId).catch((cause: unknown) => {
      this.#chains.delete(tenantId)
      this.#parts.log.error('sign-in is not usable as configured', {
        tenant: tenantId ?? 'all',
        error: cause,
      })
      if (cause instanceof Fault && cause.code === 'auth.unavailable') throw cause
      // What is wrong names files and keys: it is for the log, not for whoever knocks.
      throw new Fault('auth.unavailable', { reason: 'its configuration is not usable' }, { cause })
    })
    this.#chains.set(tenantId, made)
    return made
  }

  /** The configuration has changed: the next sign-in makes its chain afresh. */
  reload(): void {
    this.#chains.clear()
  }

  async #make(tenantId: number | undefined): Promise<Chain> {
    const { values, texts } = await this.#parts.configurationOf(tenantId)
    const head = words(values['l7r.auth.plugins.head'])
    const own = tenantId === undefined ? [] : words(values['l7r.auth.plugins'])
    const tail = words(values['l7r.auth.plugins.tail'])
    const plugins: AuthPlugin[] = []
    for (const word of new Set([...head, ...own, ...tail]))
      plugins.push(await this.#plugin(word, values, texts))
    return {
      plugins,
      caseSensitive: values['model.user.login.case-sensitive'],
      timeoutMs: values['l7r.auth.timeout'] * 1_000,
    }
  }

  async #plugin(word: string, values: AuthValues, texts: ReadonlyMap<string, string>): Promise<AuthPlugin> {
    // QVD's own words are in mixed case, such as TOTP.
    const name = word.toLowerCase()
    const make = Object.hasOwn(PLUGINS, name) ? PLUGINS[name] : undefined
    if (make !== undefined) return make({ ...this.#parts, settings: values })
    const prefix = `l7r.auth.plugin.${word}.`
    const own = [...texts].filter(([key]) => key.startsWith(prefix))
    const settings = Object.fromEntries(own.map(([key, value]) => [key.slice(prefix.length), value]))
    return await loadSitePlugin({
      folder: values['path.l7r.auth.plugins'],
      word,
      settings,
      timeoutMs: values['l7r.auth.timeout'] * 1_000,
      log: this.#parts.log,
    })
  }
}

function words(list: string): string[] {
  return list
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '')
}
