import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import { randomNonce, randomPKCECodeVerifier, randomState } from 'openid-client'
import type { AuthValues } from '../registry.ts'
import { identityOf, type Identity } from './claims.ts'
import { Provider, type Transaction } from './provider.ts'
import { redirectUrlFor } from './redirect-url.ts'
import { oidcSettings, type OidcSettings } from './settings.ts'

export interface OidcParts {
  /** What is configured for all tenants: which one somebody belongs to is known only afterwards. */
  readonly values: () => Promise<AuthValues>
  /** The certificate that the door shows now, PEM; `undefined` where a balancer has it. */
  readonly certificate: () => string | undefined
  readonly log: Log
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** Signs users of the portal in at an OpenID provider: authorization code flow with PKCE, state and nonce. */
export class OidcDesk {
  readonly #parts: OidcParts
  #open: Promise<{ settings: OidcSettings; provider: Provider } | undefined> | undefined

  constructor(parts: OidcParts) {
    this.#parts = parts
  }

  /** How the provider is called; `undefined` when there is none. @throws Fault `auth.unavailable`. */
  async label(): Promise<string | undefined> {
    return (await this.#provider())?.settings.label
  }

  /**
   * Begins a sign-in.
   * @param host the request's `Host`.
   * @returns where the user goes, and what her browser must bring back with her.
   * @throws Fault `auth.unavailable`.
   */
  async begin(host: string | undefined): Promise<{ url: URL; transaction: Transaction }> {
    const { settings, provider } = await this.#required()
    const redirectUrl = (settings.redirectUrl ?? redirectUrlFor(host, this.#parts.certificate())).href
    const transaction = {
      state: randomState(),
      nonce: randomNonce(),
      verifier: randomPKCECodeVerifier(),
      redirectUrl,
    }
    return { url: await provider.authorizationUrl(transaction), transaction }
  }

  /**
   * Ends a sign-in: says who came back.
   * @param query of the callback, as the browser brought it.
   * @throws Fault `auth.provider` for no, `auth.unavailable` when nobody could tell.
   */
  async finish(transaction: Transaction, query: string): Promise<Identity> {
    const { settings, provider } = await this.#required()
    return identityOf(await provider.claims(transaction, query), settings)
  }

  /** The configuration has changed: the next sign-in reads it. */
  reload(): void {
    this.#open = undefined
  }

  async #required(): Promise<{ settings: OidcSettings; provider: Provider }> {
    const found = await this.#provider()
    if (found === undefined)
      throw new Fault('auth.unavailable', { reason: 'no OpenID provider is configured' })
    return found
  }

  #provider(): Promise<{ settings: OidcSettings; provider: Provider } | undefined> {
    if (this.#open !== undefined) return this.#open
    const made = this.#make()
    this.#open = made
    made.catch((error: unknown) => {
      this.#parts.log.error('sign-in at a provider is not usable as configured', { error })
      if (this.#open === made) this.#open = undefined
    })
    return made
  }

  async #make(): Promise<{ settings: OidcSettings; provider: Provider } | undefined> {
    const settings = oidcSettings(await this.#parts.values())
    if (settings === undefined) return undefined
    return { settings, provider: new Provider(settings, this.#parts.log, this.#parts.now) }
  }
}
