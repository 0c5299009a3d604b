import { sql } from 'kysely'
import type { SeatState } from '../model/seat.ts'
import type { Db } from './open.ts'

/** A connection's claim on a desktop, and the door that made it. */
export interface Seat {
  readonly vmId: number
  readonly epoch: number
  readonly door: string
}

/** How a seat came to be somebody else's, or nobody's. */
export interface SeatLoss {
  /** Who has claimed it since, in words. */
  readonly label: string
  /** Who has ended it, when nobody has claimed it since. */
  readonly endedBy: string | null
}

/** So long a seat of a door that is heard of no more counts as taken. */
const LEASE = sql`interval '15 seconds'`
/** What is left of a lease when it is renewed. */
const RENEW_BELOW = sql`interval '10 seconds'`

/** QVD's `user_state` of a row of `ostler.seat`, which may be missing. A lease that has run out counts as left. */
export const userState = sql<SeatState>`
  CASE WHEN seat.lease_until > now() THEN seat.state ELSE 'disconnected' END`

/**
 * Takes the seat of a desktop, whoever has it: one statement, so of many simultaneous claims the last one has it
 * and each earlier holder finds its epoch gone.
 *
 * @returns the seat with its new epoch, and who was displaced.
 */
export async function claimSeat(
  db: Db,
  vmId: number,
  door: string,
  label: string,
): Promise<{ seat: Seat; displaced: string | undefined }> {
  const { rows } = await sql<{ epoch: number; displaced: string | null }>`
    WITH claimed AS (
      INSERT INTO ostler.seat (vm_id, epoch, state, door, label, lease_until)
      VALUES (${vmId}, 1, 'connecting', ${door}, ${label}, now() + ${LEASE})
      ON CONFLICT (vm_id) DO UPDATE SET epoch = seat.epoch + 1, state = excluded.state, door = excluded.door,
        label = excluded.label, since = now(), lease_until = excluded.lease_until, ended_by = NULL,
        displaced = CASE WHEN ${userState} <> 'disconnected' THEN seat.label END
      RETURNING vm_id, epoch, displaced)
    SELECT epoch, displaced, pg_notify('ostler_seat', vm_id::text) FROM claimed`.execute(db)
  const row = rows[0]
  if (row === undefined) throw new Error('a claim without an answer')
  return { seat: { vmId, epoch: row.epoch, door }, displaced: row.displaced ?? undefined }
}

/** Says that the display shows. Returns false when the seat is no longer this one. */
export async function occupySeat(db: Db, seat: Seat): Promise<boolean> {
  const { numAffectedRows } = await sql`
    UPDATE ostler.seat SET state = 'connected', lease_until = now() + ${LEASE}
    WHERE vm_id = ${seat.vmId} AND epoch = ${seat.epoch} AND door = ${seat.door}`.execute(db)
  return numAffectedRows === 1n
}

/** Which of some seats are lost, by the number of the desktop. Reads only, so nothing that is locked delays it. */
export async function lostSeats(db: Db, seats: readonly Seat[]): Promise<Map<number, SeatLoss>> {
  if (seats.length === 0) return new Map()
  const { rows } = await sql<{ vmId: number } & SeatLoss>`
    SELECT vm_id AS "vmId", label, ended_by AS "endedBy" FROM ostler.seat
    JOIN unnest(${numbers(seats)}::int[], ${epochs(seats)}::int[]) AS mine (vm_id, epoch) USING (vm_id)
    WHERE seat.epoch > mine.epoch`.execute(db)
  return new Map(rows.map(({ vmId, ...loss }) => [vmId, loss]))
}

/**
 * Renews the leases of a door's seats that run out soon. A seat that was taken for left meanwhile, because its door
 * was silent for longer than a lease, is its own again as long as nobody else has claimed it.
 */
export async function renewSeats(
  db: Db,
  door: string,
  held: readonly { readonly seat: Seat; readonly state: SeatState }[],
): Promise<void> {
  if (held.length === 0) return
  const seats = held.map(({ seat }) => seat)
  const states = held.map(({ state }) => state)
  await sql`
    UPDATE ostler.seat SET lease_until = now() + ${LEASE},
      state = CASE WHEN seat.state = 'disconnected' THEN due.state ELSE seat.state END
    FROM (
      SELECT vm_id, mine.state FROM ostler.seat
      JOIN unnest(${numbers(seats)}::int[], ${epochs(seats)}::int[], ${states}::text[])
        AS mine (vm_id, epoch, state) USING (vm_id)
      WHERE seat.epoch = mine.epoch AND door = ${door} AND lease_until < now() + ${RENEW_BELOW}
      FOR UPDATE OF seat SKIP LOCKED) AS due
    WHERE seat.vm_id = due.vm_id`.execute(db)
}

/** Frees the seats whose doors are heard of no more. They stay these doors' own until somebody claims them. */
export async function freeLapsedSeats(db: Db): Promise<number[]> {
  const { rows } = await sql<{ vm_id: number }>`
    UPDATE ostler.seat SET state = 'disconnected' WHERE vm_id IN (
      SELECT vm_id FROM ostler.seat WHERE state <> 'disconnected' AND lease_until < now() FOR UPDATE SKIP LOCKED)
    RETURNING vm_id`.execute(db)
  return rows.map((row) => row.vm_id)
}

/** Gives seats back, those that still are what they were. */
export async function releaseSeats(db: Db, seats: readonly Seat[]): Promise<void> {
  if (seats.length === 0) return
  const doors = seats.map((seat) => seat.door)
  await sql`
    UPDATE ostler.seat SET state = 'disconnected', door = NULL, lease_until = now()
    FROM unnest(${numbers(seats)}::int[], ${epochs(seats)}::int[], ${doors}::text[]) AS mine (vm_id, epoch, door)
    WHERE seat.vm_id = mine.vm_id AND seat.epoch = mine.epoch AND seat.door = mine.door`.execute(db)
}

/**
 * Ends whoever sits at a desktop, as an administrator wishes; her door hears of it at once.
 * @returns who sat there, or `undefined` when nobody did.
 */
export async function disconnectSeat(db: Db, vmId: number, by: string): Promise<string | undefined> {
  const { rows } = await sql<{ label: string; state: SeatState }>`
    WITH held AS (
      SELECT vm_id, label, ${userState} AS state FROM ostler.seat
      WHERE vm_id = ${vmId} AND door IS NOT NULL FOR UPDATE),
    ended AS (
      UPDATE ostler.seat SET epoch = epoch + 1, state = 'disconnected', door = NULL, ended_by = ${by},
        lease_until = now(), disconnects = disconnects + 1
      FROM held WHERE seat.vm_id = held.vm_id RETURNING seat.vm_id, held.label, held.state)
    SELECT label, state, pg_notify('ostler_seat', vm_id::text) FROM ended`.execute(db)
  const row = rows[0]
  return row === undefined || row.state === 'disconnected' ? undefined : row.label
}

/** Who sits at a desktop now; `undefined` when nobody does. */
export async function readSeat(
  db: Db,
  vmId: number,
): Promise<{ state: SeatState; label: string; door: string; since: Date } | undefined> {
  const row = await db
    .selectFrom('seat')
    .select([userState.as('state'), 'label', 'door', 'since'])
    .where('vm_id', '=', vmId)
    .executeTakeFirst()
  return row === undefined || row.state === 'disconnected' ? undefined : { ...row, door: row.door ?? '' }
}

function numbers(seats: readonly Seat[]): number[] {
  return seats.map((seat) => seat.vmId)
}

function epochs(seats: readonly Seat[]): number[] {
  return seats.map((seat) => seat.epoch)
}
