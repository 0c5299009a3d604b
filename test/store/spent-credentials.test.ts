import { purgeSpent, spendCredential } from '@ostler/proxy/store/spent-credentials.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'
import { addTestUser } from '../fixtures/database-rows.ts'

const HOME = '192.0.2.1'
const ELSEWHERE = '192.0.2.2'
let database: TestDatabase
let another: Db
let user = 0

beforeAll(async () => {
  database = await openTestDatabase()
  another = database.another('l7r')
})
afterAll(() => database[Symbol.asyncDispose]())

async function freshUser(): Promise<void> {
  user = await addTestUser(database.as('hkd'))
}

/** As if everything that she has shown were older. */
async function wait(seconds: number): Promise<void> {
  await sql`UPDATE ostler.spent_credential SET at = at - make_interval(secs => ${seconds})
    WHERE user_id = ${user}`.execute(database.as('hkd'))
}

const spend = (step: number, address = HOME, kind = 'totp', db = database.as('l7r')) =>
  spendCredential(db, user, kind, step, address)

test('a step is fresh once, and good again from the same address for a minute', async () => {
  await freshUser()
  expect(await spend(50)).toBe('fresh')
  expect(await spend(50)).toBe('again')
  expect(await spend(50, ELSEWHERE)).toBe('spent')
  await wait(50)
  expect(await spend(50)).toBe('again')
  await wait(11)
  expect(await spend(50)).toBe('spent')
  expect(await spend(51)).toBe('fresh')
})

test('older steps are spent, but for those that were shown in the last minute', async () => {
  await freshUser()
  expect(await spend(50)).toBe('fresh')
  expect(await spend(52)).toBe('fresh')
  expect(await spend(51)).toBe('spent')
  expect(await spend(50)).toBe('again')
  expect(await spend(50, ELSEWHERE)).toBe('spent')
})

test('users and kinds do not disturb each other', async () => {
  await freshUser()
  expect(await spend(50)).toBe('fresh')
  expect(await spend(40, HOME, 'ticket')).toBe('fresh')
  await freshUser()
  expect(await spend(50)).toBe('fresh')
})

test.each([
  ['from one address', HOME, ['again', 'fresh']],
  ['from two addresses', ELSEWHERE, ['fresh', 'spent']],
])('two doors that spend one step at once, %s: exactly one finds it fresh', async (_, second, expected) => {
  const doors = [database.as('l7r'), another] as const
  for (let round = 0; round < 20; round++) {
    await freshUser()
    const found = await Promise.all([spend(50, HOME, 'totp', doors[0]), spend(50, second, 'totp', doors[1])])
    expect(found.sort()).toEqual(expected)
  }
})

test('a step that another door has begun to take is not fresh, and is waited for', async () => {
  await freshUser()
  const transaction = await database.as('l7r').startTransaction().execute()
  expect(await spend(50, HOME, 'totp', transaction)).toBe('fresh')
  const waiting = spend(50, HOME, 'totp', another)
  await transaction.commit().execute()
  expect(await waiting).toBe('again')
})

test('purging keeps the newest of each kind', async () => {
  await freshUser()
  for (const step of [50, 51, 52]) await spend(step)
  await spend(7, HOME, 'ticket')
  await wait(61)
  await spend(53)
  await purgeSpent(database.as('l7r'))
  const { rows } = await sql<{ kind: string; number: string }>`
    SELECT kind, number FROM ostler.spent_credential WHERE user_id = ${user} ORDER BY number`.execute(
    database.as('hkd'),
  )
  expect(rows.map(({ kind, number }) => `${kind} ${number}`)).toEqual(['ticket 7', 'totp 53'])
  expect(await spend(52)).toBe('spent')
})
