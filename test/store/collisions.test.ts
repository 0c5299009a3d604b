import { readStartQueue } from '@ostler/proxy/store/start-queue.ts'
import { transact } from '@ostler/proxy/store/transact.ts'
import { claimSeat } from '@ostler/proxy/store/seats.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { addWish, moveVm } from '@ostler/proxy/store/vms.ts'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { addTestFlavour, addTestUser } from '../fixtures/database-rows.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'

/** C-104: what only collided with somebody else's work is done again, and nobody hears of it. */

let database: TestDatabase
let db: Db
const desktops: number[] = []

beforeAll(async () => {
  database = await openTestDatabase()
  db = database.as('hkd')
  const user_id = await addTestUser(db)
  const flavour_id = await addTestFlavour(db)
  for (let number = 1; number <= 10; number++) {
    const row = { name: `desk${number}`, user_id, flavour_id, address: `10.0.0.${number}` }
    desktops.push((await db.insertInto('vm').values(row).returning('id').executeTakeFirstOrThrow()).id)
  }
})
afterAll(() => database[Symbol.asyncDispose]())

const epochOf = async (vmId: number): Promise<number> =>
  (await db.selectFrom('vm').select('epoch').where('id', '=', vmId).executeTakeFirstOrThrow()).epoch

/** Two who have both read before either writes: under serializable isolation one of them must fail. */
async function collide(vmId: number, isolation: 'serializable' | 'repeatable read'): Promise<number[]> {
  const bothHaveRead = Promise.withResolvers<undefined>()
  let readers = 0
  const attempts = [0, 0]
  await Promise.all(
    attempts.map((_, who) =>
      transact(db, async (tx) => {
        attempts[who] = (attempts[who] ?? 0) + 1
        await sql`SET TRANSACTION ISOLATION LEVEL ${sql.raw(isolation)}`.execute(tx)
        const { rows } = await sql<{ epoch: number }>`SELECT epoch FROM ostler.vm WHERE id = ${vmId}`.execute(
          tx,
        )
        readers += 1
        if (readers === 2) bothHaveRead.resolve(undefined)
        await bothHaveRead.promise
        await sql`UPDATE ostler.vm SET epoch = ${(rows[0]?.epoch ?? 0) + 1} WHERE id = ${vmId}`.execute(tx)
      }),
    ),
  )
  return attempts
}

test.each(['serializable', 'repeatable read'] as const)(
  'C-104: a real serialization failure (%s) is tried again, and both have done their work',
  async (isolation) => {
    const vmId = desktops[0] ?? 0
    const before = await epochOf(vmId)
    const attempts = await collide(vmId, isolation)
    expect(attempts.toSorted()).toEqual([1, 2])
    expect(await epochOf(vmId)).toBe(before + 2)
  },
)

test('C-104: so is a real deadlock', async () => {
  const [one = 0, two = 0] = desktops
  const before = [await epochOf(one), await epochOf(two)]
  const bothHold = Promise.withResolvers<undefined>()
  let holders = 0
  let attempts = 0
  const add = (tx: Db, vmId: number) =>
    sql`UPDATE ostler.vm SET epoch = epoch + 1 WHERE id = ${vmId}`.execute(tx)
  await Promise.all(
    [
      [one, two],
      [two, one],
    ].map(([first = 0, second = 0]) =>
      transact(db, async (tx) => {
        attempts += 1
        await add(tx, first)
        holders += 1
        if (holders === 2) bothHold.resolve(undefined)
        await bothHold.promise
        await add(tx, second)
      }),
    ),
  )
  expect(attempts).toBe(3)
  expect([await epochOf(one), await epochOf(two)]).toEqual(before.map((epoch) => epoch + 2))
})

test('C-104: one that collides without end is told in the end, and anything else at once', async () => {
  let attempts = 0
  const fail = (code: string): Promise<void> =>
    transact(db, async (tx) => {
      attempts += 1
      await sql`DO ${sql.raw(`$$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '${code}'; END $$`)}`.execute(tx)
    })
  await expect(fail('40001')).rejects.toMatchObject({ code: '40001' })
  expect(attempts).toBe(10)
  await expect(fail('23505')).rejects.toMatchObject({ code: '23505' })
  expect(attempts).toBe(11)
})

test('C-104: on a database whose default is serializable, as QVD sets it up, simultaneous work collides with nobody', async () => {
  await sql`ALTER DATABASE ostler SET default_transaction_isolation = 'serializable'`.execute(db)
  const [own, others] = [database.another('hkd'), database.another('l7r')]
  const { rows } = await sql<{
    level: string
  }>`SELECT current_setting('transaction_isolation') AS level`.execute(own)
  expect(rows).toEqual([{ level: 'read committed' }])
  const rounds = Array.from({ length: 5 }, () =>
    desktops.flatMap((vmId) => [
      claimSeat(others, vmId, 'node/1', 'ann'),
      addWish(others, { vmId, kind: 'run', by: 'ann', reason: 'connect' }),
      readStartQueue(others),
      moveVm(own, { vm: { id: vmId, state: 'stopped', epoch: 0 }, event: 'start', to: 'preparing' }),
    ]),
  )
  await expect(Promise.all(rounds.flat())).resolves.toHaveLength(200)
})
