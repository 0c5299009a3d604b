import type { Log } from '@ostler/kit/log.ts'
import type { AttemptBook, AttemptSubject } from '../auth/attempts.ts'
import { Chains } from '../auth/chains.ts'
import { PasswordDesk } from '../auth/password-desk.ts'
import type { SignInRecords } from '../auth/records.ts'
import type { AuthValues } from '../auth/registry.ts'
import { SignInDesk } from '../auth/sign-in.ts'
import { attemptRules } from '../model/attempt-rules.ts'
import { configurationStamp, readConfiguration } from '../store/configuration.ts'
import type { Db } from '../store/open.ts'
import { chargeAttempt, isKnownAddress, refundAttempts, rememberAddress } from '../store/sign-in-attempts.ts'
import { spendCredential } from '../store/spent-credentials.ts'
import { takeToken } from '../store/tokens.ts'
import { findTenant, findUser, findUserById, readUserProperty, replaceHash } from '../store/users.ts'
import type { NodeConfigSource } from './node-config.ts'

/** Puts signing in together. @returns the desk, and what to call when the configuration may have changed. */
export async function openSignIn(
  db: Db,
  config: NodeConfigSource,
  log: Log,
): Promise<{ desk: SignInDesk; reload: () => Promise<void> }> {
  const records = signInRecords(db)
  const passwords = await PasswordDesk.open()
  const configurationOf = async (tenantId: number | undefined) => {
    const { values, texts } = config.over(await readConfiguration(db, tenantId))
    return { values, texts }
  }
  const chains = new Chains({ configurationOf, records, passwords, log })
  const chainOf = (tenantId: number | undefined) => chains.of(tenantId)
  const desk = new SignInDesk({
    records,
    attempts: attemptBook(db, config.over({}).values, log),
    passwords,
    chainOf,
    log,
  })
  let stamp = await configurationStamp(db)
  const reload = async (): Promise<void> => {
    const now = await configurationStamp(db)
    if (now !== stamp) chains.reload()
    stamp = now
  }
  return { desk, reload }
}

function signInRecords(db: Db): SignInRecords {
  return {
    tenantByName: (name) => findTenant(db, name),
    userByLogin: (tenantId, login) => findUser(db, tenantId, login),
    userById: (id) => findUserById(db, id),
    userProperty: (tenantId, login, key) => readUserProperty(db, tenantId, login, key),
    replaceHash: (userId, before, after) => replaceHash(db, userId, before, after),
    spend: (userId, kind, order, address) => spendCredential(db, userId, kind, order, address),
    takeToken: (digest, address) => takeToken(db, digest, address),
  }
}

/** Counts by user and address, by address, and by user; the last two not where she has been before. */
function attemptBook(db: Db, values: AuthValues, log: Log): AttemptBook {
  const rules = attemptRules({
    pair: values['l7r.auth.limit.pair'],
    address: values['l7r.auth.limit.address'],
    user: values['l7r.auth.limit.user'],
  })
  const names = ({ tenantId, login, address }: AttemptSubject) => ({
    pair: JSON.stringify(['pair', tenantId, login, address]),
    address: JSON.stringify(['address', address]),
    user: JSON.stringify(['user', tenantId, login]),
  })
  return {
    charge: async (subject) => {
      const name = names(subject)
      const isKnown = await isKnownAddress(db, subject, subject.address)
      const charged: string[] = []
      for (const kind of isKnown ? (['pair'] as const) : (['pair', 'address', 'user'] as const)) {
        const seconds = await chargeAttempt(db, name[kind], rules[kind])
        if (seconds > 0) {
          // It is not judged, so it is no failure of anybody.
          await refundAttempts(db, charged, [])
          return seconds
        }
        charged.push(name[kind])
      }
      return 0
    },
    refund: async (subject, succeeded) => {
      const { pair, address, user } = names(subject)
      try {
        // Where she is known these were not charged: else who has an account could take others' guesses off the count.
        const shared = (await isKnownAddress(db, subject, subject.address)) ? [] : [address, user]
        await refundAttempts(db, succeeded ? shared : [pair, ...shared], succeeded ? [pair] : [])
        if (succeeded) await rememberAddress(db, subject, subject.address)
      } catch (error) {
        log.warn('a sign-in could not be taken off the count', { error })
      }
    },
  }
}
