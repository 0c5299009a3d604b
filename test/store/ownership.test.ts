import { decidePolicy } from '@ostler/proxy/model/policy.ts'
import { addressesInUse } from '@ostler/proxy/store/addresses.ts'
import { provideFirstDesktop } from '@ostler/proxy/store/first-desktop.ts'
import { registerHost } from '@ostler/proxy/store/hosts.ts'
import { readPolicyRules } from '@ostler/proxy/store/policy-rules.ts'
import { sessionProperties } from '@ostler/proxy/store/properties.ts'
import { addToken, takeToken } from '@ostler/proxy/store/tokens.ts'
import { findUser } from '@ostler/proxy/store/users.ts'
import { planVm } from '@ostler/proxy/store/vms.ts'
import { sql } from 'kysely'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { adminApi } from '../fixtures/admin-api.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'

/** Groups, whose a flavour is, how many desktops it may have, and what is left of a tenant. */

const POOL = { start: '10.3.14.10', subnet: { gateway: '10.3.15.1', prefix: 22 } }
const folder = mkdtempSync(join(tmpdir(), 'ostler-ownership-'))
let database: TestDatabase
let app: ReturnType<typeof adminApi>

beforeAll(async () => {
  const file = join(folder, 'node.conf')
  writeFileSync(file, '')
  database = await openTestDatabase()
  app = adminApi(database, file, { pool: POOL })
  await added('/v1/tenants', { name: 'acme' })
  for (const [login, tenant] of [
    ['ann', 'default'],
    ['bob', 'default'],
    ['ann', 'acme'],
  ])
    await added('/v1/users', { login, tenant })
})
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  await database[Symbol.asyncDispose]()
})

/** The status of an answer, and the code of its fault if it has one. */
async function call(method: string, path: string, body?: unknown): Promise<string> {
  const text = body === undefined ? {} : { body: JSON.stringify(body) }
  const response = await app.request(path, { method, ...text })
  const said = (await response.json()) as { fault?: string }
  return response.status < 300 ? 'well' : `${response.status} ${said.fault ?? ''}`
}
async function added(path: string, body: unknown): Promise<void> {
  expect(await call('POST', path, body)).toBe('well')
}
async function listed(path: string): Promise<Record<string, unknown>[]> {
  return (await (await app.request(path)).json()) as Record<string, unknown>[]
}
const groupsOf = async (tenantId: number, login: string) =>
  (await findUser(database.as('l7r'), tenantId, login))?.localGroups
const newDesktop = (name: string, user: string, osf: string, tenant?: string): Promise<string> =>
  call('POST', '/v1/desktops', { name, user, osf, ...(tenant === undefined ? {} : { tenant }) })

describe('groups', () => {
  test('have members of their own tenant, which a sign-in finds', async () => {
    await added('/v1/groups', { name: 'staff' })
    await added('/v1/groups', { name: 'staff', tenant: 'acme' })
    expect(await call('POST', '/v1/groups', { name: 'staff' })).toMatch(/^409 object.exists/)
    await added('/v1/groups/staff/join', { user: 'ann' })
    await added('/v1/groups/staff/join', { user: 'ann' })
    expect([await groupsOf(1, 'ann'), await groupsOf(1, 'bob'), await groupsOf(2, 'ann')]).toEqual([
      ['staff'],
      [],
      [],
    ])
    expect(await call('POST', '/v1/groups/staff/join', { user: 'bob', tenant: 'acme' })).toMatch(
      /^404 object.unknown/,
    )
    expect((await listed('/v1/groups')).map(({ tenant, members }) => [tenant, members])).toEqual([
      ['default', 'ann'],
      ['acme', ''],
    ])
  })

  test('no row can join a user to the group of another tenant', async () => {
    const [group] = (await listed('/v1/groups')).filter(({ tenant }) => tenant === 'acme')
    const ann = await findUser(database.as('api'), 1, 'ann')
    for (const tenant of [1, 2])
      await expect(
        sql`INSERT INTO ostler.group_member VALUES (${tenant}, ${group?.['id']}, ${ann?.id})`.execute(
          database.as('api'),
        ),
      ).rejects.toMatchObject({ code: '23503' })
  })

  test('come with a token as well, beside those that a plugin named', async () => {
    const ann = await findUser(database.as('l7r'), 1, 'ann')
    const digest = Buffer.alloc(32, 7)
    await addToken(database.as('l7r'), { digest, userId: ann?.id ?? 0, multiUse: false, seconds: 60 })
    expect(await takeToken(database.as('l7r'), digest, '192.0.2.1')).toMatchObject({
      user: { localGroups: ['staff'] },
      groups: [],
    })
  })

  test('are what rules of the policy ask for', async () => {
    await added('/v1/policy', { name: 'staff-only', group: 'staff', use: 'no' })
    const rules = await readPolicyRules(database.as('l7r'))
    const decide = (groups: readonly string[]): boolean =>
      decidePolicy(rules, {
        guest: { id: 1, login: 'ann', tenantId: 1, role: 'user', groups },
        desktop: { name: 'd', ownerId: 1, tenantId: 1, flavour: 'office', blocked: false },
        hers: undefined,
        wish: { kind: 'list' },
        address: '192.0.2.1',
      }).allowed
    expect([decide((await groupsOf(1, 'ann')) ?? []), decide((await groupsOf(1, 'bob')) ?? [])]).toEqual([
      false,
      true,
    ])
  })

  test('are left, and removed', async () => {
    await added('/v1/groups/staff/leave', { user: 'ann' })
    expect(await groupsOf(1, 'ann')).toEqual([])
    expect(await call('POST', '/v1/groups/staff/leave', { user: 'ann' })).toMatch(/^404/)
    expect(await call('DELETE', '/v1/groups/staff?tenant=acme')).toBe('well')
    expect(await call('DELETE', '/v1/groups/staff?tenant=acme')).toMatch(/^404/)
    expect((await listed('/v1/groups')).map(({ tenant }) => tenant)).toEqual(['default'])
  })
})

