import { sql } from 'kysely'
import type { Db } from './open.ts'
import { userState } from './seats.ts'

/** The property of a flavour, image, user or desktop that says after how many minutes a desktop that was left is stopped. */
export const STOP_PROPERTY = 'ostler.stop-after-disconnect'

/** Who wishes that. */
const BY = 'left'

/**
 * Wishes those desktops of a node to stop that nobody has come back to: counted from the end of the last seat, or for a
 * desktop of a pool from the moment since when somebody could have sat there. The clock is in the rows, so a restart of hkd
 * changes nothing, and whoever sits down again stops it. Where nothing says after how long, a desktop goes on for ever.
 *
 * @returns which, and after how many minutes.
 */
export async function stopLeftDesktops(db: Db, hostId: number): Promise<{ vmId: number; minutes: number }[]> {
  const { rows } = await sql<{ vmId: number; minutes: number }>`
    WITH said AS (
      SELECT vm.id, coalesce(pool.stop_minutes::text, (
          SELECT value FROM (
            SELECT 1 AS rank, value FROM ostler.vm_property WHERE vm_id = vm.id AND key = ${STOP_PROPERTY}
            UNION ALL SELECT 2, value FROM ostler.user_property
              WHERE user_id = coalesce(vm.assigned_user_id, vm.user_id) AND key = ${STOP_PROPERTY}
            UNION ALL SELECT 3, value FROM ostler.image_property WHERE image_id = vm.disk_image_id AND key = ${STOP_PROPERTY}
            UNION ALL SELECT 4, value FROM ostler.flavour_property WHERE flavour_id = vm.flavour_id AND key = ${STOP_PROPERTY}
          ) AS properties ORDER BY rank LIMIT 1)) AS minutes,
        CASE
          WHEN seat.vm_id IS NOT NULL AND ${userState} <> 'disconnected' THEN NULL
          WHEN vm.assigned_at IS NOT NULL
            THEN greatest(vm.assigned_at, vm.state_since, coalesce(seat.lease_until, '-infinity'))
          WHEN seat.lease_until > vm.state_since THEN seat.lease_until
        END AS left_at
      FROM ostler.vm LEFT JOIN ostler.pool ON pool.id = vm.pool_id LEFT JOIN ostler.seat ON seat.vm_id = vm.id
      WHERE vm.host_id = ${hostId} AND vm.state = 'running'
        AND (vm.pool_id IS NULL OR vm.assigned_user_id IS NOT NULL)),
    due AS (
      SELECT id, minutes::int AS minutes FROM said
      WHERE CASE WHEN minutes ~ '^[0-9]{1,6}$' THEN left_at < now() - make_interval(mins => minutes::int) ELSE false END
        AND NOT EXISTS (SELECT FROM ostler.wish WHERE vm_id = id AND closed_at IS NULL AND kind = 'stop')),
    wished AS (
      INSERT INTO ostler.wish (vm_id, kind, by, reason)
      SELECT id, 'stop', ${BY}, 'nobody came back within ' || minutes || ' minutes' FROM due RETURNING vm_id)
    SELECT id AS "vmId", minutes, pg_notify('ostler_vm', id::text)
    FROM due JOIN wished ON wished.vm_id = due.id`.execute(db)
  return rows.map(({ vmId, minutes }) => ({ vmId, minutes }))
}
