import { sql } from 'kysely'
import type { AttemptRule } from '../model/attempt-rules.ts'
import type { AttemptOutcome, AttemptSubject, Charge } from '../model/sign-in-attempt.ts'
import type { Db } from './open.ts'

/** So long equal credentials are the same attempt: clients repeat themselves. */
const SAME_SECONDS = 10

type SignInRules = Readonly<Record<'pair' | 'address' | 'user', AttemptRule>>

/**
 * Counts a sign-in of a user from an address before it is judged. Who must wait is not counted.
 *
 * Against an address, and against a user from anywhere, only what was wrong counts: an office in the morning is no
 * attack. Where she has signed in before these two do not slow her.
 */
export async function chargeSignIn(db: Db, subject: AttemptSubject, rules: SignInRules): Promise<Charge> {
  const { pair, address, user } = namesOf(subject)
  const waits = [await attemptWait(db, address, rules.address), await attemptWait(db, user, rules.user)]
  const longest = Math.max(...waits)
  if (longest > 0 && !(await isKnownAddress(db, subject))) return { seconds: longest, isAgain: false }
  return await chargeMarked(db, pair, rules.pair, subject.mark)
}

/** Says what became of a sign-in that was charged: she is in, it was wrong, or nobody could tell. */
export async function settleSignIn(
  db: Db,
  subject: AttemptSubject,
  rules: SignInRules,
  { isAgain }: Charge,
  outcome: AttemptOutcome,
): Promise<void> {
  const { pair, address, user } = namesOf(subject)
  switch (outcome) {
    case 'in':
      await forgetAttempts(db, pair)
      await rememberAddress(db, subject)
      break
    case 'wrong':
      // Her own mistakes where she is known are no attack either.
      if (isAgain || (await isKnownAddress(db, subject))) break
      await addFailure(db, address, rules.address)
      await addFailure(db, user, rules.user)
      break
    case 'unknown':
      if (!isAgain) await refundAttempt(db, pair)
  }
}

function namesOf({ tenantId, login, address }: AttemptSubject) {
  return {
    pair: JSON.stringify(['pair', tenantId, login, address]),
    address: JSON.stringify(['address', address]),
    user: JSON.stringify(['user', tenantId, login]),
  }
}

/**
 * Counts an attempt against a subject, unless it must wait still. One statement: of a thousand at once each sees the
 * count of the one before.
 * @returns the seconds to wait, 0 for none.
 */
export async function chargeAttempt(db: Db, subject: string, rule: AttemptRule): Promise<number> {
  return (await chargeMarked(db, subject, rule, null)).seconds
}

/** The same for an attempt with a mark: the mark that was counted a moment ago is not counted again. */
async function chargeMarked(
  db: Db,
  subject: string,
  rule: AttemptRule,
  mark: number | null,
): Promise<Charge> {
  const isSame = sql`coalesce(entry.mark = ${mark}::int
    AND entry.last_at > clock_timestamp() - make_interval(secs => ${SAME_SECONDS}), false)`
  const charged = await sql`
    INSERT INTO ostler.sign_in_failure AS entry (subject, failures, mark) VALUES (${subject}, 1, ${mark}::int)
    ON CONFLICT (subject) DO UPDATE SET last_at = clock_timestamp(), failures = ${countOf(rule)}, mark = excluded.mark
    WHERE entry.last_at + ${waitOf(rule)} <= clock_timestamp() AND NOT ${isSame} RETURNING failures`.execute(
    db,
  )
  if (charged.rows.length > 0) return { seconds: 0, isAgain: false }
  const { rows } = await sql<{ same: boolean }>`
    SELECT ${isSame} AS same FROM ostler.sign_in_failure AS entry WHERE subject = ${subject}`.execute(db)
  if (rows[0]?.same === true) return { seconds: 0, isAgain: true }
  return { seconds: Math.max(1, await attemptWait(db, subject, rule)), isAgain: false }
}

/** The seconds that a subject must wait still; 0 for none. */
async function attemptWait(db: Db, subject: string, rule: AttemptRule): Promise<number> {
  const { rows } = await sql<{ seconds: number }>`
    SELECT greatest(0, ceil(extract(epoch FROM entry.last_at + ${waitOf(rule)} - clock_timestamp())))::int AS seconds
    FROM ostler.sign_in_failure AS entry WHERE subject = ${subject}`.execute(db)
  return rows[0]?.seconds ?? 0
}

/** Counts a failure against a subject, whether it must wait or not. */
async function addFailure(db: Db, subject: string, rule: AttemptRule): Promise<void> {
  await sql`
    INSERT INTO ostler.sign_in_failure AS entry (subject, failures) VALUES (${subject}, 1)
    ON CONFLICT (subject) DO UPDATE SET last_at = clock_timestamp(), failures = ${countOf(rule)}`.execute(db)
}

/** Takes one attempt of a subject back. */
export async function refundAttempt(db: Db, subject: string): Promise<void> {
  await sql`UPDATE ostler.sign_in_failure SET failures = greatest(0, failures - 1)
    WHERE subject = ${subject}`.execute(db)
}

/** Begins the count of a subject anew. */
async function forgetAttempts(db: Db, subject: string): Promise<void> {
  await db.deleteFrom('sign_in_failure').where('subject', '=', subject).execute()
}

/** The count with one more; the exponent of the wait is bounded because power() overflows. */
function countOf({ forgetSeconds }: AttemptRule) {
  return sql`CASE WHEN entry.last_at < now() - make_interval(secs => ${forgetSeconds}) THEN 1
    ELSE entry.failures + 1 END`
}

function waitOf({ free, firstSeconds, maxSeconds }: AttemptRule) {
  return sql`make_interval(secs => CASE WHEN entry.failures < ${free}::int THEN 0
    ELSE least(${maxSeconds}::int, ${firstSeconds}::int * power(2, least(20, entry.failures - ${free}::int))) END)`
}

/** Says whether a user has signed in from an address before. */
export async function isKnownAddress(db: Db, { tenantId, login, address }: AttemptSubject): Promise<boolean> {
  const { rows } = await sql`
    SELECT 1 FROM ostler.known_address
    WHERE tenant_id = ${tenantId} AND login = ${login} AND address = ${address}`.execute(db)
  return rows.length > 0
}

/** Remembers that a user has signed in from an address; written once a day at most. */
async function rememberAddress(db: Db, { tenantId, login, address }: AttemptSubject): Promise<void> {
  await sql`
    INSERT INTO ostler.known_address AS known (tenant_id, login, address)
    VALUES (${tenantId}, ${login}, ${address})
    ON CONFLICT (tenant_id, login, address) DO UPDATE SET at = now()
    WHERE known.at < now() - interval '1 day'`.execute(db)
}