describe('a flavour of one tenant', () => {
  beforeAll(async () => {
    await added('/v1/flavours', { name: 'theirs', tenant: 'acme' })
    await added('/v1/flavours', { name: 'everybodys' })
  })

  test('is nobody else’s: for them there is none of that name', async () => {
    expect(await newDesktop('a1', 'ann', 'theirs')).toMatch(/^404 object.unknown/)
    expect(await newDesktop('a2', 'ann', 'theirs', 'acme')).toBe('well')
    expect(await newDesktop('a3', 'ann', 'everybodys')).toBe('well')
    expect(await newDesktop('a4', 'ann', 'everybodys', 'acme')).toBe('well')
  })

  test('is not given at a first sign-in either', async () => {
    const [{ id: flavourId } = {}] = (await listed('/v1/flavours')).filter(({ name }) => name === 'theirs')
    const wanted = { login: 'new', flavourId: Number(flavourId), diTag: 'default' }
    const provide = (tenantId: number, name: string) =>
      provideFirstDesktop(database.as('l7r'), { ...wanted, tenantId, names: [name] }, POOL)
    expect(await provide(1, 'new-1')).toBe('unknownFlavour')
    expect(await provide(2, 'new-2')).toBe('made')
  })
})

describe('a flavour with limits', () => {
  beforeAll(async () => {
    await added('/v1/flavours', { name: 'few', max_desktops: '3', max_per_user: '2' })
  })

  test('takes so many desktops, and so many of one user, also when all are added at once', async () => {
    const outcomes = await Promise.all(['f1', 'f2', 'f3'].map((name) => newDesktop(name, 'ann', 'few')))
    expect(outcomes.toSorted()).toEqual(['409 quota.reached', 'well', 'well'])
    expect(await newDesktop('f4', 'bob', 'few')).toBe('well')
    expect(await newDesktop('f5', 'bob', 'few')).toBe('409 quota.reached')
  })

  test('limits a first sign-in, too, and nothing is made then', async () => {
    const [{ id } = {}] = (await listed('/v1/flavours')).filter(({ name }) => name === 'few')
    const wanted = { tenantId: 1, login: 'late', flavourId: Number(id), diTag: 'default', names: ['late-1'] }
    expect(await provideFirstDesktop(database.as('l7r'), wanted, POOL)).toBe('quotaReached')
    expect(await findUser(database.as('l7r'), 1, 'late')).toBeUndefined()
  })

  test('gets other ones, or none; desktops that are there stay', async () => {
    expect(await call('PATCH', '/v1/flavours/few', { max_desktops: '1' })).toBe('well')
    expect(await newDesktop('f6', 'bob', 'few')).toBe('409 quota.reached')
    expect(await call('PATCH', '/v1/flavours/few', { max_desktops: '' })).toBe('well')
    expect(await newDesktop('f7', 'bob', 'few')).toBe('well')
    expect(await call('PATCH', '/v1/flavours/few', {})).toMatch(/^400/)
    expect(await call('PATCH', '/v1/flavours/none', { max_per_user: '1' })).toMatch(/^404/)
    const few = (await listed('/v1/flavours')).find(({ name }) => name === 'few')
    expect(few).toMatchObject({ tenant: null, max_desktops: null, max_per_user: 2 })
  })

  test('says what each of them may receive and send, which hkd reads, also of those that run', async () => {
    expect(await call('PATCH', '/v1/flavours/few', { net_in: '20000', net_out: '5000' })).toBe('well')
    const db = database.as('hkd')
    const vm = await db.selectFrom('vm').select('id').where('name', '=', 'f4').executeTakeFirstOrThrow()
    const rates = { inKbit: 20_000, outKbit: 5_000 }
    expect((await planVm(db, vm.id))?.flavour.rates).toEqual(rates)
    const hostId = await registerHost(db, 'node', 1_000, 1)
    await sql`UPDATE ostler.vm SET host_id = ${hostId}, state = 'running', prior = 'running' WHERE id = ${vm.id}`.execute(
      db,
    )
    expect(await addressesInUse(db, hostId)).toMatchObject([{ id: vm.id, rates }])
    expect(await call('PATCH', '/v1/flavours/few', { net_in: '', net_out: '' })).toBe('well')
    expect((await planVm(db, vm.id))?.flavour.rates).toEqual({ inKbit: null, outKbit: null })
  })

  test('says how much each of them may read and write, from its next start on', async () => {
    expect(await call('PATCH', '/v1/flavours/few', { disk_iops: '500', disk_rate: '20480' })).toBe('well')
    const db = database.as('hkd')
    const vm = await db.selectFrom('vm').select('id').where('name', '=', 'f4').executeTakeFirstOrThrow()
    const planned = async () => (await planVm(db, vm.id))?.flavour.diskRates
    expect(await planned()).toEqual({ iops: 500, kbytes: 20_480 })
    const few = (await listed('/v1/flavours')).find(({ name }) => name === 'few')
    expect(few).toMatchObject({ disk_iops: 500, disk_rate: 20_480 })
    expect(await call('PATCH', '/v1/flavours/few', { disk_iops: '' })).toBe('well')
    expect(await planned()).toEqual({ iops: null, kbytes: 20_480 })
    expect(await call('PATCH', '/v1/flavours/few', { disk_rate: '1' })).toMatch(/^400/)
    expect(await call('POST', '/v1/flavours', { name: 'bounded', disk_iops: '100' })).toBe('well')
  })

  test('cannot limit a network where there is none', async () => {
    const none = { name: 'sandboxed', hypervisor: 'process', net_out: '1000' }
    expect(await call('POST', '/v1/flavours', none)).toBe('400 request.invalid')
    expect(await call('POST', '/v1/flavours', { name: 'slow', net_in: '1000', net_out: '64' })).toBe('well')
  })
})

