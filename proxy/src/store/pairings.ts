import { sql } from 'kysely'
import type { Db } from './open.ts'
import { transact } from './transact.ts'
import { addToken } from './tokens.ts'

/** A device that asks to be paired. Its codes are kept as digests only. */
export interface NewPairing {
  readonly deviceDigest: Buffer
  readonly userDigest: Buffer
  /** What the device says that it is. */
  readonly client: string
  readonly address: string
  readonly seconds: number
}

/** More that wait at once are an attack, and would fill the table. */
const MAX_WAITING = 10_000

/** @returns false when too many wait already, or when one of the codes is taken. */
export async function addPairing(db: Db, pairing: NewPairing): Promise<boolean> {
  const { deviceDigest, userDigest, client, address, seconds } = pairing
  // An expired row may still hold the code until the next purge.
  const { rows } = await sql`
    INSERT INTO ostler.pairing (device_digest, user_digest, client, address, expires_at)
    SELECT ${deviceDigest}, ${userDigest}, ${client}, ${address}, now() + make_interval(secs => ${seconds})
    WHERE (SELECT count(*) FROM ostler.pairing WHERE expires_at > now()) < ${MAX_WAITING}
    ON CONFLICT DO NOTHING RETURNING at`.execute(db)
  return rows.length > 0
}

/** Who asks with a code, while nobody has answered. */
export async function findPairing(
  db: Db,
  userDigest: Buffer,
): Promise<{ client: string; address: string; at: Date } | undefined> {
  return await db
    .selectFrom('pairing')
    .select(['client', 'address', 'at'])
    .where('user_digest', '=', userDigest)
    .where('state', '=', 'waiting')
    .where('expires_at', '>', sql<Date>`now()`)
    .executeTakeFirst()
}

/**
 * Answers a device that waits, once: of two answers at the same time one counts.
 * @param by who confirms, and what plugins said about her; `undefined` refuses.
 * @returns who asked; `undefined` when no device waits with this code.
 */
export async function answerPairing(
  db: Db,
  userDigest: Buffer,
  by: { readonly userId: number; readonly parametersId: number } | undefined,
): Promise<{ client: string; address: string } | undefined> {
  return await db
    .updateTable('pairing')
    .set({
      state: by === undefined ? 'refused' : 'confirmed',
      user_id: by?.userId ?? null,
      parameters_id: by?.parametersId ?? null,
    })
    .where('user_digest', '=', userDigest)
    .where('state', '=', 'waiting')
    .where('expires_at', '>', sql<Date>`now()`)
    .returning(['client', 'address'])
    .executeTakeFirst()
}

/** What a device is told that asks for its token. */
export type PairingAnswer = 'waiting' | 'confirmed' | 'refused' | 'expired' | 'too fast'

/**
 * Answers a device that asks whether it is confirmed. A confirmed one gets its token, once: the row goes.
 * @param token what to keep of the token, if there is to be one.
 */
export async function takePairing(
  db: Db,
  deviceDigest: Buffer,
  everySeconds: number,
  token: { readonly digest: Buffer; readonly seconds: number },
): Promise<PairingAnswer> {
  return await transact(db, async (transaction) => {
    const { rows } = await sql<{
      state: 'waiting' | 'confirmed' | 'refused'
      early: boolean
      userId: number | null
      parametersId: number | null
    }>`
      SELECT state, coalesce(polled_at > clock_timestamp() - make_interval(secs => ${everySeconds}), false) AS early,
        user_id AS "userId", parameters_id AS "parametersId"
      FROM ostler.pairing WHERE device_digest = ${deviceDigest} AND expires_at > now()
      FOR UPDATE`.execute(transaction)
    const [found] = rows
    if (found === undefined) return 'expired'
    if (found.early) return 'too fast'
    if (found.userId === null || found.parametersId === null) {
      await sql`UPDATE ostler.pairing SET polled_at = clock_timestamp()
        WHERE device_digest = ${deviceDigest}`.execute(transaction)
      return found.state
    }
    await transaction.deleteFrom('pairing').where('device_digest', '=', deviceDigest).execute()
    const { userId, parametersId } = found
    await addToken(transaction, { ...token, userId, parametersId, multiUse: true })
    return 'confirmed'
  })
}
