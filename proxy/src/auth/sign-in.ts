import { Fault } from '@ostler/contract/fault.ts'
import type { Log } from '@ostler/kit/log.ts'
import { Secret } from '@ostler/kit/secret.ts'
import { createHash } from 'node:crypto'
import type { AttemptBook } from './attempts.ts'
import type { PasswordDesk } from './password-desk.ts'
import type { Accepted, Attempt, AuthPlugin, Guest, SignInOrigin, Tenant } from './plugin.ts'
import { RecentFailures } from './recent-failures.ts'
import type { SignInRecords, User, UserRecord } from './records.ts'

/** Somebody who is in, and what the plugins said about her. */
export interface SignedIn extends Guest {
  readonly user: User
  /** For her sessions and their hooks; `qvd.vm.user.name` is among them. */
  readonly parameters: Readonly<Record<string, string>>
  /** The only desktop that her token opens; `undefined`: all of hers. */
  readonly onlyVm: number | undefined
  /** The plugins of her tenant, for decisions that come later. */
  readonly plugins: readonly AuthPlugin[]
}

/** The plugins and rules of one tenant, or, without a tenant, what is the same for all. */
export interface Chain {
  readonly plugins: readonly AuthPlugin[]
  readonly caseSensitive: boolean
  /** Milliseconds within which a sign-in is decided. */
  readonly timeoutMs: number
}

export interface SignInParts {
  readonly records: SignInRecords
  readonly attempts: AttemptBook
  readonly passwords: PasswordDesk
  /** @throws Fault `auth.unavailable` when the configuration cannot be used. */
  readonly chainOf: (tenantId: number | undefined) => Promise<Chain>
  readonly log: Log
}

/** A login and its password, as a person typed them. */
export interface TypedCredentials {
  readonly login: string
  readonly password: Secret
  /** A second factor that has a field of its own; else its digits end the password. */
  readonly code?: Secret
}

/** Longer ones are nobody's, and would cost time to look at. */
const MAX_LOGIN = 256
const MAX_PASSWORD = 1_024

/**
 * Says who somebody is (compatibility page 6.2): tenant, limits, second factor split off, plugins in order, second
 * factor, after-hooks, and last her row. Every "no" looks the same from outside and costs about the same.
 */
export class SignInDesk {
  readonly #parts: SignInParts
  readonly #recent = new RecentFailures<SignedIn>()

  constructor(parts: SignInParts) {
    this.#parts = parts
  }