describe('a tenant', () => {
  test('gets another name, which nobody else has', async () => {
    await added('/v1/tenants', { name: 'brief' })
    expect(await call('PATCH', '/v1/tenants/brief', { name: 'ACME' })).toBe('409 object.exists')
    expect(await call('PATCH', '/v1/tenants/brief', { name: 'short' })).toBe('well')
    expect(await call('PATCH', '/v1/tenants/brief', { name: 'x' })).toBe('404 object.unknown')
  })

  test('goes when it has nothing any more, and not before', async () => {
    await added('/v1/groups', { name: 'empty', tenant: 'short' })
    await added('/v1/flavours', { name: 'shorts', tenant: 'short' })
    expect(await call('DELETE', '/v1/tenants/acme')).toBe('409 tenant.inUse')
    expect(await call('DELETE', '/v1/tenants/short')).toBe('409 tenant.inUse')
    await database.as('hkd').deleteFrom('flavour').where('name', '=', 'shorts').execute()
    expect(await call('DELETE', '/v1/tenants/short')).toBe('well')
    expect((await listed('/v1/tenants')).map(({ name }) => name)).toEqual(['default', 'acme'])
    expect((await listed('/v1/groups')).map(({ name }) => name)).toEqual(['staff'])
  })

  test.each(['*', '-', 'default'])('%s is not removed', async (name) => {
    expect(await call('DELETE', `/v1/tenants/${encodeURIComponent(name)}`)).toMatch(/^40[49]/)
  })
})

test('C-106: of properties with one name the desktop’s own wins, then the user’s, the image’s, the flavour’s', async () => {
  const db = database.as('hkd')
  await added('/v1/images', { name: 'booted', osf: 'everybodys', kind: 'instant' })
  await sql`UPDATE ostler.vm SET disk_image_id = (SELECT id FROM ostler.disk_image WHERE name = 'booted')
    WHERE name = 'a3'`.execute(db)
  const owners = ['/v1/flavours/everybodys', '/v1/images/booted', '/v1/users/ann', '/v1/desktops/a3']
  for (const [from, owner] of owners.entries())
    await added(`${owner}/properties`, {
      set: Object.fromEntries(owners.slice(0, from + 1).map((_, rank) => [`p${rank}`, String(from)])),
    })
  const vm = await db.selectFrom('vm').select('id').where('name', '=', 'a3').executeTakeFirstOrThrow()
  const last = Object.fromEntries((await sessionProperties(db, vm.id)).map(({ key, value }) => [key, value]))
  expect(last).toEqual({ p0: '3', p1: '3', p2: '3', p3: '3' })
  await app.request('/v1/desktops/a3/properties?key=p0', { method: 'DELETE' })
  await app.request('/v1/users/ann/properties?key=p0', { method: 'DELETE' })
  const rest = Object.fromEntries((await sessionProperties(db, vm.id)).map(({ key, value }) => [key, value]))
  expect(rest['p0']).toBe('1')
})
