import { sql } from 'kysely'
import type { AttemptRule } from '../model/attempt-rules.ts'
import type { Db } from './open.ts'

/**
 * Counts an attempt against a subject, unless it must wait still. One statement: of a thousand at once each sees the
 * count of the one before.
 * @returns the seconds to wait, 0 for none.
 */
export async function chargeAttempt(db: Db, subject: string, rule: AttemptRule): Promise<number> {
  const { rows } = await sql`
    INSERT INTO ostler.sign_in_failure AS entry (subject, failures) VALUES (${subject}, 1)
    ON CONFLICT (subject) DO UPDATE SET last_at = clock_timestamp(), failures = ${countOf(rule)}
    WHERE entry.last_at + ${waitOf(rule)} <= clock_timestamp() RETURNING failures`.execute(db)
  return rows.length > 0 ? 0 : Math.max(1, await attemptWait(db, subject, rule))
}

/** The seconds that a subject must wait still; 0 for none. */
export async function attemptWait(db: Db, subject: string, rule: AttemptRule): Promise<number> {
  const { rows } = await sql<{ seconds: number }>`
    SELECT greatest(0, ceil(extract(epoch FROM entry.last_at + ${waitOf(rule)} - clock_timestamp())))::int AS seconds
    FROM ostler.sign_in_failure AS entry WHERE subject = ${subject}`.execute(db)
  return rows[0]?.seconds ?? 0
}

/** Counts a failure against a subject, whether it must wait or not. */
export async function addFailure(db: Db, subject: string, rule: AttemptRule): Promise<void> {
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
export async function forgetAttempts(db: Db, subject: string): Promise<void> {
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
export async function rememberAddress(
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