  /**
   * @throws Fault `auth.required` for no, `auth.tooMany` while somebody must wait, `auth.unavailable` when nobody
   * could tell.
   */
  async byPassword(typed: TypedCredentials, origin: SignInOrigin): Promise<SignedIn> {
    if (
      typed.login.length > MAX_LOGIN ||
      typed.password.reveal().length > MAX_PASSWORD ||
      isEmpty(typed.password)
    )
      throw refused('no usable credentials')
    const said = [typed.login, typed.password.reveal(), typed.code?.reveal() ?? '', origin.address]
    // The Perl client repeats a failure five times at once, the C client signs in twice: one judgement serves all.
    return await this.#recent.judge([...said, JSON.stringify([...origin.environment])], () =>
      this.#judge(typed, origin),
    )
  }

  /**
   * Signs in with a token's text.
   * @throws Fault `auth.required` when nobody knows it, or when it is spent or too old.
   */
  async byToken(token: Secret, origin: SignInOrigin): Promise<SignedIn> {
    const digest = createHash('sha256').update(token.reveal()).digest()
    const record = await this.#parts.records.takeToken(digest, origin.address)
    if (record === undefined) throw refused('unknown token')
    if (record.user.blocked) throw refused('blocked user')
    const { plugins } = await this.#parts.chainOf(record.user.tenant.id)
    return { ...signedIn(record.user, record, plugins), onlyVm: record.vmId }
  }

  /**
   * Signs in a connection that shows a client certificate and nothing else.
   * @throws Fault `auth.required` when no plugin lets it in.
   */
  async byCertificate(origin: SignInOrigin): Promise<SignedIn> {
    const common = await this.#parts.chainOf(undefined)
    const name = defaultTenant(common.plugins)
    const tenant = name === undefined ? undefined : await this.#openTenant(name)
    if (tenant === undefined || origin.certificate === undefined) throw refused('no credentials')
    const chain = await this.#parts.chainOf(tenant.id)
    for (const plugin of chain.plugins) {
      const verdict = await this.#ask(plugin, chain, origin, (signal) =>
        plugin.authenticateCertificate?.(tenant, { ...origin, signal }),
      )
      if (verdict?.kind === 'reject') throw refused(verdict.reason)
      if (verdict?.kind !== 'accept' || verdict.login === undefined) continue
      const user = await this.#admit(tenant, verdict.login, verdict, chain, origin)
      if (user !== undefined) return user
    }
    throw refused('no plugin knows the certificate')
  }

  /**
   * Signs in somebody for whom another service vouches: what follows is as after a password, without second factor.
   * @param tenantName `undefined`: the default tenant.
   * @throws Fault `auth.required` when her tenant or she is unknown or blocked, `auth.unavailable`.
   */
  async byIdentity(
    tenantName: string | undefined,
    accepted: Accepted & { readonly login: string },
    origin: SignInOrigin,
  ): Promise<SignedIn> {
    const name = tenantName ?? defaultTenant((await this.#parts.chainOf(undefined)).plugins)
    const tenant = name === undefined ? undefined : await this.#openTenant(name)
    if (tenant === undefined) throw refused('unknown or blocked tenant')
    const chain = await this.#parts.chainOf(tenant.id)
    const login = chain.caseSensitive ? accepted.login : accepted.login.toLowerCase()
    const user = await this.#admit(tenant, login, accepted, chain, origin)
    if (user === undefined) throw refused('no such user')
    return user
  }

  /** Reads a user's row again: is she still let in? */
  async stillIn(userId: number): Promise<boolean> {
    return (await this.#parts.records.userById(userId))?.blocked === false
  }

  /** The same guest as another sign-in left her, such as one by a cookie. Throws Fault `auth.required`. */
  async byUserId(
    userId: number,
    said: { parameters: Readonly<Record<string, string>>; groups: readonly string[] },
  ): Promise<SignedIn> {
    const user = await this.#parts.records.userById(userId)
    if (user === undefined || user.blocked) throw refused('blocked user')
    const { plugins } = await this.#parts.chainOf(user.tenant.id)
    return signedIn(user, said, plugins)
  }

  async #judge(typed: TypedCredentials, origin: SignInOrigin): Promise<SignedIn> {
    const common = await this.#parts.chainOf(undefined)
    const split = firstOf(common.plugins, (plugin) => plugin.findTenant?.(typed.login.trim()))
    const tenant = split === undefined ? undefined : await this.#openTenant(split.tenant)
    const chain = tenant === undefined ? common : await this.#parts.chainOf(tenant.id)
    const trimmed = (split?.login ?? typed.login).trim()
    const login = chain.caseSensitive ? trimmed : trimmed.toLowerCase()
    const subject = { tenantId: tenant?.id ?? 0, login, address: origin.address }
    const seconds = await this.#parts.attempts.charge(subject)
    if (seconds > 0) throw new Fault('auth.tooMany', { seconds })
    let succeeded: boolean | undefined
    try {
      if (tenant === undefined || login === '') {
        await this.#parts.passwords.verify(typed.password, undefined)
        throw refused('unknown or blocked tenant')
      }
      const guest = await this.#askAll(tenant, login, typed, chain, origin)
      succeeded = true
      return guest
    } catch (error) {
      succeeded = error instanceof Fault && error.code === 'auth.required' ? false : undefined
      throw error
    } finally {
      if (succeeded !== false) await this.#parts.attempts.refund(subject, succeeded === true)
    }
  }

  /** A tenant whose users may come in. `*`, the supertenant, has none (C-23). */
  async #openTenant(name: string): Promise<Tenant | undefined> {
    const tenant = await this.#parts.records.tenantByName(name)
    return tenant === undefined || tenant.blocked || tenant.id <= 0 ? undefined : tenant
  }

  async #askAll(
    tenant: Tenant,
    login: string,
    typed: TypedCredentials,
    chain: Chain,
    origin: SignInOrigin,
  ): Promise<SignedIn> {
    const second = await this.#secondFactor(tenant, login, chain)
    const { password, code } = splitOff(typed, second?.digits)
    if (password === undefined) {
      await this.#parts.passwords.verify(typed.password, undefined)
      throw refused('no room for a second factor in the password')
    }
    for (const plugin of chain.plugins) {
      const verdict = await this.#ask(plugin, chain, origin, (signal) =>
        plugin.authenticate?.({ ...origin, signal, tenant, login, password } satisfies Attempt),
      )
      if (verdict?.kind === 'reject') throw refused(verdict.reason)
      if (verdict?.kind !== 'accept') continue
      const known = verdict.login ?? login
      // Whoever signs in under another name must not leave her second factor behind.
      const hers = known === login ? second : await this.#secondFactor(tenant, known, chain)
      if (hers !== undefined) {
        const guest = { tenant, login: known, address: origin.address }
        const given = hers === second ? code : typed.code
        if (given === undefined || !(await hers.factor.take(guest, given))) throw refused('second factor')
      }
      const guest = await this.#admit(tenant, known, verdict, chain, origin)
      if (guest !== undefined) return guest
    }
    throw refused('no plugin knows the user')
  }

  async #secondFactor(tenant: Tenant, login: string, chain: Chain) {
    for (const { secondFactor: factor } of chain.plugins) {
      const digits = await factor?.digits({ tenant, login })
      if (factor !== undefined && digits !== undefined) return { factor, digits }
    }
    return undefined
  }

  /** After-hooks, then her row; `undefined` when she has none. */
  async #admit(
    tenant: Tenant,
    login: string,
    verdict: Accepted,
    chain: Chain,
    origin: SignInOrigin,
  ): Promise<SignedIn | undefined> {
    const guest: Guest = { tenant, login, groups: verdict.groups ?? [] }
    for (const plugin of chain.plugins)
      await this.#ask(plugin, chain, origin, (signal) => plugin.afterSignIn?.(guest, { ...origin, signal }))
    const user = await this.#parts.records.userByLogin(tenant.id, login)
    if (user === undefined) {
      this.#parts.log.info('accepted by a plugin, but there is no such user', { login, tenant: tenant.name })
      return undefined
    }
    if (user.blocked) throw refused('blocked user')
    return signedIn(user, { parameters: verdict.parameters ?? {}, groups: guest.groups }, chain.plugins)
  }

  /** Asks one plugin within its time. @throws Fault `auth.unavailable` when it fails or does not answer. */
  async #ask<T>(
    plugin: AuthPlugin,
    chain: Chain,
    origin: SignInOrigin,
    question: (signal: AbortSignal) => Promise<T> | undefined,
  ): Promise<T | undefined> {
    const timeout = AbortSignal.timeout(chain.timeoutMs)
    const signal = AbortSignal.any([origin.signal, timeout])
    const given = Promise.withResolvers<never>()
    const giveUp = (): void => given.reject(signal.reason as Error)
    signal.addEventListener('abort', giveUp, { once: true })
    try {
      signal.throwIfAborted()
      return await Promise.race([question(signal), given.promise])
    } catch (cause) {
      if (cause instanceof Fault) throw cause
      const reason = timeout.aborted ? `${plugin.name} did not answer in time` : `${plugin.name} failed`
      this.#parts.log.warn('a plugin could not tell', { plugin: plugin.name, reason, error: cause })
      throw new Fault('auth.unavailable', { reason }, { cause })
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }
}

