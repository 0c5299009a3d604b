import { Fault } from '@ostler/contract/fault.ts'
import { DeadlineExceeded, withDeadline } from '@ostler/kit/deadline.ts'
import type { Log } from '@ostler/kit/log.ts'
import { Secret } from '@ostler/kit/secret.ts'
import type { AttemptOutcome } from '../model/sign-in-attempt.ts'
import { digestOf } from '../model/ticket-text.ts'
import type { AttemptBook } from './attempts.ts'
import { hasControl } from './credentials.ts'
import type { PasswordDesk } from './password-desk.ts'
import type { Accepted, Attempt, AuthPlugin, Guest, SecondFactor, SignInOrigin, Tenant } from './plugin.ts'
import { RecentFailures } from './recent-failures.ts'
import type { SignInRecords, User, UserRecord } from './records.ts'

/** Somebody who is in, and what the plugins said about her. */
export interface SignedIn extends Guest {
  readonly user: User
  /** For her sessions and their hooks; `qvd.vm.user.name` is among them. */
  readonly parameters: Readonly<Record<string, string>>
  /** The plugin that let her in; `token` and `cookie` stand for themselves. */
  readonly by: string
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
  /** A secret of the node's doors, which they alone know. */
  readonly key: Buffer
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

/** Not cached: an administrator may have unblocked her since. */
const BLOCKED = 'blocked user'
/** Longer ones are nobody's, and would cost time to look at. */
const MAX_LOGIN = 256
const MAX_PASSWORD = 1_024

/** A sign-in on its way: whose plugins are asked, and until when. */
interface Visit {
  readonly tenant: Tenant
  readonly chain: Chain
  readonly origin: SignInOrigin
  /** By `performance.now()`. */
  readonly until: number
}

/** A user's own second factor. */
interface OwnFactor {
  readonly login: string
  readonly plugin: AuthPlugin
  readonly factor: SecondFactor
  readonly digits: number
}

/**
 * Says who somebody is (compatibility page 6.2): tenant, limits, second factor split off, plugins in order, second
 * factor, after-hooks, and last her row. Every "no" looks the same from outside and costs about the same.
 */
export class SignInDesk {
  readonly #parts: SignInParts
  readonly #recent: RecentFailures<SignedIn>

  constructor(parts: SignInParts) {
    this.#parts = parts
    this.#recent = new RecentFailures(
      parts.key,
      ({ code, detail }) => code === 'auth.required' && detail['reason'] !== BLOCKED,
    )
  }

