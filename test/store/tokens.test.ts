import { purgeSignIns, saveAuthParameters, addToken, takeToken } from '@ostler/proxy/store/tokens.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { sql } from 'kysely'
import { createHash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'
import { addTestFlavour, addTestTenant, addTestUser } from '../fixtures/database-rows.ts'

const HOME = '192.0.2.1'
const ELSEWHERE = '192.0.2.2'
const DAY = 24 * 3600
let database: TestDatabase
let db: Db
let another: Db
let userId = 0

beforeAll(async () => {
  database = await openTestDatabase()
  db = database.as('l7r')
  another = database.another('l7r')
  userId = await addTestUser(database.as('hkd'), { login: 'ann' })
})
afterAll(() => database[Symbol.asyncDispose]())

/** A new token's digest. */
async function token(options: { multiUse: boolean; vmId?: number; parametersId?: number; of?: number }) {
  const digest = createHash('sha256').update(randomBytes(8)).digest()
  const { of = userId, ...rest } = options
  await addToken(db, { digest, userId: of, seconds: DAY, ...rest })
  return digest
}

async function older(digest: Buffer, seconds: number): Promise<void> {
  await sql`UPDATE ostler.user_token SET taken_at = taken_at - make_interval(secs => ${seconds}),
    expires_at = expires_at - make_interval(secs => ${seconds}) WHERE digest = ${digest}`.execute(
    database.as('hkd'),
  )
}

async function count(table: 'user_token' | 'user_auth_parameters', where = sql<boolean>`true`) {
  const { rows } = await sql<{ count: string }>`
    SELECT count(*) FROM ${sql.table(`ostler.${table}`)} WHERE ${where}`.execute(database.as('hkd'))
  return Number(rows[0]?.count)
}

test('a token that counts once lets its user in again from the same address for a minute', async () => {
  const digest = await token({ multiUse: false })
  const expected = {
    user: { id: userId, login: 'ann', tenant: { name: 'default' } },
    parameters: {},
    groups: [],
  }
  expect(await takeToken(db, digest, HOME)).toMatchObject(expected)
  expect(await takeToken(another, digest, HOME)).toMatchObject(expected)
  expect(await takeToken(db, digest, ELSEWHERE)).toBeUndefined()
  await older(digest, 55)
  expect(await takeToken(db, digest, HOME)).toBeDefined()
  await older(digest, 6)
  expect(await takeToken(db, digest, HOME)).toBeUndefined()
})

test('of two addresses that take it at once one gets it', async () => {
  for (let round = 0; round < 20; round++) {
    const digest = await token({ multiUse: false })
    const taken = await Promise.all([takeToken(db, digest, HOME), takeToken(another, digest, ELSEWHERE)])
    expect(taken.filter((holder) => holder !== undefined)).toHaveLength(1)
  }
})

test('two connections from one address both get it', async () => {
  for (let round = 0; round < 20; round++) {
    const digest = await token({ multiUse: false })
    const taken = await Promise.all([takeToken(db, digest, HOME), takeToken(another, digest, HOME)])
    expect(taken.filter((holder) => holder !== undefined)).toHaveLength(2)
  }
})

test('a token for many uses is good from anywhere, until it is too old', async () => {
  const digest = await token({ multiUse: true })
  for (const address of [HOME, ELSEWHERE, HOME])
    expect(await takeToken(db, digest, address)).toMatchObject({ user: { id: userId } })
  await older(digest, DAY - 10)
  expect(await takeToken(db, digest, ELSEWHERE)).toBeDefined()
  await older(digest, 10)
  expect(await takeToken(db, digest, HOME)).toBeUndefined()
})

test('an expired token is removed when it is shown (C-21)', async () => {
  const digest = await token({ multiUse: true })
  await older(digest, DAY)
  expect(await count('user_token', sql<boolean>`digest = ${digest}`)).toBe(1)
  expect(await takeToken(db, digest, HOME)).toBeUndefined()
  expect(await count('user_token', sql<boolean>`digest = ${digest}`)).toBe(0)
})

test('a text that was never handed out is nobody', async () => {
  expect(await takeToken(db, createHash('sha256').update('guess').digest(), HOME)).toBeUndefined()
})

test('it brings what plugins said, and the only desktop that it opens', async () => {
  const hkd = database.as('hkd')
  const flavour_id = await addTestFlavour(hkd)
  const vm = await hkd
    .insertInto('vm')
    .values({ name: 'ann-9', user_id: userId, flavour_id, address: '10.3.15.200' })
    .returning('id')
    .executeTakeFirstOrThrow()
  const said = { parameters: { 'qvd.vm.user.uid': '4711', 'badge.number': 'ä 7' }, groups: ['staff'] }
  const parametersId = await saveAuthParameters(db, userId, said, DAY)
  const digest = await token({ multiUse: true, vmId: vm.id, parametersId })
  expect(await takeToken(db, digest, HOME)).toMatchObject({ vmId: vm.id, ...said })
  await hkd.deleteFrom('vm').where('id', '=', vm.id).execute()
  expect(await takeToken(db, digest, HOME)).toBeUndefined()
})

test('what plugins said about somebody else is not told', async () => {
  const other = await addTestUser(database.as('hkd'))
  const parametersId = await saveAuthParameters(db, other, { parameters: { a: 'b' }, groups: [] }, DAY)
  const digest = await token({ multiUse: true, parametersId })
  expect(await takeToken(db, digest, HOME)).toMatchObject({ parameters: {}, groups: [] })
})

test('a blocked user is seen to be, and so is one of a blocked tenant', async () => {
  const hkd = database.as('hkd')
  const tenant = await addTestTenant(hkd)
  const blocked = await token({ multiUse: true, of: await addTestUser(hkd, { blocked: true }) })
  const ofTenant = await token({ multiUse: true, of: await addTestUser(hkd, { tenant_id: tenant }) })
  expect(await takeToken(db, blocked, HOME)).toMatchObject({ user: { blocked: true } })
  expect(await takeToken(db, ofTenant, HOME)).toMatchObject({ user: { blocked: false } })
  await hkd.updateTable('tenant').set({ blocked: true }).where('id', '=', tenant).execute()
  expect(await takeToken(db, ofTenant, HOME)).toMatchObject({ user: { blocked: true } })
})

test('purging removes what is too old for anybody, and nothing else', async () => {
  const fresh = await token({ multiUse: true })
  const old = await token({ multiUse: false })
  await older(old, DAY)
  await saveAuthParameters(db, userId, { parameters: {}, groups: [] }, -1)
  const kept = await saveAuthParameters(db, userId, { parameters: {}, groups: [] }, DAY)
  await sql`INSERT INTO ostler.sign_in_failure (subject, failures, last_at) VALUES ('old', 1, now() - interval '61 minutes'), ('new', 1, now())`.execute(
    db,
  )
  await sql`INSERT INTO ostler.known_address VALUES (1, 'ann', 'old', now() - interval '61 days'),
    (1, 'ann', 'new', now() - interval '59 days')`.execute(db)
  await purgeSignIns(db)
  expect(await count('user_token', sql<boolean>`digest IN (${fresh}, ${old})`)).toBe(1)
  expect(await takeToken(db, fresh, HOME)).toBeDefined()
  expect(await count('user_auth_parameters', sql<boolean>`expires_at <= now()`)).toBe(0)
  expect(await count('user_auth_parameters', sql<boolean>`id = ${kept}`)).toBe(1)
  const failures = await db.selectFrom('sign_in_failure').select('subject').execute()
  expect(failures).toEqual([{ subject: 'new' }])
  const addresses = await db.selectFrom('known_address').select('address').execute()
  expect(addresses).toEqual([{ address: 'new' }])
})
