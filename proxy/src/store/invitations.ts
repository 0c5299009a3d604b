import { Fault } from '@ostler/contract/fault.ts'
import { sql } from 'kysely'
import { JOIN_ROLE } from '../model/invitation.ts'
import type { DatabaseAddress, Db } from './open.ts'
import { withClient } from './single-client.ts'

/**
 * Keeps what an invited node will be given. A node that was never in service takes no desktops until it has been tried; another
 * invitation of the same node is void from here on.
 *
 * @throws Fault `object.unknown` for a node that nobody has added.
 */
export async function addInvitation(
  db: Db,
  invited: {
    readonly node: string
    readonly digest: Buffer
    readonly sealed: string
    readonly hours: number
  },
): Promise<void> {
  const { node, digest, sealed, hours } = invited
  const { rows } = await sql`
    WITH invited AS (
      UPDATE ostler.host SET blocked = blocked OR standing = 0 WHERE name = ${node} RETURNING id)
    INSERT INTO ostler.host_invitation (host_id, digest, sealed, expires_at)
    SELECT id, ${digest}, ${sealed}, now() + make_interval(hours => ${hours}) FROM invited
    ON CONFLICT (host_id) DO UPDATE
      SET digest = excluded.digest, sealed = excluded.sealed, made_at = now(), expires_at = excluded.expires_at
    RETURNING host_id`.execute(db)
  if (rows.length === 0) throw new Fault('object.unknown', { kind: 'host', name: node })
  await sql`GRANT USAGE ON SCHEMA ostler TO ${sql.id(JOIN_ROLE)}`.execute(db)
  await sql`GRANT EXECUTE ON FUNCTION ostler.take_invitation(bytea) TO ${sql.id(JOIN_ROLE)}`.execute(db)
}

/**
 * Takes an invitation, which is gone from then on.
 * @param address as `JOIN_ROLE`.
 * @returns what it holds, sealed; `undefined` when there is no such one, it was taken, or its time is over.
 * @throws Fault `database.unavailable`.
 */
export async function takeInvitation(address: DatabaseAddress, digest: Buffer): Promise<string | undefined> {
  try {
    return await withClient(address, 'ostler join', async (client) => {
      const text = 'SELECT ostler.take_invitation($1) AS sealed'
      const { rows } = await client.query<{ sealed: string | null }>(text, [digest])
      return rows[0]?.sealed ?? undefined
    })
  } catch (cause) {
    const reason = `${address.host}:${address.port}: ${cause instanceof Error ? cause.message : String(cause)}`
    throw new Fault('database.unavailable', { reason }, { cause })
  }
}

/** A node that has joined was tried and is fit for desktops. */
export async function admitHost(db: Db, node: string): Promise<void> {
  await sql`UPDATE ostler.host SET blocked = false WHERE name = ${node} AND standing = 0`.execute(db)
}
