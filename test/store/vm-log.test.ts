import { purgeLog } from '@ostler/proxy/store/vm-log.ts'
import { moveVm } from '@ostler/proxy/store/vms.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { addTestDesktop } from '../fixtures/database-rows.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'

let database: TestDatabase
let db: Db
let id: number
beforeAll(async () => {
  database = await openTestDatabase()
  db = database.as('hkd')
  id = await addTestDesktop(db, '10.3.0.1')
  await moveVm(db, { vm: { id, state: 'stopped', epoch: 3 }, event: 'start', to: 'preparing' })
})
afterAll(() => database[Symbol.asyncDispose]())

const lines = async (): Promise<number> =>
  (await db.selectFrom('vm_log').select('id').where('vm_id', '=', id).execute()).length

test.each(['hkd', 'l7r', 'api'] as const)(
  '%s neither changes nor removes a line of the log',
  async (role) => {
    for (const statement of [
      sql`UPDATE ostler.vm_log SET event = 'nothing'`,
      sql`DELETE FROM ostler.vm_log`,
      sql`TRUNCATE ostler.vm_log`,
    ])
      await expect(statement.execute(database.as(role))).rejects.toThrow(
        /only grows|permission denied|must be owner/,
      )
    expect(await lines()).toBe(1)
  },
)

test('nor does whoever says that old lines are being removed: young ones stay', async () => {
  const cheated = db.transaction().execute(async (tx) => {
    await sql`SELECT set_config('ostler.purging', 'on', true)`.execute(tx)
    await sql`DELETE FROM ostler.vm_log`.execute(tx)
  })
  await expect(cheated).rejects.toThrow('only grows')
  expect(await lines()).toBe(1)
})

test('old lines go by the function for that, which only hkd may call', async () => {
  const at = new Date(Date.now() - 20 * 86_400_000)
  const line = {
    vm_id: id,
    epoch: 1,
    event: 'start',
    prior: 'stopped',
    state: 'preparing',
    fault: null,
  } as const
  await db
    .insertInto('vm_log')
    .values({ ...line, at })
    .execute()
  expect(await purgeLog(db, 30)).toBe(0)
  expect(await purgeLog(db, 10)).toBe(1)
  expect(await lines()).toBe(1)
  await expect(purgeLog(db, 0)).rejects.toThrow('a day at least')
  for (const role of ['l7r', 'api'] as const)
    await expect(purgeLog(database.as(role), 10)).rejects.toThrow('permission denied')
})

test('a line outlives its desktop', async () => {
  await db.deleteFrom('vm').where('id', '=', id).execute()
  expect(await lines()).toBe(1)
})