  /**
   * @throws Fault `auth.required` for no, `auth.tooMany` while somebody must wait, `auth.unavailable` when nobody
   * could tell.
   */
  async byPassword(typed: TypedCredentials, origin: SignInOrigin): Promise<SignedIn> {
    if (
      typed.login.length > MAX_LOGIN ||
      hasControl(typed.login) ||
      hasControl(typed.password.reveal()) ||
      typed.password.reveal().length > MAX_PASSWORD ||
      isEmpty(typed.password)
    )
      throw refused('no usable credentials')
    const { address, environment, certificate } = origin
    const said = [typed.login, typed.password.reveal(), typed.code?.reveal() ?? '', address]
    // The Perl client repeats a failure five times at once, the C client signs in twice: one judgement serves all.
    said.push(JSON.stringify([[...environment], certificate ?? null]))
    return await this.#recent.judge(said, (mark) =>
      this.#orUnavailable(() => this.#judge(typed, mark, origin)),
    )
  }

  /**
   * Signs in with a token's text.
   * @throws Fault `auth.required` when nobody knows it, or when it is spent or too old; `auth.unavailable`.
   */
  async byToken(token: Secret, origin: SignInOrigin): Promise<SignedIn> {
    const digest = digestOf(token.reveal())
    return await this.#orUnavailable(async () => {
      const record = await this.#parts.records.takeToken(digest, origin.address)
      if (record === undefined) throw refused('unknown token')
      if (record.user.blocked) throw refused(BLOCKED)
      const { plugins } = await this.#parts.chainOf(record.user.tenant.id)
      return { ...signedIn(record.user, record, plugins, 'token'), onlyVm: record.vmId }
    })
  }

  /**
   * Signs in a connection that shows a client certificate and nothing else. It is what its holder has: no second
   * factor is asked for.
   * @throws Fault `auth.required` when no plugin lets it in; `auth.unavailable`.
   */
  async byCertificate(origin: SignInOrigin): Promise<SignedIn> {
    return await this.#orUnavailable(async () => {
      const visit = await this.#visitByName(undefined, origin)
      if (visit === undefined || origin.certificate === undefined) throw refused('no credentials')
      for (const plugin of visit.chain.plugins) {
        const verdict = await this.#ask(plugin, visit, (signal) =>
          plugin.authenticateCertificate?.(visit.tenant, { ...origin, signal }),
        )
        if (verdict?.kind === 'reject') throw refused(verdict.reason, plugin)
        if (verdict?.kind !== 'accept' || verdict.login === undefined) continue
        const user = await this.#admit(normalised(verdict.login, visit.chain), verdict, visit, plugin.name)
        if (user !== undefined) return user
      }
      throw refused('no plugin knows the certificate')
    })
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
    return await this.#orUnavailable(async () => {
      const visit = await this.#visitByName(tenantName, origin)
      if (visit === undefined) throw refused('unknown or blocked tenant')
      const user = await this.#admit(normalised(accepted.login, visit.chain), accepted, visit, 'oidc')
      if (user === undefined) throw refused('no such user')
      return user
    })
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
    if (user === undefined || user.blocked) throw refused(BLOCKED)
    const { plugins } = await this.#parts.chainOf(user.tenant.id)
    return signedIn(user, said, plugins, 'cookie')
  }

  async #judge(typed: TypedCredentials, mark: number, origin: SignInOrigin): Promise<SignedIn> {
    const common = await this.#parts.chainOf(undefined)
    const split = this.#findTenant(typed.login.trim(), common.plugins)
    const tenant = split === undefined ? undefined : await this.#openTenant(split.tenant)
    const chain = tenant === undefined ? common : await this.#parts.chainOf(tenant.id)
    const login = normalised(split?.login ?? typed.login, chain)
    const subject = { tenantId: tenant?.id ?? 0, login, address: origin.address, mark }
    const charge = await this.#parts.attempts.charge(subject)
    if (charge.seconds > 0) throw new Fault('auth.tooMany', { seconds: charge.seconds })
    let outcome: AttemptOutcome = 'unknown'
    try {
      if (tenant === undefined || login === '') {
        await this.#parts.passwords.verify(typed.password, undefined)
        throw refused('unknown or blocked tenant')
      }
      const guest = await this.#askAll(login, typed, visitTo(tenant, chain, origin))
      outcome = 'in'
      return guest
    } catch (error) {
      if (error instanceof Fault && error.code === 'auth.required') outcome = 'wrong'
      throw error
    } finally {
      await this.#parts.attempts.settle(subject, charge, outcome)
    }
  }

  /**
   * A visit to a tenant by its name, or to that of logins without one; `undefined` when nobody of it may come in.
   */
  async #visitByName(tenantName: string | undefined, origin: SignInOrigin): Promise<Visit | undefined> {
    const common = await this.#parts.chainOf(undefined)
    const name = tenantName ?? this.#findTenant('', common.plugins)?.tenant
    const tenant = name === undefined ? undefined : await this.#openTenant(name)
    return tenant && visitTo(tenant, await this.#parts.chainOf(tenant.id), origin)
  }

  /** Asks whose tenant stands in a login: the first that finds one decides. */
  #findTenant(typed: string, plugins: readonly AuthPlugin[]) {
    for (const plugin of plugins) {
      try {
        const found = plugin.findTenant?.(typed)
        if (found !== undefined) return found
      } catch (cause) {
        throw this.#couldNotTell(plugin, cause)
      }
    }
    return undefined
  }

  /** A tenant whose users may come in. `*`, the supertenant, has none (C-23). */
  async #openTenant(name: string): Promise<Tenant | undefined> {
    const tenant = await this.#parts.records.tenantByName(name)
    return tenant === undefined || tenant.blocked || tenant.id <= 0 ? undefined : tenant
  }

  async #askAll(login: string, typed: TypedCredentials, visit: Visit): Promise<SignedIn> {
    const { tenant, chain, origin } = visit
    const own = await this.#factorOf(login, visit)
    const { password, code } = splitOff(typed, own?.digits)
    if (password === undefined) {
      await this.#parts.passwords.verify(typed.password, undefined)
      throw refused('no room for a second factor in the password')
    }
    for (const plugin of chain.plugins) {
      const verdict = await this.#ask(plugin, visit, (signal) =>
        plugin.authenticate?.({ ...origin, signal, tenant, login, password } satisfies Attempt),
      )
      if (verdict?.kind === 'reject') {
        await this.#payForTheRest(plugin, visit, password)
        throw refused(verdict.reason, plugin)
      }
      if (verdict?.kind !== 'accept') continue
      const known = verdict.login === undefined ? login : normalised(verdict.login, chain)
      // Whoever signs in under another name must not leave her second factor behind, nor what was cut off unchecked.
      const factor = known === login ? own : ((await this.#factorOf(known, visit)) ?? own)
      if (factor !== undefined)
        await this.#requireCode(factor, factor.digits === own?.digits ? code : typed.code, visit)
      const guest = await this.#admit(known, verdict, visit, plugin.name)
      if (guest !== undefined) return guest
    }
    throw refused('no plugin knows the user')
  }

  async #factorOf(login: string, visit: Visit): Promise<OwnFactor | undefined> {
    for (const plugin of visit.chain.plugins) {
      const { secondFactor: factor } = plugin
      const digits = await this.#ask(plugin, visit, () => factor?.digits({ tenant: visit.tenant, login }))
      if (factor !== undefined && digits !== undefined) return { login, plugin, factor, digits }
    }
    return undefined
  }

  async #requireCode(
    { plugin, factor, login }: OwnFactor,
    code: Secret | undefined,
    visit: Visit,
  ): Promise<void> {
    const { tenant, origin } = visit
    if (code === undefined || isEmpty(code)) throw refused('no code of the second factor')
    const isHers = await this.#ask(plugin, visit, () =>
      factor.take({ tenant, login, address: origin.address }, code),
    )
    if (isHers !== true) throw refused('wrong or spent code of the second factor')
  }

  /** A "no" costs the hash that later plugins would have cost: else it tells whose users are whose. */
  async #payForTheRest(decided: AuthPlugin, { chain }: Visit, password: Secret): Promise<void> {
    const rest = chain.plugins.slice(chain.plugins.indexOf(decided) + 1)
    if (rest.some((plugin) => plugin.hashes === true)) await this.#parts.passwords.verify(password, undefined)
  }

  /** After-hooks, then her row; `undefined` when she has none. Hooks may write, so a blocked user is out before. */
  async #admit(login: string, verdict: Accepted, visit: Visit, by: string): Promise<SignedIn | undefined> {
    const { tenant, chain, origin } = visit
    const { records } = this.#parts
    if ((await records.userByLogin(tenant.id, login))?.blocked === true) throw refused(BLOCKED)
    const guest: Guest = { tenant, login, groups: verdict.groups ?? [] }
    const parameters = { ...verdict.parameters }
    for (const plugin of chain.plugins) {
      const hook = (signal: AbortSignal) => plugin.afterSignIn?.(guest, { ...origin, signal })
      Object.assign(parameters, await this.#ask(plugin, visit, hook))
    }
    const user = await records.userByLogin(tenant.id, login)
    if (user === undefined) {
      this.#parts.log.info('accepted by a plugin, but there is no such user', { login, tenant: tenant.name })
      return undefined
    }
    if (user.blocked) throw refused(BLOCKED)
    return signedIn(user, { parameters, groups: guest.groups }, chain.plugins, by)
  }

  /**
   * Asks one plugin within what is left of the sign-in's time.
   * @throws Fault `auth.unavailable` when it fails or does not answer.
   */
  async #ask<T>(
    plugin: AuthPlugin,
    { origin, until }: Visit,
    question: (signal: AbortSignal) => Promise<T> | undefined,
  ): Promise<T | undefined> {
    try {
      const left = Math.max(1, until - performance.now())
      return await withDeadline(plugin.name, left, async (signal) => await question(signal), origin.signal)
    } catch (cause) {
      throw this.#couldNotTell(plugin, cause)
    }
  }

  #couldNotTell(plugin: AuthPlugin, cause: unknown): Fault {
    if (cause instanceof Fault) return cause
    const late = cause instanceof DeadlineExceeded
    const reason = late ? `${plugin.name} did not answer in time` : `${plugin.name} failed`
    this.#parts.log.warn('a plugin could not tell', { plugin: plugin.name, reason, error: cause })
    return new Fault('auth.unavailable', { reason }, { cause })
  }

  /** What nobody foresaw, such as a database that is away, is no "no". */
  async #orUnavailable<T>(job: () => Promise<T>): Promise<T> {
    try {
      return await job()
    } catch (cause) {
      if (cause instanceof Fault) throw cause
      this.#parts.log.error('a sign-in could not be judged', { error: cause })
      throw new Fault('auth.unavailable', { reason: 'the records cannot be read' }, { cause })
    }
  }
}

