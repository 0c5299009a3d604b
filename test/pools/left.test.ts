import { registerHost, setHostState } from '@ostler/proxy/store/hosts.ts'
import { STOP_PROPERTY, stopLeftDesktops } from '@ostler/proxy/store/left-desktops.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { addPoolClaim, tendPool } from '@ostler/proxy/store/pools.ts'
import { setProperties } from '@ostler/proxy/store/properties.ts'
import { claimSeat, occupySeat, releaseSeat } from '@ostler/proxy/store/seats.ts'
import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { addTestDesktop, addTestUser } from '../fixtures/database-rows.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'
import { addTestPool } from './pool-rows.ts'

/** When a desktop is stopped that nobody comes back to: everything that it rests on is moved into the past. */

let database: TestDatabase
let db: Db
let host: number
let last = 0

beforeAll(async () => {
  database = await openTestDatabase()
  db = database.as('hkd')
  host = await registerHost(db, 'node', 100_000, 100)
  await setHostState(db, host, 'running')
})
afterAll(() => database[Symbol.asyncDispose]())
beforeEach(async () => {
  await sql`UPDATE ostler.wish SET closed_at = now()`.execute(db)
  await sql`UPDATE ostler.vm SET state = 'stopped', prior = 'stopped', host_id = NULL`.execute(db)
})

/** A desktop that has run for two hours. */
async function running(): Promise<number> {
  const id = await addTestDesktop(db, `10.7.0.${++last}`)
  await runSince(id, 120)
  return id
}

async function runSince(id: number, minutes: number): Promise<void> {
  await sql`
    UPDATE ostler.vm SET state = 'running', prior = 'running', host_id = ${host},
      state_since = now() - make_interval(mins => ${minutes}) WHERE id = ${id}`.execute(db)
}

async function sit(id: number, user: number | null = null) {
  const { seat } = await claimSeat(db, id, 'node/1', 'ann', user)
  await occupySeat(db, seat)
  return seat
}

/** Somebody sat there and has left so long ago. */
async function left(id: number, minutes: number, user: number | null = null): Promise<void> {
  await releaseSeat(db, await sit(id, user))
  await sql`
    UPDATE ostler.seat SET lease_until = now() - make_interval(mins => ${minutes}) WHERE vm_id = ${id}`.execute(
    db,
  )
}

const stopped = async (): Promise<number[]> => (await stopLeftDesktops(db, host)).map(({ vmId }) => vmId)
const after = (of: 'vm' | 'osf' | 'user', id: number, value: string): Promise<void> =>
  setProperties(db, of, id, { [STOP_PROPERTY]: value })

describe('a desktop with ten minutes', () => {
  test('is stopped when she has been away for eleven, once, and the wish says why', async () => {
    const id = await running()
    await after('vm', id, '10')
    await left(id, 11)
    expect(await stopped()).toEqual([id])
    expect(await stopped()).toEqual([])
    const wish = await db
      .selectFrom('wish')
      .select(['kind', 'by', 'reason'])
      .where('vm_id', '=', id)
      .executeTakeFirst()
    expect(wish).toEqual({ kind: 'stop', by: 'left', reason: 'nobody came back within 10 minutes' })
  })

  test('goes on when she has been away for nine', async () => {
    const id = await running()
    await after('vm', id, '10')
    await left(id, 9)
    expect(await stopped()).toEqual([])
  })

  test('goes on while somebody sits there again, and its time begins anew when she leaves', async () => {
    const id = await running()
    await after('vm', id, '10')
    await left(id, 60)
    const seat = await sit(id)
    expect(await stopped()).toEqual([])
    await releaseSeat(db, seat)
    expect(await stopped()).toEqual([])
  })

  test('is stopped also when the door of whoever sat there has died', async () => {
    const id = await running()
    await after('vm', id, '10')
    await sit(id)
    await sql`UPDATE ostler.seat SET lease_until = now() - interval '11 minutes' WHERE vm_id = ${id}`.execute(
      db,
    )
    expect(await stopped()).toEqual([id])
  })

  test('goes on when nobody has sat there since it was started', async () => {
    const id = await running()
    await after('vm', id, '10')
    expect(await stopped()).toEqual([])
    await left(id, 30)
    await runSince(id, 20)
    expect(await stopped()).toEqual([])
  })
})

test('the nearest word counts: the desktop’s, her own, its flavour’s', async () => {
  const id = await running()
  const { user_id, flavour_id } = await db
    .selectFrom('vm')
    .select(['user_id', 'flavour_id'])
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  await left(id, 11)
  await after('osf', flavour_id, '10')
  await after('user', user_id, '30')
  expect(await stopped()).toEqual([])
  await after('vm', id, '5')
  expect(await stopped()).toEqual([id])
})

test.each(['never', '', '-1', '1.5', '99999999999'])(
  '"%s" is no number of minutes: it goes on',
  async (word) => {
    const id = await running()
    await after('vm', id, word)
    await left(id, 60)
    expect(await stopped()).toEqual([])
  },
)

describe('of a pool with five minutes', () => {
  test('a desktop is stopped that she has left, or never came to; a spare one is not', async () => {
    const pool = await addTestPool(db, { size: 3, stopMinutes: 5 })
    const users = [await addTestUser(db), await addTestUser(db)]
    for (const id of pool.desktops) await runSince(id, 60)
    for (const user of users) await addPoolClaim(db, pool.id, user, 60)
    await tendPool(db, pool.id)
    const [first = 0, second = 0] = pool.desktops
    await left(first, 6, users[0] ?? 0)
    expect(await stopped()).toEqual([])
    await sql`UPDATE ostler.vm SET assigned_at = now() - interval '6 minutes' WHERE pool_id = ${pool.id}
      AND assigned_user_id IS NOT NULL`.execute(db)
    expect((await stopped()).toSorted((a, b) => a - b)).toEqual([first, second])
  })
})
