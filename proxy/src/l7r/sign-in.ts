import { Fault } from '@ostler/contract/fault.ts'
import { systemClock } from '@ostler/kit/clock.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { Secret } from '@ostler/kit/secret.ts'
import { createHash } from 'node:crypto'
import { type Credentials, environmentOf, parseAuthorization } from '../auth/credentials.ts'
import type { Identity } from '../auth/oidc/claims.ts'
import type { SignInOrigin } from '../auth/plugin.ts'
import type { SignedIn, SignInDesk } from '../auth/sign-in.ts'
import type { DoorMetrics, SignInOutcome } from './door-metrics.ts'
import type { Connection, DoorRequest } from './http/request.ts'
import { asFault } from './respond.ts'

/** Says who sent a request. */
export interface SignIn {
  /** @throws Fault `auth.required`, `auth.tooMany` or `auth.unavailable`. */
  byHeader(request: DoorRequest): Promise<SignedIn>
  /** Nothing further is asked on a connection: whoever was known there is not kept in mind. */
  forget(connection: Connection): void
  /** @throws as `byHeader`. */
  byPassword(
    typed: { login: string; password: Secret; code?: Secret },
    connection: Connection,
  ): Promise<SignedIn>
  /** Somebody for whom a provider vouches. @throws as `byHeader`. */
  byIdentity(identity: Identity, connection: Connection): Promise<SignedIn>
}

/** Counts real checks and those that went well (`auth_attempts`, `auth_ok`). */
export type CountSignIn = (counter: 'auth_attempts' | 'auth_ok') => void

/** So long a connection's guest is let in without a look at her row: then a blocked user is out. */
const TRUSTED_MS = 5_000

interface KnownGuest {
  /** SHA-256 of the header: as text, since bytes of their own cost a connection kilobytes. */
  readonly digest: string
  readonly guest: SignedIn
  until: number
}

/**
 * Signs in who sends a request. The same credentials on the same connection are not checked again, also when they
 * count once: the Perl client sends them with every request, and what she shares only with the first (C-16, T9).
 */
export function signInWith(
  desk: SignInDesk,
  count: CountSignIn,
  metrics: DoorMetrics,
  stopping: AbortSignal,
  log: Log,
): SignIn {
  const known = new WeakMap<Connection, KnownGuest>()
  const counted = async (check: Promise<SignedIn>, { address }: Connection): Promise<SignedIn> => {
    count('auth_attempts')
    // Before anything is taken out of the failure that others must not read.
    check.then(
      ({ by }) => metrics.signIn('accepted', by),
      (error: unknown) => metrics.signIn(...refusalOf(error)),
    )
    const guest = await decided(check, log.child({ address }))
    count('auth_ok')
    return guest
  }
  return {
    forget: (connection) => void known.delete(connection),
    byPassword: (typed, connection) =>
      counted(desk.byPassword(typed, originOf(connection, new Map(), stopping)), connection),
    byIdentity: ({ tenant, login, groups }, connection) => {
      const origin = originOf(connection, new Map(), stopping)
      return counted(desk.byIdentity(tenant, { kind: 'accept', login, groups }, origin), connection)
    },
    byHeader: async ({ headers, connection }) => {
      const header = headers.get('authorization')
      const digest = createHash('sha256')
        .update(header ?? '')
        .digest('base64')
      const before = known.get(connection)
      if (before !== undefined && before.digest === digest) {
        if (before.until > systemClock.now()) return before.guest
        if (!(await decided(desk.stillIn(before.guest.user.id), log)))
          throw new Fault('auth.required', { reason: 'blocked user' })
        before.until = systemClock.now() + TRUSTED_MS
        return before.guest
      }
      const credentials = parseAuthorization(header)
      if (credentials === undefined && connection.certificate === undefined)
        throw new Fault('auth.required', { reason: 'no credentials' })
      const origin = originOf(connection, environmentOf(headers), stopping)
      const guest = await counted(check(desk, credentials, origin), connection)
      known.set(connection, { digest, guest, until: systemClock.now() + TRUSTED_MS })
      return guest
    },
  }
}

/** How a sign-in that failed is counted, and who decided it. */
function refusalOf(error: unknown): [SignInOutcome, string] {
  if (!(error instanceof Fault)) return ['unknown', 'none']
  const plugin = String(error.detail['plugin'] ?? 'none')
  if (error.code === 'auth.required') return ['refused', plugin]
  return [error.code === 'auth.tooMany' ? 'limited' : 'unknown', plugin]
}

/**
 * Waits for a judgement, and keeps for the log what must not be read outside: why somebody was refused, which would
 * tell who has an account, and what failed, such as the database or a tenant's configuration. The latter is not her
 * fault: nobody could tell.
 */
async function decided<T>(judgement: Promise<T>, log: Log): Promise<T> {
  try {
    return await judgement
  } catch (cause) {
    if (cause instanceof Fault && cause.code === 'auth.required') {
      log.info('sign-in refused', { reason: cause.detail['reason'] })
      throw new Fault('auth.required', {}, { cause })
    }
    if (cause instanceof Fault && /^(auth|server)\./.test(cause.code)) throw cause
    const { message } = asFault(new Error('sign-in could not be decided', { cause }), log)
    throw new Fault('auth.unavailable', { reason: message }, { cause })
  }
}

function check(
  desk: SignInDesk,
  credentials: Credentials | undefined,
  origin: SignInOrigin,
): Promise<SignedIn> {
  switch (credentials?.scheme) {
    case 'basic':
      return desk.byPassword(credentials, origin)
    case 'bearer':
      return desk.byToken(credentials.token, origin)
    case undefined:
      return desk.byCertificate(origin)
  }
}

/** The judgement ends with the door, not with the client: equal credentials share one. */
function originOf(
  { address, certificate }: Connection,
  environment: ReadonlyMap<string, string>,
  signal: AbortSignal,
): SignInOrigin {
  return { address, environment, certificate, signal }
}
