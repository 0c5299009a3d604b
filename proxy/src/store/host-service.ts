import { sql } from 'kysely'
import type { HostClocks, SilentHost } from '../model/host-lease.ts'
import type { HostState } from '../model/host.ts'
import { AT_REST } from '../model/start-queue.ts'
import { ONE_TIME_WISHES } from '../model/wish.ts'
import type { Db } from './open.ts'
import { transact } from './transact.ts'

/** Where a node's hkd is asked by those of others. */
export interface PeerPlace {
  readonly address: string
  readonly port: number
}

/** In which state a node's row is. */
export async function hostState(db: Db, id: number): Promise<HostState> {
  const row = await db.selectFrom('host').select('state').where('id', '=', id).executeTakeFirstOrThrow()
  return row.state
}

/**
 * A node comes into service: from here on others watch it. One that was in service and comes back to the same place has the standing
 * that it had, since all that knew it still do; any other one is new to them.
 *
 * @param from the state in which the row must be still.
 * @returns false when it is not: look again.
 */
export async function enterService(
  db: Db,
  id: number,
  from: HostState,
  { address, port }: PeerPlace,
  clocks: HostClocks,
): Promise<boolean> {
  return await transact(db, async (tx) => {
    // Standings become visible in their order: who has seen a higher one has seen all lower ones.
    await sql`SELECT pg_advisory_xact_lock(hashtext('ostler.standing'))`.execute(tx)
    const { rows } = await sql`
      UPDATE ostler.host SET state = 'starting', seen_at = clock_timestamp(), told_standing = 0,
        lost_after_ms = ${clocks.lostAfterMs}, peer_address = ${address}, peer_port = ${port},
        standing = CASE
          WHEN standing > 0 AND state IN ('starting', 'running', 'stopping')
            AND (peer_address, peer_port) IS NOT DISTINCT FROM (${address}, ${port}::int)
          THEN standing ELSE nextval('ostler.standing') END
      WHERE id = ${id} AND state = ${from} RETURNING id`.execute(tx)
    return rows.length > 0
  })
}

/**
 * Somebody has told a desktop to stop, and its node had no time to obey: that it ends now is what was wished. Whoever wished it up
 * after that has a wish of her own.
 */
const toldDown = sql`EXISTS (SELECT FROM ostler.wish AS told WHERE told.vm_id = vm.id AND told.closed_at IS NULL
  AND told.kind = ANY (${[...ONE_TIME_WISHES.down]}))`

/** What was taken from a node that is lost. */
export interface TakenDesktops {
  /** Desktops that were up or on their way, and are free now. */
  readonly freed: number
  /** Of these, those that are to run again at once. */
  readonly again: number
}

/**
 * Declares a node lost, if it is as it was seen and this node is not lost itself: its desktops are at rest from here on, and those
 * that were up are wished up again where a home of theirs does not lie on that node alone. One transaction, and one hint.
 *
 * @param by number and standing of the node that declares it.
 * @returns `undefined` when somebody else has, or the node has said something meanwhile.
 */
export async function declareLost(
  db: Db,
  by: { readonly id: number; readonly standing: number },
  lost: SilentHost,
): Promise<TakenDesktops | undefined> {
  return await transact(db, async (tx) => {
    const { rows: declared } = await sql`
      UPDATE ostler.host SET state = 'lost'
      WHERE id = ${lost.id} AND state IN ('starting', 'running', 'stopping')
        AND extract(epoch FROM seen_at)::text = ${lost.seen} AND told_standing >= ${by.standing}
        AND EXISTS (SELECT FROM ostler.host AS me WHERE me.id = ${by.id} AND me.state <> 'lost')
      RETURNING id`.execute(tx)
    return declared.length === 0 ? undefined : await takeDesktops(tx, lost)
  })
}

/**
 * An administrator has made sure that a node is off: what `declareLost` does, whatever was seen of it.
 * @returns `undefined` when the node is not in service, or was declared lost already.
 */
export async function confirmLost(db: Db, name: string): Promise<TakenDesktops | undefined> {
  return await transact(db, async (tx) => {
    const { rows } = await sql<{ id: number }>`
      UPDATE ostler.host SET state = 'lost' WHERE name = ${name} AND state <> 'lost' RETURNING id`.execute(tx)
    const [host] = rows
    return host === undefined ? undefined : await takeDesktops(tx, { id: host.id, name })
  })
}

/** Desktops of a node were ended that were up or on their way, by nobody's wish: they are wished up again. */
export async function wishUpAgain(db: Db, hostId: number): Promise<void> {
  await sql`
    WITH wished AS (
      INSERT INTO ostler.wish (vm_id, kind, by, reason, persistent)
      SELECT id, 'run', 'node', 'its node was cut off', true FROM ostler.vm
      WHERE host_id = ${hostId} AND state IN ('preparing', 'booting', 'running') AND NOT ${toldDown}
      RETURNING vm_id)
    SELECT pg_notify('ostler_vm', 'all') FROM wished LIMIT 1`.execute(db)
}

async function takeDesktops(
  tx: Db,
  host: { readonly id: number; readonly name: string },
): Promise<TakenDesktops> {
  const reason = `node ${host.name} is lost`
  const { rows } = await sql<TakenDesktops>`
    WITH taken AS (
      SELECT vm.id, vm.state, vm.epoch, EXISTS (SELECT FROM ostler.home
          WHERE writer_vm = vm.id AND home.host_id = ${host.id}) AS bound, ${toldDown} AS down
      FROM ostler.vm WHERE vm.host_id = ${host.id} AND vm.state <> ALL (${[...AT_REST]}) FOR UPDATE OF vm),
    logged AS (
      INSERT INTO ostler.vm_log (vm_id, epoch, event, prior, state, fault)
      SELECT id, epoch, 'hostLost', state, 'lost', ${reason} FROM taken WHERE state <> 'lost'),
    wished AS (
      INSERT INTO ostler.wish (vm_id, kind, by, reason, persistent)
      SELECT id, 'run', 'node', ${reason}, true FROM taken
      WHERE state IN ('preparing', 'booting', 'running') AND NOT bound AND NOT down RETURNING vm_id),
    marked AS (
      UPDATE ostler.vm SET prior = vm.state, state = 'lost', state_since = clock_timestamp()
      FROM taken WHERE vm.id = taken.id AND vm.state <> 'lost')
    SELECT (SELECT count(*)::int FROM taken) AS freed, (SELECT count(*)::int FROM wished) AS again`.execute(
    tx,
  )
  await sql`
    WITH rested AS (
      UPDATE ostler.vm SET prior = 'lost', state = 'stopped', state_since = clock_timestamp(), host_id = NULL,
        agent_at = NULL, agent_verdict = NULL, agent_said = NULL, agent_since = NULL, disk_image_id = NULL,
        expire_soft = NULL, expire_hard = NULL, expiry_told_at = NULL
      WHERE host_id = ${host.id} AND state = 'lost' RETURNING id, epoch),
    freed AS (
      UPDATE ostler.home SET writer_vm = NULL, writer_epoch = NULL, writer_host = NULL, writer_since = NULL
      FROM rested WHERE writer_vm = rested.id)
    INSERT INTO ostler.vm_log (vm_id, epoch, event, prior, state)
    SELECT id, epoch, 'exited', 'lost', 'stopped' FROM rested`.execute(tx)
  await sql`SELECT pg_notify('ostler_vm', 'all'), pg_notify('ostler_host', ${String(host.id)})`.execute(tx)
  return rows[0] ?? { freed: 0, again: 0 }
}
