import { Fault } from '@ostler/contract/fault.ts'
import { type Expression, type RawBuilder, sql } from 'kysely'
import type { SeatState } from '../model/seat.ts'
import type { Db } from './open.ts'
import { prepared } from './prepared.ts'

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

/** What the table's trigger says of a seat at somebody else's desktop (migrations/0022-pools.ts). */
const NOT_HERS = 'OSP01'
/** So long a seat of a door that is heard of no more counts as taken. */
const LEASE = sql`interval '15 seconds'`
/** What is left of a lease when it is renewed. */
const RENEW_BELOW = sql`interval '10 seconds'`

/** QVD's `user_state` of a row of `ostler.seat`, which may be missing. A lease that has run out counts as left. */
export const userState = sql<SeatState>`
  CASE WHEN seat.lease_until > now() THEN seat.state ELSE 'disconnected' END`

/** The same of a desktop, where seats are not joined. @param vmId an expression of its number. */
export function userStateOf(vmId: Expression<number>): RawBuilder<SeatState> {
  return sql`coalesce((SELECT ${userState} FROM ostler.seat WHERE seat.vm_id = ${vmId}), 'disconnected')`
}

interface ClaimRow {
  readonly epoch: number
  readonly displaced: string | null
}

const claim = prepared<Pick<Seat, 'vmId' | 'door'> & { label: string; userId: number | null }, ClaimRow>(
  (_, { vmId, door, label, userId }) => sql<ClaimRow>`
    WITH claimed AS (
      INSERT INTO ostler.seat (vm_id, epoch, state, door, label, user_id, lease_until)
      VALUES (${vmId}, 1, 'connecting', ${door}, ${label}, ${userId}::int, now() + ${LEASE})
      ON CONFLICT (vm_id) DO UPDATE SET epoch = seat.epoch + 1, state = excluded.state, door = excluded.door,
        label = excluded.label, user_id = excluded.user_id, since = now(), lease_until = excluded.lease_until, ended_by = NULL,
        displaced = CASE WHEN ${userState} <> 'disconnected' THEN seat.label END
      RETURNING vm_id, epoch, displaced)
    SELECT epoch, displaced, pg_notify('ostler_seat', vm_id::text) FROM claimed`,
)

/**
 * Takes the seat of a desktop, whoever has it: one statement, so of many simultaneous claims the last one has it
 * and each earlier holder finds its epoch gone.
 *
 * @param userId who claims it. A desktop of a pool has no seat for anybody but who has it.
 * @returns the seat with its new epoch, and who was displaced.
 * @throws Fault `desktop.notHers` for a desktop of a pool that is not hers, or no longer.
 */
export async function claimSeat(
  db: Db,
  vmId: number,
  door: string,
  label: string,
  userId: number | null = null,
): Promise<{ seat: Seat; displaced: string | undefined }> {
  const { rows } = await claim(db, { vmId, door, label, userId }).catch((cause: unknown) => {
    if ((cause as { code?: unknown }).code !== NOT_HERS) throw cause
    throw new Fault('desktop.notHers', { desktop: vmId }, { cause })
  })
  const [row] = rows
  if (row === undefined) throw new Error('a claim without an answer')
  return { seat: { vmId, epoch: row.epoch, door }, displaced: row.displaced ?? undefined }
}

const occupy = prepared<Seat & Record<string, unknown>, never>(
  (_, { vmId, epoch, door }) => sql<never>`
    UPDATE ostler.seat SET state = 'connected', lease_until = now() + ${LEASE}
    WHERE vm_id = ${vmId} AND epoch = ${epoch} AND door = ${door}`,
)

/** Says that the display shows. Returns false when the seat is no longer this one. */
export async function occupySeat(db: Db, seat: Seat): Promise<boolean> {
  return (await occupy(db, { ...seat })).changed === 1
}

const loss = prepared<Pick<Seat, 'vmId' | 'epoch'> & Record<string, unknown>, SeatLoss>(
  (_, { vmId, epoch }) => sql<SeatLoss>`
    SELECT label, ended_by AS "endedBy" FROM ostler.seat WHERE vm_id = ${vmId} AND epoch > ${epoch}`,
)

/** How one seat was lost, if it is. Reads only, so nothing that is locked delays it. */
export async function lossOfSeat(db: Db, { vmId, epoch }: Seat): Promise<SeatLoss | undefined> {
  return (await loss(db, { vmId, epoch })).rows[0]
}