function visitTo(tenant: Tenant, chain: Chain, origin: SignInOrigin): Visit {
  return { tenant, chain, origin, until: performance.now() + chain.timeoutMs }
}

function normalised(login: string, { caseSensitive }: Chain): string {
  return caseSensitive ? login.trim() : login.trim().toLowerCase()
}

function signedIn(
  user: UserRecord,
  said: { parameters: Readonly<Record<string, string>>; groups: readonly string[] },
  plugins: readonly AuthPlugin[],
  by: string,
): SignedIn {
  const { id, login, tenant, role } = user
  return {
    user: { id, login, tenant, role },
    tenant,
    login,
    groups: [...new Set([...said.groups, ...user.localGroups])],
    parameters: { 'qvd.vm.user.name': login, ...said.parameters },
    by,
    onlyVm: undefined,
    plugins,
  }
}

/** Cuts the digits of a second factor off the password, unless they came in a field of their own. */
function splitOff(
  { password, code }: TypedCredentials,
  digits: number | undefined,
): { password: Secret | undefined; code: Secret | undefined } {
  if (digits === undefined || (code !== undefined && !isEmpty(code))) return { password, code }
  const text = password.reveal()
  if (text.length <= digits) return { password: undefined, code: undefined }
  return { password: new Secret(text.slice(0, -digits)), code: new Secret(text.slice(-digits)) }
}

function isEmpty(secret: Secret): boolean {
  return secret.reveal() === ''
}

/**
 * @param reason for the log; outside every refusal looks the same.
 * @param plugin that decided it, if one did.
 */
function refused(reason: string, plugin?: AuthPlugin): Fault {
  return new Fault('auth.required', { reason, ...(plugin && { plugin: plugin.name }) })
}
