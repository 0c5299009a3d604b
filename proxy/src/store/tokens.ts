import { sql } from 'kysely'
import type { Db } from './open.ts'
import { prepared } from './prepared.ts'
import { purgeSpent } from './spent-credentials.ts'
import { type UserRow, userRows } from './users.ts'

/** A single-use token is good again for its user from the same address: the C client needs two connections. */
const AGAIN_SECONDS = 60

/** What plugins said at a sign-in. */
export interface AuthParameters {
  readonly parameters: Readonly<Record<string, string>>
  readonly groups: readonly string[]
}

/** Keeps what plugins said, for `seconds`; returns its number. */
export async function saveAuthParameters(
  db: Db,
  userId: number,
  said: AuthParameters,
  seconds: number,
): Promise<number> {
  const { id } = await db
    .insertInto('user_auth_parameters')
    .values({
      user_id: userId,
      parameters: JSON.stringify(said.parameters),
      groups: JSON.stringify(said.groups),
      expires_at: sql`now() + make_interval(secs => ${seconds})`,
    })
    .returning('id')
    .executeTakeFirstOrThrow()
  return id
}

/** What was kept under a number for a user; `undefined` when it is too old or another's. */
export async function readAuthParameters(
  db: Db,
  userId: number,
  id: number,
): Promise<AuthParameters | undefined> {
  return await db
    .selectFrom('user_auth_parameters')
    .select(['parameters', 'groups'])
    .where('id', '=', id)
    .where('user_id', '=', userId)
    .where('expires_at', '>', sql<Date>`now()`)
    .executeTakeFirst()
}

/** A token as it is kept. */
export interface NewToken {
  /** SHA-256 of the token's text: the text itself is kept nowhere. */
  readonly digest: Buffer
  readonly userId: number
  readonly vmId?: number
  readonly parametersId?: number
  readonly multiUse: boolean
  readonly seconds: number
}

export async function addToken(db: Db, token: NewToken): Promise<void> {
  await db
    .insertInto('user_token')
    .values({
      digest: token.digest,
      user_id: token.userId,
      vm_id: token.vmId ?? null,
      parameters_id: token.parametersId ?? null,
      multi_use: token.multiUse,
      expires_at: sql`now() + make_interval(secs => ${token.seconds})`,
    })
    .execute()
}

/** Removes a token: nobody comes in with it any more. */
export async function removeToken(db: Db, digest: Buffer): Promise<void> {
  await db.deleteFrom('user_token').where('digest', '=', digest).execute()
}

/** Somebody who comes in with a token. */
export interface TokenHolder extends AuthParameters {
  readonly user: UserRow
  /** The only desktop that it opens. */
  readonly vmId: number | undefined
}

interface TokenRow extends UserRow {
  readonly vmId: number | null
  readonly parameters: AuthParameters['parameters'] | null
  readonly groups: AuthParameters['groups'] | null
}

/**
 * A token, its user and what plugins said of her, in one statement. One for many uses is only read: whatever is
 * written waits for the disk.
 */
const tokenOf = prepared<{ digest: Buffer; address: string }, TokenRow>(
  (db, { digest, address }) => sql<TokenRow>`
    WITH taken AS (
      UPDATE ostler.user_token
        SET taken_at = coalesce(taken_at, now()), taken_from = coalesce(taken_from, ${address})
      WHERE digest = ${digest} AND expires_at > now() AND NOT multi_use AND (taken_at IS NULL
        OR (taken_from = ${address} AND taken_at > now() - make_interval(secs => ${sql.lit(AGAIN_SECONDS)})))
      RETURNING user_id, vm_id, parameters_id),
    token AS (
      SELECT user_id, vm_id, parameters_id FROM taken UNION ALL
      SELECT user_id, vm_id, parameters_id FROM ostler.user_token
      WHERE digest = ${digest} AND expires_at > now() AND multi_use)
    SELECT holder.*, token.vm_id AS "vmId", said.parameters, said.groups
    FROM token JOIN ${userRows(db).as('holder')} ON holder.id = token.user_id
    LEFT JOIN ostler.user_auth_parameters AS said
      ON said.id = token.parameters_id AND said.user_id = token.user_id AND said.expires_at > now()`,
)

/** Finds a token that is not too old and takes it; an expired one is removed (C-21). */
export async function takeToken(db: Db, digest: Buffer, address: string): Promise<TokenHolder | undefined> {
  const [row] = (await tokenOf(db, { digest, address })).rows
  if (row !== undefined) {
    const { vmId, parameters, groups, ...user } = row
    return { user, vmId: vmId ?? undefined, parameters: parameters ?? {}, groups: groups ?? [] }
  }
  await db
    .deleteFrom('user_token')
    .where('digest', '=', digest)
    .where('expires_at', '<=', sql<Date>`now()`)
    .execute()
  return undefined
}

/** Removes what is too old for anybody: tokens, parameters, spent credentials, pairings, states and counts of failures. */
export async function purgeSignIns(db: Db): Promise<void> {
  await db
    .deleteFrom('user_token')
    .where('expires_at', '<=', sql<Date>`now()`)
    .execute()
  await db
    .deleteFrom('user_auth_parameters')
    .where('expires_at', '<=', sql<Date>`now()`)
    .execute()
  await purgeSpent(db)
  await sql`DELETE FROM ostler.pairing WHERE expires_at <= now()`.execute(db)
  await sql`DELETE FROM ostler.spent_state WHERE expires_at <= now()`.execute(db)
  await sql`DELETE FROM ostler.sign_in_failure WHERE last_at < now() - interval '1 hour'`.execute(db)
  await sql`DELETE FROM ostler.known_address WHERE at < now() - interval '60 days'`.execute(db)
}
