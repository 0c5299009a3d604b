import type { FirstDesktop } from '@ostler/proxy/model/first-desktop.ts'
import { addDesktop } from '@ostler/proxy/store/admin.ts'
import { provideFirstDesktop } from '@ostler/proxy/store/first-desktop.ts'
import type { Db } from '@ostler/proxy/store/open.ts'
import { planVm } from '@ostler/proxy/store/vms.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'
import { addTestFlavour, addTestTenant, addTestUser } from '../fixtures/database-rows.ts'

const POOL = { start: '10.3.15.10', subnet: { gateway: '10.3.15.1', prefix: 24 } }
/** Room for two desktops. */
const SMALL = { start: '10.9.9.2', subnet: { gateway: '10.9.9.1', prefix: 30 } }
let database: TestDatabase
let db: Db
let another: Db
let hkd: Db
let flavour = 0

beforeAll(async () => {
  database = await openTestDatabase()
  db = database.as('l7r')
  another = database.another('l7r')
  hkd = database.as('hkd')
  flavour = await addTestFlavour(hkd)
})
afterAll(() => database[Symbol.asyncDispose]())

function firstOf(login: string, options: Partial<FirstDesktop> = {}): FirstDesktop {
  const names = [1, 2, 3].map((number) => `${login}-${number}`)
  return { tenantId: 1, login, flavourId: flavour, diTag: 'default', names, ...options }
}

async function desktopsOf(login: string) {
  return await hkd
    .selectFrom('vm')
    .innerJoin('users', 'users.id', 'user_id')
    .select(['vm.name', 'di_tag', 'flavour_id', 'tenant_id'])
    .where('login', '=', login)
    .orderBy('vm.id')
    .execute()
}

async function usersCalled(login: string) {
  return await hkd
    .selectFrom('users')
    .select(['password', 'role', 'tenant_id'])
    .where('login', '=', login)
    .execute()
}

test('the first sign-in makes user and desktop, the second nothing (C-97)', async () => {
  expect(await provideFirstDesktop(db, firstOf('ann', { diTag: 'stable' }), POOL)).toBe('made')
  expect(await usersCalled('ann')).toEqual([{ password: '', role: 'user', tenant_id: 1 }])
  const made = [{ name: 'ann-1', di_tag: 'stable', flavour_id: flavour, tenant_id: 1 }]
  expect(await desktopsOf('ann')).toEqual(made)
  expect(await provideFirstDesktop(db, firstOf('ann'), POOL)).toBe('there')
  expect(await desktopsOf('ann')).toEqual(made)
})

test('ten first sign-ins at two doors make them once', async () => {
  for (let round = 0; round < 10; round++) {
    const login = `racer${round}`
    const all = await Promise.all(
      Array.from({ length: 10 }, (_, at) => provideFirstDesktop(at % 2 ? db : another, firstOf(login), POOL)),
    )
    expect(all.filter((provided) => provided === 'made')).toHaveLength(1)
    expect(await usersCalled(login)).toHaveLength(1)
    expect(await desktopsOf(login)).toHaveLength(1)
  }
})

test('ten users at once, and an administrator beside them, all get addresses of their own', async () => {
  await addTestUser(hkd, { login: 'zoe' })
  const { name } = await hkd
    .selectFrom('flavour')
    .select('name')
    .where('id', '=', flavour)
    .executeTakeFirstOrThrow()
  await Promise.all([
    ...Array.from({ length: 10 }, (_, at) =>
      provideFirstDesktop(at % 2 ? db : another, firstOf(`many${at}`), POOL),
    ),
    ...[1, 2, 3].map((at) =>
      addDesktop(database.as('api'), { name: `zoe${at}`, tenantId: 1, user: 'zoe', osf: name }, POOL),
    ),
  ])
  const rows = await hkd.selectFrom('vm').select('address').execute()
  expect(new Set(rows.map(({ address }) => address)).size).toBe(rows.length)
})

test('a user who is there already gets a desktop, and one of another flavour beside what she has', async () => {
  await addTestUser(hkd, { login: 'bob', password: 'hash' })
  expect(await provideFirstDesktop(db, firstOf('bob'), POOL)).toBe('made')
  const other = await addTestFlavour(hkd)
  expect(await provideFirstDesktop(db, firstOf('bob', { flavourId: other }), POOL)).toBe('made')
  expect((await desktopsOf('bob')).map(({ name }) => name)).toEqual(['bob-1', 'bob-2'])
  expect(await usersCalled('bob')).toMatchObject([{ password: 'hash' }])
})

test('users of two tenants with one login are two, and so are their desktops', async () => {
  const tenantId = await addTestTenant(hkd, 'acme')
  expect(await provideFirstDesktop(db, firstOf('eve'), POOL)).toBe('made')
  expect(await provideFirstDesktop(db, firstOf('eve', { tenantId }), POOL)).toBe('made')
  expect(await desktopsOf('eve')).toMatchObject([
    { name: 'eve-1', tenant_id: 1 },
    { name: 'eve-2', tenant_id: tenantId },
  ])
  const { id } = await hkd.selectFrom('vm').select('id').where('name', '=', 'eve-2').executeTakeFirstOrThrow()
  expect(await planVm(hkd, id)).toMatchObject({ login: 'eve', tenantId })
})

test('when all names are taken nothing is made', async () => {
  const names = ['ann-1', 'bob-1']
  expect(await provideFirstDesktop(db, firstOf('carl', { names }), POOL)).toBe('namesTaken')
  expect(await usersCalled('carl')).toEqual([])
})

test('without that flavour nothing is made', async () => {
  expect(await provideFirstDesktop(db, firstOf('dora', { flavourId: 99_999 }), POOL)).toBe('unknownFlavour')
  expect(await usersCalled('dora')).toEqual([])
})

test('without a free address nothing is made', async () => {
  expect(await provideFirstDesktop(db, firstOf('frida'), SMALL)).toBe('made')
  expect(await provideFirstDesktop(db, firstOf('greta'), SMALL)).toBe('addressesTaken')
  expect(await usersCalled('greta')).toEqual([])
})

test('who needs no desktop gets a row', async () => {
  const wanted = firstOf('hugo', { flavourId: undefined })
  expect(await provideFirstDesktop(db, wanted, POOL)).toBe('made')
  expect(await provideFirstDesktop(db, wanted, POOL)).toBe('there')
  expect(await usersCalled('hugo')).toHaveLength(1)
  expect(await desktopsOf('hugo')).toEqual([])
})

test('the door may make such rows, and no others', async () => {
  const mayNot = 'permission denied'
  await expect(
    db.insertInto('users').values({ login: 'x', password: '', role: 'support' }).execute(),
  ).rejects.toThrow(mayNot)
  await expect(db.updateTable('users').set({ role: 'support' }).execute()).rejects.toThrow(mayNot)
  await expect(db.updateTable('vm').set({ user_id: 1 }).execute()).rejects.toThrow(mayNot)
  await expect(db.deleteFrom('vm').execute()).rejects.toThrow(mayNot)
  await expect(db.selectFrom('authority').selectAll().execute()).rejects.toThrow(mayNot)
})
