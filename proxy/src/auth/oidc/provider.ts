import { Fault } from '@ostler/contract/fault.ts'
import { withDeadline } from '@ostler/kit/deadline.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { Secret } from '@ostler/kit/secret.ts'
import * as client from 'openid-client'
import type { Claims } from './claims.ts'
import { providerFetch } from './provider-fetch.ts'
import type { OidcSettings } from './settings.ts'

/** What is known of one sign-in while the user is at the provider. */
export interface Transaction {
  readonly state: string
  readonly nonce: string
  /** Proves to the provider that who fetches the answer has asked the question (PKCE). */
  readonly verifier: string
  readonly redirectUrl: string
}

/** So long what the provider says about itself is believed. */
const FRESH_MS = 3_600_000
/** When it cannot be asked again, what it said before counts until the next try. */
const RETRY_MS = 60_000
/** Clocks of two machines differ. */
const CLOCK_TOLERANCE_SECONDS = 30

/** One OpenID provider: what it says of itself, and the two steps of a sign-in there. */
export class Provider {
  readonly #settings: OidcSettings
  readonly #log: Log
  readonly #now: () => number
  #known: { readonly config: client.Configuration; until: number } | undefined
  #asking: Promise<client.Configuration> | undefined

  /** @param now milliseconds since the epoch. */
  constructor(settings: OidcSettings, log: Log, now: () => number) {
    this.#settings = settings
    this.#log = log
    this.#now = now
  }

  /** Where a user signs in. @throws Fault `auth.unavailable` when the provider does not answer in time. */
  async authorizationUrl({ state, nonce, verifier, redirectUrl }: Transaction): Promise<URL> {
    const config = await this.#configuration()
    return client.buildAuthorizationUrl(config, {
      redirect_uri: redirectUrl,
      scope: this.#settings.scope,
      state,
      nonce,
      code_challenge: await client.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    })
  }

  /**
   * Fetches what the provider says about a user who came back from there.
   * @param query of the callback, as the browser brought it.
   * @throws Fault `auth.provider` for no, `auth.unavailable` when it could not tell.
   */
  async claims(transaction: Transaction, query: string): Promise<Claims> {
    const config = await this.#configuration()
    return await this.#asked('claims', () => this.#exchange(config, transaction, query))
  }

  async #exchange(config: client.Configuration, transaction: Transaction, query: string): Promise<Claims> {
    const url = new URL(transaction.redirectUrl)
    url.search = query
    const tokens = await client.authorizationCodeGrant(config, url, {
      pkceCodeVerifier: transaction.verifier,
      expectedState: transaction.state,
      expectedNonce: transaction.nonce,
      idTokenExpected: true,
    })
    const claims: Claims = tokens.claims() ?? {}
    const wanted = [this.#settings.loginClaim, this.#settings.groupsClaim, this.#settings.tenantClaim]
    const missing = wanted.some((name) => name !== undefined && claims[name] === undefined)
    if (!missing || config.serverMetadata().userinfo_endpoint === undefined) return claims
    // Some providers keep the ID token short. What it says itself is signed, and wins.
    const more = await client.fetchUserInfo(config, tokens.access_token, String(claims['sub']))
    return { ...more, ...claims }
  }

  /** What the provider says of itself; of many at once, one asks. */
  async #configuration(): Promise<client.Configuration> {
    const known = this.#known
    if (known !== undefined && known.until > this.#now()) return known.config
    this.#asking ??= this.#asked('discovery', () => this.#discover()).finally(
      () => (this.#asking = undefined),
    )
    try {
      const config = await this.#asking
      this.#known = { config, until: this.#now() + FRESH_MS }
      return config
    } catch (error) {
      if (known === undefined) throw error
      known.until = this.#now() + RETRY_MS
      return known.config
    }
  }

  async #discover(): Promise<client.Configuration> {
    const { issuer, clientId, clientSecret, ca, timeoutMs } = this.#settings
    const config = await client.discovery(
      issuer,
      clientId,
      { [client.clockTolerance]: CLOCK_TOLERANCE_SECONDS },
      clientSecret === undefined ? client.None() : authenticationWith(clientSecret),
      { timeout: timeoutMs / 1_000, [client.customFetch]: providerFetch(ca) },
    )
    // The signature too, not only the connection that the ID token came over.
    client.enableNonRepudiationChecks(config)
    return config
  }

  /** @throws Fault as `claims` does; the log has what the provider said. */
  async #asked<T>(what: 'discovery' | 'claims', question: () => Promise<T>): Promise<T> {
    const { label, timeoutMs, issuer } = this.#settings
    try {
      return await withDeadline(what, timeoutMs, question)
    } catch (error) {
      const refusal = what === 'claims' ? refusalOf(error) : undefined
      this.#log.warn('the OpenID provider did not vouch for somebody', {
        issuer: issuer.href,
        asked: what,
        outcome: refusal === undefined ? 'nobody could tell' : 'refused',
        said: saidBy(error),
        error,
      })
      if (refusal !== undefined)
        throw new Fault('auth.provider', { provider: label, reason: refusal }, { cause: error })
      throw new Fault(
        'auth.unavailable',
        { reason: `${label} does not answer as it should` },
        { cause: error },
      )
    }
  }
}

/** Proves who we are in the way that the provider offers; every one knows one of these two. */
function authenticationWith(secret: Secret): client.ClientAuth {
  return (server, ...request) => {
    const methods = server.token_endpoint_auth_methods_supported ?? ['client_secret_basic']
    const make = methods.includes('client_secret_basic') ? client.ClientSecretBasic : client.ClientSecretPost
    make(secret.reveal())(server, ...request)
  }
}

/** Failures after which it would be of no use to ask the same again. */
const DISTRUST: Readonly<Record<string, string>> = {
  OAUTH_INVALID_RESPONSE: 'its answer does not belong to this sign-in',
  OAUTH_JWT_CLAIM_COMPARISON_FAILED: 'its answer does not belong to this sign-in',
  OAUTH_JWT_TIMESTAMP_CHECK_FAILED: 'its answer is too old, or a clock is wrong',
  OAUTH_KEY_SELECTION_FAILED: 'its answer is not signed by its keys',
  OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED: 'its answers are about different people',
}

/** What the provider said about it, for the log. */
function saidBy(error: unknown): string | undefined {
  if (error instanceof client.AuthorizationResponseError || error instanceof client.ResponseBodyError)
    return `${error.error}: ${error.error_description ?? ''}`.slice(0, 500)
  return error instanceof client.ClientError ? error.code : undefined
}

/** Why somebody was not let in, for her; `undefined` when nobody could tell. */
function refusalOf(error: unknown): string | undefined {
  if (error instanceof client.AuthorizationResponseError)
    return ['server_error', 'temporarily_unavailable'].includes(error.error)
      ? undefined
      : error.error === 'access_denied'
        ? 'you or the provider refused it'
        : 'the provider refused it'
  if (error instanceof client.ResponseBodyError)
    return error.error === 'invalid_grant' ? 'it has been used or is too old' : undefined
  return error instanceof client.ClientError && error.code !== undefined ? DISTRUST[error.code] : undefined
}
