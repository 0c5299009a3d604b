import { sql } from 'kysely'
import { HOST_SILENT_SECONDS } from '../model/host.ts'
import { AT_REST, STARTING, type StartQueue } from '../model/start-queue.ts'
import { RESET_WISH } from '../model/wish.ts'
import { userOfDesktop } from './desktop-user.ts'
import type { Db } from './open.ts'

/** Reads, in one statement, everything on which the order of starts rests, as of now: a placing may have waited for its lock. */
export async function readStartQueue(db: Db): Promise<StartQueue> {
  const { rows } = await sql<StartQueue>`
    WITH open AS (
      SELECT vm_id, json_agg(json_build_object('number', number, 'kind', kind, 'interactive', interactive,
        'waitedMs', floor(extract(epoch FROM clock_timestamp() - at) * 1000))) AS wishes
      FROM ostler.wish WHERE closed_at IS NULL AND kind <> ${RESET_WISH}
        AND (expires_at IS NULL OR expires_at > clock_timestamp())
      GROUP BY vm_id),
    places AS (
      SELECT greatest(0, starting_max - count(vm.id)) AS free
      FROM ostler.host LEFT JOIN ostler.vm ON vm.host_id = host.id AND vm.state = ANY (${[...STARTING]})
      WHERE host.state = 'running' AND NOT host.blocked AND host.maintenance IS NULL
        AND seen_at > now() - make_interval(secs => ${HOST_SILENT_SECONDS})
      GROUP BY host.id)
    SELECT
      (SELECT CASE WHEN is_called THEN last_value ELSE 0 END::int FROM ostler.start_count) AS starts,
      (SELECT coalesce(sum(free), 0)::int FROM places) AS free,
      (SELECT coalesce(json_agg(${userOfDesktop}), '[]') FROM ostler.vm WHERE state = ANY (${[...STARTING]}))
        AS "startingUsers",
      (SELECT coalesce(json_agg(json_build_object('vmId', vm.id, 'userId', ${userOfDesktop}, 'held', vm.held,
          'wishes', open.wishes)), '[]')
        FROM open JOIN ostler.vm ON vm.id = open.vm_id WHERE vm.state = ANY (${[...AT_REST]})) AS waiting`.execute(
    db,
  )
  return rows[0] ?? { starts: 0, free: 0, startingUsers: [], waiting: [] }
}

/**
 * Says why a desktop cannot start yet, or that it can; those who wait for it hear of it.
 * @returns whether that is news.
 */
export async function holdVm(db: Db, vmId: number, reason: string | null): Promise<boolean> {
  const { rows } = await sql`
    WITH held AS (
      UPDATE ostler.vm SET held = ${reason}
      WHERE id = ${vmId} AND held IS DISTINCT FROM ${reason}::text RETURNING id)
    SELECT pg_notify('ostler_vm', id::text) FROM held`.execute(db)
  return rows.length > 0
}

/** Ends the wishes of those whose door no longer says that they wait. */
export async function closeLapsedWishes(db: Db): Promise<void> {
  await sql`
    UPDATE ostler.wish SET closed_at = now(), outcome = 'nobody waits any more'
    WHERE closed_at IS NULL AND expires_at <= now()`.execute(db)
}

/**
 * Adds the wish of a user who waits, and hints at it. It ends by itself after `seconds` unless it is renewed.
 * @returns its number.
 */
export async function addWaitingWish(
  db: Db,
  wish: { vmId: number; by: string; reason: string; seconds: number; connection: string | undefined },
): Promise<number> {
  const { rows } = await sql<{ number: number }>`
    WITH added AS (
      INSERT INTO ostler.wish (vm_id, kind, by, reason, connection, interactive, expires_at)
      VALUES (${wish.vmId}, 'run', ${wish.by}, ${wish.reason}, ${wish.connection ?? null}, true,
        now() + make_interval(secs => ${wish.seconds}))
      RETURNING vm_id, number)
    SELECT number, pg_notify('ostler_vm', vm_id::text) FROM added`.execute(db)
  return rows[0]?.number ?? 0
}

/** Says that the user still waits. */
export async function renewWaitingWish(db: Db, number: number, seconds: number): Promise<void> {
  await sql`
    UPDATE ostler.wish SET expires_at = now() + make_interval(secs => ${seconds})
    WHERE number = ${number} AND closed_at IS NULL`.execute(db)
}

/** Ends the wish of a user who has gone, if it is still open: what has begun goes on, what waits does not begin. */
export async function withdrawWish(db: Db, number: number): Promise<void> {
  await sql`
    WITH gone AS (
      UPDATE ostler.wish SET closed_at = now(), outcome = 'withdrawn'
      WHERE number = ${number} AND closed_at IS NULL RETURNING vm_id)
    SELECT pg_notify('ostler_vm', vm_id::text) FROM gone`.execute(db)
}
