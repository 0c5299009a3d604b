import { sql } from 'kysely'
import type { Db } from './open.ts'

/** A connection's claim on a desktop. */
export interface Seat {
  readonly vmId: number
  readonly epoch: number
}

const LEASE = sql`interval '15 seconds'`

/**
 * Takes the seat of a desktop, whoever has it: one statement, so of many simultaneous claims the last one has it
 * and each earlier holder finds its epoch gone.
 *
 * @returns the new epoch.
 */
export async function claimSeat(db: Db, vmId: number, holder: string, label: string): Promise<Seat> {
  const { rows } = await sql<{ epoch: number }>`
    WITH claimed AS (
      INSERT INTO ostler.seat (vm_id, epoch, holder, label, lease_until)
      VALUES (${vmId}, 1, ${holder}, ${label}, now() + ${LEASE})
      ON CONFLICT (vm_id) DO UPDATE SET epoch = seat.epoch + 1, holder = excluded.holder, label = excluded.label,
        lease_until = excluded.lease_until
      RETURNING vm_id, epoch)
    SELECT epoch, pg_notify('ostler_seat', vm_id::text) FROM claimed`.execute(db)
  return { vmId, epoch: rows[0]?.epoch ?? 0 }
}

/**
 * Renews the leases of some seats.
 * @returns for each seat that is no longer ours, the label of who has it.
 */
export async function renewSeats(db: Db, seats: readonly Seat[]): Promise<Map<number, string>> {
  if (seats.length === 0) return new Map()
  const mine = sql.join(seats.map((seat) => sql`(${seat.vmId}::int, ${seat.epoch}::int)`))
  const { rows } = await sql<{ vm_id: number; label: string; ours: boolean }>`
    WITH renewed AS (
      UPDATE ostler.seat SET lease_until = now() + ${LEASE} WHERE (vm_id, epoch) IN (${mine}) RETURNING vm_id)
    SELECT vm_id, label, vm_id IN (SELECT vm_id FROM renewed) AS ours FROM ostler.seat
    WHERE vm_id = ANY(${seats.map((seat) => seat.vmId)})`.execute(db)
  return new Map(rows.filter((row) => !row.ours).map((row) => [row.vm_id, row.label]))
}

/** Gives a seat back, if it still is ours. */
export async function releaseSeat(db: Db, seat: Seat): Promise<void> {
  await sql`UPDATE ostler.seat SET holder = NULL, lease_until = now()
    WHERE vm_id = ${seat.vmId} AND epoch = ${seat.epoch}`.execute(db)
}