function signedIn(
  user: UserRecord,
  said: { parameters: Readonly<Record<string, string>>; groups: readonly string[] },
  plugins: readonly AuthPlugin[],
): SignedIn {
  const { id, login, tenant, role } = user
  return {
    user: { id, login, tenant, role },
    tenant,
    login,
    groups: said.groups,
    parameters: { 'qvd.vm.user.name': login, ...said.parameters },
    onlyVm: undefined,
    plugins,
  }
}

/** Cuts the digits of a second factor off the password, unless they came in a field of their own. */
function splitOff(
  typed: TypedCredentials,
  digits: number | undefined,
): { password: Secret | undefined; code: Secret | undefined } {
  if (digits === undefined || typed.code !== undefined) return { password: typed.password, code: typed.code }
  const text = typed.password.reveal()
  if (text.length <= digits) return { password: undefined, code: undefined }
  return { password: new Secret(text.slice(0, -digits)), code: new Secret(text.slice(-digits)) }
}

function defaultTenant(plugins: readonly AuthPlugin[]): string | undefined {
  return firstOf(plugins, (plugin) => plugin.findTenant?.(''))?.tenant
}

function firstOf<A, B>(items: readonly A[], look: (item: A) => B | undefined): B | undefined {
  for (const item of items) {
    const found = look(item)
    if (found !== undefined) return found
  }
  return undefined
}

function isEmpty(password: Secret): boolean {
  return password.reveal() === ''
}

/** @param reason for the log; outside every refusal looks the same. */
function refused(reason: string): Fault {
  return new Fault('auth.required', { reason })
}
