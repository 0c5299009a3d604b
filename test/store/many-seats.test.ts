import {
  claimSeat,
  freeLapsedSeats,
  lossOfSeat,
  lostSeats,
  releaseSeat,
  releaseSeats,
  renewSeats,
  type Seat,
} from '@ostler/proxy/store/seats.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { PreparingClient } from '@ostler/proxy/store/prepared.ts'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'
import { addTestFlavour, addTestUser } from '../fixtures/database-rows.ts'

/** As many as a door may have. */
const SEATS = 5_000
const DOOR = 'node/1'
let database: TestDatabase
let db: Db
let seats: Seat[]

beforeAll(async () => {
  database = await openTestDatabase()
  db = database.as('l7r')
  const hkd = database.as('hkd')
  const [userId, flavourId] = [await addTestUser(hkd), await addTestFlavour(hkd)]
  const { rows } = await sql<{ id: number }>`
    INSERT INTO ostler.vm (name, user_id, flavour_id, address)
    SELECT 'vm' || n, ${userId}, ${flavourId}, 'address' || n FROM generate_series(1, ${SEATS}) AS n
    RETURNING id`.execute(hkd)
  await sql`
    INSERT INTO ostler.seat (vm_id, epoch, state, door, label, lease_until)
    SELECT id, 1, 'connected', ${DOOR}, 'somebody', now() + interval '5 seconds' FROM ostler.vm`.execute(hkd)
  seats = rows.map(({ id }) => ({ vmId: id, epoch: 1, door: DOOR }))
})
afterAll(() => database[Symbol.asyncDispose]())

/** The driver's own connection, below what we have put upon it. */
const driver = Object.getPrototypeOf(PreparingClient.prototype) as { query(...args: unknown[]): unknown }
const query = Reflect.get<typeof driver, 'query'>(driver, 'query')

/** Says of each statement from now on how many parameters it had. */
function countParameters(): number[] {
  const counts: number[] = []
  const looking = vi.spyOn(driver, 'query').mockImplementation(function (this: unknown, ...asked) {
    const [first, second] = asked as [string | { values?: unknown[] }, unknown[]?]
    counts.push((typeof first === 'string' ? second : first.values)?.length ?? 0)
    return Reflect.apply(query, this, asked)
  })
  onTestFinished(() => looking.mockRestore())
  return counts
}

const leases = async (): Promise<number> => {
  const { rows } = await sql<{ count: number }>`
    SELECT count(*)::int AS count FROM ostler.seat WHERE lease_until > now() + interval '10 seconds'`.execute(
    db,
  )
  return rows[0]?.count ?? 0
}

test('one look and one renewal of 5,000 seats are three statements, each of few parameters', async () => {
  const asked = countParameters()
  expect(await lostSeats(db, seats)).toEqual(new Map())
  await renewSeats(
    db,
    DOOR,
    seats.map((seat) => ({ seat, state: 'connected' })),
  )
  expect(await freeLapsedSeats(db)).toEqual([])
  expect(asked).toEqual([2, 4, 0])
  expect(await leases()).toBe(SEATS)
})

test('of 5,000 seats the one is found that somebody else has claimed, and the others stay', async () => {
  const [mine] = seats
  await claimSeat(db, mine?.vmId ?? 0, 'node/2', 'the other one')
  const loss = { label: 'the other one', endedBy: null }
  expect(await lostSeats(db, seats)).toEqual(new Map([[mine?.vmId, loss]]))
  expect(await lossOfSeat(db, seats[0] as Seat)).toEqual(loss)
  expect(await lossOfSeat(db, seats[1] as Seat)).toBeUndefined()
})

test('giving back one seat, or all, frees none that somebody else has', async () => {
  await releaseSeat(db, seats[0] as Seat)
  await releaseSeat(db, seats[1] as Seat)
  const taken = async (): Promise<number[]> => {
    const rows = await db.selectFrom('seat').select('vm_id').where('state', '<>', 'disconnected').execute()
    return rows.map((row) => row.vm_id)
  }
  expect(await taken()).toHaveLength(SEATS - 1)
  const asked = countParameters()
  await releaseSeats(db, seats)
  expect(asked).toEqual([3])
  expect(await taken()).toEqual([seats[0]?.vmId])
})
