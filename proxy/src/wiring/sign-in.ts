import { systemClock } from '@ostler/kit/clock.ts'
import type { Log } from '@ostler/kit/log.ts'
import type { AttemptBook } from '../auth/attempts.ts'
import { Chains } from '../auth/chains.ts'
import { OidcDesk } from '../auth/oidc/oidc-desk.ts'
import { PasswordDesk } from '../auth/password-desk.ts'
import type { SignInRecords } from '../auth/records.ts'
import type { AuthValues } from '../auth/registry.ts'
import { SignInDesk } from '../auth/sign-in.ts'
import { attemptRules } from '../model/attempt-rules.ts'
import { configurationStamp, readConfiguration } from '../store/configuration.ts'
import type { Db } from '../store/open.ts'
import { provideFirstDesktop } from '../store/first-desktop.ts'
import type { AddressPool } from '../store/addresses.ts'
import { chargeSignIn, settleSignIn } from '../store/sign-in-attempts.ts'
import { spendCredential } from '../store/spent-credentials.ts'
import { takeToken } from '../store/tokens.ts'
import { findTenant, findUser, findUserById, readUserProperty, replaceHash } from '../store/users.ts'
import { laidOver } from './live-config.ts'
import type { NodeConfigSource } from './node-config.ts'
import { addressPool } from './node-parts.ts'

/** What signing in takes of the door: the certificate that it shows now, PEM, and a key that its doors share. */
export interface SignInOfDoor {
  readonly certificate: () => string | undefined
  readonly key: Buffer
  /** Where the desktop of a first sign-in gets its address; none: where the file says. */
  readonly pool?: AddressPool
}

/** Puts signing in together. @returns the desk, and what to call when the configuration may have changed. */
export async function openSignIn(
  db: Db,
  config: NodeConfigSource,
  log: Log,
  { certificate, key, pool }: SignInOfDoor,
): Promise<{ desk: SignInDesk; oidc: OidcDesk; reload: () => Promise<void> }> {
  const { values: own } = config.over({})
  const records = signInRecords(db, pool ?? addressPool(own))
  const passwords = await PasswordDesk.open()
  const configurationOf = async (tenantId: number | undefined) => {
    // A key of something else that cannot be is no reason to keep everybody out. One of sign-in is: without it, a second factor
    // might not be asked for.
    const rows = await readConfiguration(db, tenantId)
    const { values, texts } = laidOver(config, rows, log, (key) => /^(l7r\.)?auth\./.test(key))
    return { values, texts }
  }
  const chains = new Chains({ configurationOf, records, passwords, log })
  const chainOf = (tenantId: number | undefined) => chains.of(tenantId)
  const desk = new SignInDesk({
    records,
    attempts: attemptBook(db, own, log),
    passwords,
    key,
    chainOf,
    log,
  })
  const oidc = new OidcDesk({
    values: async () => (await configurationOf(undefined)).values,
    certificate,
    log,
    now: () => systemClock.now(),
  })
  let stamp = await configurationStamp(db)
  const reload = async (): Promise<void> => {
    const now = await configurationStamp(db)
    if (now !== stamp) {
      chains.reload()
      oidc.reload()
    }
    stamp = now
  }
  return { desk, oidc, reload }
}

function signInRecords(db: Db, pool: AddressPool): SignInRecords {
  return {
    tenantByName: (name) => findTenant(db, name),
    userByLogin: (tenantId, login) => findUser(db, tenantId, login),
    userById: (id) => findUserById(db, id),
    userProperty: (tenantId, login, key) => readUserProperty(db, tenantId, login, key),
    replaceHash: (userId, before, after) => replaceHash(db, userId, before, after),
    spend: (userId, kind, order, address) => spendCredential(db, userId, kind, order, address),
    takeToken: (digest, address) => takeToken(db, digest, address),
    provideFirstDesktop: (wanted) => provideFirstDesktop(db, wanted, pool),
  }
}

function attemptBook(db: Db, values: AuthValues, log: Log): AttemptBook {
  const rules = attemptRules({
    pair: values['l7r.auth.limit.pair'],
    address: values['l7r.auth.limit.address'],
    user: values['l7r.auth.limit.user'],
  })
  return {
    charge: (subject) => chargeSignIn(db, subject, rules),
    settle: (subject, charge, outcome) =>
      settleSignIn(db, subject, rules, charge, outcome).catch((error: unknown) =>
        log.warn('the count of failed sign-ins could not be kept', { error }),
      ),
  }
}