/** The same of many seats, by the number of the desktop. */
export async function lostSeats(db: Db, seats: readonly Seat[]): Promise<Map<number, SeatLoss>> {
  if (seats.length === 0) return new Map()
  const { rows } = await sql<{ vmId: number } & SeatLoss>`
    SELECT vm_id AS "vmId", label, ended_by AS "endedBy" FROM ostler.seat
    JOIN unnest(${numbers(seats)}::int[], ${epochs(seats)}::int[]) AS mine (vm_id, epoch) USING (vm_id)
    WHERE seat.epoch > mine.epoch`.execute(db)
  return new Map(rows.map(({ vmId, ...loss }) => [vmId, loss]))
}

/**
 * Which of some shares of seats have ended, by their index: somebody else has the desktop, or whoever claimed the seat
 * has given it back. A seat of a door that is silent is still its own.
 */
export async function endedShares(
  db: Db,
  seats: readonly Omit<Seat, 'door'>[],
): Promise<Map<number, SeatLoss>> {
  if (seats.length === 0) return new Map()
  const { rows } = await sql<{ index: number } & SeatLoss>`
    SELECT (mine.index - 1)::int AS index, coalesce(label, '') AS label,
      CASE WHEN seat.epoch > mine.epoch THEN ended_by ELSE 'the client' END AS "endedBy"
    FROM unnest(${numbers(seats)}::int[], ${epochs(seats)}::int[]) WITH ORDINALITY AS mine (vm_id, epoch, index)
    LEFT JOIN ostler.seat USING (vm_id)
    WHERE seat.epoch IS DISTINCT FROM mine.epoch OR seat.door IS NULL`.execute(db)
  return new Map(rows.map(({ index, ...loss }) => [index, loss]))
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

const release = prepared<Seat & { endedBy: string | null } & Record<string, unknown>, never>(
  (_, { vmId, epoch, door, endedBy }) => sql<never>`
    UPDATE ostler.seat SET state = 'disconnected', door = NULL, lease_until = now(), ended_by = ${endedBy}
    WHERE vm_id = ${vmId} AND epoch = ${epoch} AND door = ${door}`,
)

/**
 * Gives a seat back, if it still is what it was.
 * @param endedBy what ended it on purpose; `null`: its connection has ended.
 */
export async function releaseSeat(db: Db, seat: Seat, endedBy: string | null = null): Promise<void> {
  await release(db, { ...seat, endedBy })
}

/** How the seat of a desktop stands: whose it is, and how it ended. `undefined` when nobody has ever sat there. */
export async function seatNow(
  db: Db,
  vmId: number,
): Promise<{ epoch: number; label: string; door: string | null; endedBy: string | null } | undefined> {
  return await db
    .selectFrom('seat')
    .select(['epoch', 'label', 'door', 'ended_by as endedBy'])
    .where('vm_id', '=', vmId)
    .executeTakeFirst()
}

/** The same with many seats. */
export async function releaseSeats(db: Db, seats: readonly Seat[]): Promise<void> {
  if (seats.length === 0) return
  const doors = seats.map((seat) => seat.door)
  await sql`
    UPDATE ostler.seat SET state = 'disconnected', door = NULL, lease_until = now()
    FROM unnest(${numbers(seats)}::int[], ${epochs(seats)}::int[], ${doors}::text[]) AS mine (vm_id, epoch, door)
    WHERE seat.vm_id = mine.vm_id AND seat.epoch = mine.epoch AND seat.door = mine.door`.execute(db)
}

/**
 * Ends whoever sits at a desktop, and all tunnels to it, as an administrator wishes; the doors hear of it at once.
 * @returns who sat there, or `undefined` when nobody did.
 */
export async function disconnectSeat(db: Db, vmId: number, by: string): Promise<string | undefined> {
  const { rows } = await sql<{ label: string | null; state: SeatState | null }>`
    WITH held AS (
      SELECT vm_id, label, ${userState} AS state FROM ostler.seat
      WHERE vm_id = ${vmId} AND door IS NOT NULL FOR UPDATE),
    ended AS (
      UPDATE ostler.seat SET epoch = epoch + 1, state = 'disconnected', door = NULL, ended_by = ${by},
        lease_until = now()
      FROM held WHERE seat.vm_id = held.vm_id RETURNING seat.vm_id, held.label, held.state),
    counted AS (UPDATE ostler.vm SET disconnects = disconnects + 1 WHERE id = ${vmId} RETURNING id)
    SELECT label, state, pg_notify('ostler_seat', id::text) FROM counted LEFT JOIN ended ON vm_id = id`.execute(
    db,
  )
  const row = rows[0]
  return row?.state === 'disconnected' ? undefined : (row?.label ?? undefined)
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

function numbers(seats: readonly Pick<Seat, 'vmId'>[]): number[] {
  return seats.map((seat) => seat.vmId)
}

function epochs(seats: readonly Pick<Seat, 'epoch'>[]): number[] {
  return seats.map((seat) => seat.epoch)
}
