import { sql } from 'kysely'
import type { AttemptRule } from '../model/attempt-rules.ts'
import type { Db } from './open.ts'

/** Whom a sign-in is counted against. */
export interface SignInSubject {
  readonly tenantId: number
  readonly login: string
  readonly address: string
}

/** What a sign-in was charged, to be given back. */
export interface SignInCharge {
  /** Seconds to wait, 0 for none; with any nothing was charged. */
  readonly seconds: number
  /** The count of user and address. */
  readonly pair: string
  /** All counts that it was added to. */
  readonly subjects: readonly string[]
}

/**
 * Counts a sign-in by user and address, by address, and by user; the last two not where she has been before. It is
 * counted by all of them, or, when one of them says wait, by none: who must wait does not make others wait.
 */
export async function chargeSignIn(
  db: Db,
  subject: SignInSubject,
  rules: Readonly<Record<'pair' | 'address' | 'user', AttemptRule>>,
): Promise<SignInCharge> {
  const { tenantId, login, address } = subject
  const pair = JSON.stringify(['pair', tenantId, login, address])
  // A flood of one user's attempts must not hold connections and locks that others need.
  const early = await secondsToWait(db, pair, rules.pair)
  if (early > 0) return { seconds: early, pair, subjects: [] }
  const wider = [
    [JSON.stringify(['address', address]), rules.address],
    [JSON.stringify(['user', tenantId, login]), rules.user],
  ] as const
  const counts = [[pair, rules.pair] as const, ...((await isKnownAddress(db, subject, address)) ? [] : wider)]
  const transaction = await db.startTransaction().execute()
  try {
    for (const [name, rule] of counts) {
      const seconds = await chargeAttempt(transaction, name, rule)
      if (seconds === 0) continue
      await transaction.rollback().execute()
      return { seconds, pair, subjects: [] }
    }
    await transaction.commit().execute()
    return { seconds: 0, pair, subjects: counts.map(([name]) => name) }
  } catch (error) {
    if (!transaction.isCommitted && !transaction.isRolledBack)
      await transaction
        .rollback()
        .execute()
        .catch(() => {})
    throw error
  }
}

/** Takes a sign-in off the counts; a success also clears that of user and address, and makes the address known. */
export async function refundSignIn(
  db: Db,
  subject: SignInSubject,
  { pair, subjects }: SignInCharge,
  succeeded: boolean,
): Promise<void> {
  await refundAttempts(
    db,
    subjects.filter((name) => !succeeded || name !== pair),
    succeeded ? [pair] : [],
  )
  if (succeeded) await rememberAddress(db, subject, subject.address)
}

/**
 * Counts an attempt against a subject, unless it must wait still. One statement: of a thousand at once each sees the
 * count of the one before.
 * @returns the seconds to wait, 0 for none.
 */
export async function chargeAttempt(db: Db, subject: string, rule: AttemptRule): Promise<number> {
  const charged = await sql`
    INSERT INTO ostler.sign_in_failure AS entry (subject, failures) VALUES (${subject}, 1)
    ON CONFLICT (subject) DO UPDATE SET last_at = clock_timestamp(),
      failures = CASE WHEN entry.last_at < now() - make_interval(secs => ${rule.forgetSeconds}) THEN 1
        ELSE entry.failures + 1 END
    WHERE entry.last_at + ${waitAfter(rule)} <= clock_timestamp() RETURNING failures`.execute(db)
  return charged.rows.length > 0 ? 0 : Math.max(1, await secondsToWait(db, subject, rule))
}

async function secondsToWait(db: Db, subject: string, rule: AttemptRule): Promise<number> {
  const { rows } = await sql<{ seconds: number }>`
    SELECT greatest(0, ceil(extract(epoch FROM last_at + ${waitAfter(rule)} - clock_timestamp())))::int AS seconds
    FROM ostler.sign_in_failure AS entry WHERE subject = ${subject}`.execute(db)
  return rows[0]?.seconds ?? 0
}

/** In the order of the rule's docstring; the exponent is bounded because power() overflows. */
function waitAfter({ free, firstSeconds, maxSeconds }: AttemptRule) {
  return sql`make_interval(secs => CASE WHEN entry.failures < ${free} THEN 0
    ELSE least(${maxSeconds}, ${firstSeconds} * power(2, least(20, entry.failures - ${free}))) END)`
}

/** Takes attempts back: one each, or all of them. */
export async function refundAttempts(db: Db, one: readonly string[], all: readonly string[]): Promise<void> {
  if (one.length > 0)
    await sql`UPDATE ostler.sign_in_failure SET failures = greatest(0, failures - 1)
      WHERE subject = ANY(${one})`.execute(db)
  if (all.length > 0) await sql`DELETE FROM ostler.sign_in_failure WHERE subject = ANY(${all})`.execute(db)
}

/** Says whether a user has signed in from an address before. */
export async function isKnownAddress(
  db: Db,
  user: { tenantId: number; login: string },
  address: string,
): Promise<boolean> {
  const { rows } = await sql`
    SELECT 1 FROM ostler.known_address
    WHERE tenant_id = ${user.tenantId} AND login = ${user.login} AND address = ${address}`.execute(db)
  return rows.length > 0
}

/** Remembers that a user has signed in from an address; written once a day at most. */
async function rememberAddress(
  db: Db,
  user: { tenantId: number; login: string },
  address: string,
): Promise<void> {
  await sql`
    INSERT INTO ostler.known_address AS known (tenant_id, login, address)
    VALUES (${user.tenantId}, ${user.login}, ${address})
    ON CONFLICT (tenant_id, login, address) DO UPDATE SET at = now()
    WHERE known.at < now() - interval '1 day'`.execute(db)
}
