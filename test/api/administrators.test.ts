import { type AdministratorRole, REQUEST_HEADER, ROLE_PERMISSIONS } from '@ostler/contract/administrators.ts'
import { adminRouteTable } from '@ostler/proxy/api/routes.ts'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { adminApi, adminParts } from '../fixtures/admin-api.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'
import { addTenantThings, addTestAdministrator, type TenantThings } from '../fixtures/two-tenants.ts'

let database: TestDatabase
let network: ReturnType<typeof adminApi>
let local: ReturnType<typeof adminApi>
let things: TenantThings

beforeAll(async () => {
  database = await openTestDatabase()
  network = adminApi(database, undefined, {}, 'network')
  local = adminApi(database)
  things = await addTenantThings(database, 'acme')
})
afterAll(async () => await database[Symbol.asyncDispose]())

interface Said {
  readonly status: number
  readonly said: Record<string, unknown>
  readonly headers: Headers
}

async function call(
  app: typeof network,
  method: string,
  path: string,
  { token, body, headers }: { token?: string; body?: unknown; headers?: Record<string, string> } = {},
): Promise<Said> {
  const authorization = token === undefined ? {} : { Authorization: `Bearer ${token}` }
  const text = body === undefined ? {} : { body: JSON.stringify(body) }
  const response = await app.request(path, { method, headers: { ...authorization, ...headers }, ...text })
  const answer = await response.text()
  const said = (answer === '' ? {} : JSON.parse(answer)) as Said['said']
  return { status: response.status, said, headers: response.headers }
}

describe('the first administrator', () => {
  test('is invited on the node; her code becomes a token once, and nothing that opens anything is kept', async () => {
    const { status, said } = await call(local, 'POST', '/v1/init', { body: { name: 'ada' } })
    expect([status, said['administrator']]).toEqual([201, 'ada'])
    const body = { code: said['code'] }
    const redeemed = await call(network, 'POST', '/v1/redeem', { body })
    expect(redeemed.status).toBe(201)
    const token = redeemed.said['token'] as string
    expect((await call(network, 'GET', '/v1/self', { token })).said).toMatchObject({
      ...{ name: 'ada', role: 'superadmin', tenant: null },
      permissions: [...ROLE_PERMISSIONS.superadmin],
    })
    expect((await call(network, 'POST', '/v1/redeem', { body })).said['fault']).toBe('admin.code')
    expect((await call(local, 'POST', '/v1/init', { body: { name: 'eve' } })).said['fault']).toBe(
      'admin.exists',
    )
    const { rows } = await sql<{ row: string }>`
      SELECT to_jsonb(t)::text AS row FROM ostler.administrator_token AS t
      UNION ALL SELECT to_jsonb(a)::text FROM ostler.audit AS a`.execute(database.as('hkd'))
    const kept = JSON.stringify(rows)
    for (const secret of [token, said['code'] as string]) expect(kept.includes(secret)).toBe(false)
  })

  test('stays while she is the last one', async () => {
    expect((await call(local, 'DELETE', '/v1/administrators/ada')).said['fault']).toBe('admin.last')
    const block = { body: { blocked: true } }
    expect((await call(local, 'POST', '/v1/administrators/ada/blocked', block)).status).toBe(409)
    expect((await call(local, 'GET', '/v1/administrators')).said).toMatchObject([
      { name: 'acme-admin' },
      { name: 'ada', blocked: false },
    ])
  })
})

describe('a token', () => {
  test.each([
    ['none', undefined],
    ['a wrong one', 'ostler_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'],
    ['no token at all', 'hello'],
    ['one that is no header', 'ostler_ä'],
  ])('%s opens nothing but the exchange of invitations', async (_, token) => {
    const app = adminApi(database, undefined, {}, 'network')
    const table = adminRouteTable(adminParts(database)).filter(({ needs }) => needs !== 'nobody')
    const address = { token: token === undefined ? undefined : encodeURIComponent(token) }
    const statuses = new Set<number>()
    for (const { method, path } of table)
      statuses.add(
        (
          await call(
            app,
            method.toUpperCase(),
            path,
            address.token === undefined ? {} : { token: address.token },
          )
        ).status,
      )
    // The first ones are refused for what they are, all others because there were so many.
    expect([...statuses].toSorted()).toEqual([401, 429])
  })

  test('that has ended, whose owner is blocked, or whose tenant is, opens nothing', async () => {
    const db = database.as('hkd')
    const { token, tokenId } = await addTestAdministrator(db, 'bob', 'operator', things.id)
    const status = async (): Promise<number> => (await call(network, 'GET', '/v1/self', { token })).status
    expect(await status()).toBe(200)
    await call(local, 'POST', '/v1/administrators/bob/blocked', { body: { blocked: true } })
    expect(await status()).toBe(401)
    await call(local, 'POST', '/v1/administrators/bob/blocked', { body: { blocked: false } })
    await call(local, 'POST', '/v1/tenants/acme/blocked', { body: { blocked: true } })
    expect(await status()).toBe(401)
    await call(local, 'POST', '/v1/tenants/acme/blocked', { body: { blocked: false } })
    expect(await status()).toBe(200)
    await sql`UPDATE ostler.administrator_token SET expires_at = now() WHERE id = ${tokenId}`.execute(db)
    expect(await status()).toBe(401)
  })

  test('does no more than its scope, and makes no token that does', async () => {
    const db = database.as('hkd')
    const scope = ['desktop.*', 'administrator.change', 'self.see']
    const { token } = await addTestAdministrator(db, 'carl', 'superadmin', undefined, scope)
    expect((await call(network, 'GET', '/v1/desktops', { token })).status).toBe(200)
    expect((await call(network, 'GET', '/v1/users', { token })).said).toMatchObject({
      fault: 'admin.forbidden',
      detail: { who: 'carl', needs: 'user.see' },
    })
    const make = async (body: object): Promise<number> =>
      (await call(network, 'POST', '/v1/tokens', { token, body: { name: 't', ...body } })).status
    expect(await make({})).toBe(403)
    expect(await make({ scope: 'desktop.see,user.see' })).toBe(403)
    expect(await make({ scope: 'desktop.see' })).toBe(201)
    expect(await make({ scope: 'nonsense' })).toBe(400)
    const role = { name: 'dora', role: 'auditor' }
    expect((await call(network, 'POST', '/v1/administrators', { token, body: role })).status).toBe(403)
  })

  test('of a tenant-admin makes administrators of her tenant, and none of all', async () => {
    const { token } = things
    const add = async (body: object): Promise<number> =>
      (await call(network, 'POST', '/v1/administrators', { token, body })).status
    expect(await add({ name: 'hers', role: 'support' })).toBe(201)
    expect(await add({ name: 'king', role: 'superadmin' })).toBe(400)
    const { said } = await call(network, 'GET', '/v1/administrators?filter=name=hers', { token })
    expect(said).toMatchObject([{ name: 'hers', tenant: 'acme' }])
  })
})

describe('a role', () => {
  const table = adminRouteTable(adminParts({ as: () => undefined } as never)).filter(
    ({ needs, path }) => needs !== 'nobody' && !path.startsWith('/v1/init'),
  )
  test.each(Object.keys(ROLE_PERMISSIONS) as AdministratorRole[])(
    '%s is refused exactly what it may not, on every route',
    async (role) => {
      const tenant = role === 'tenant-admin' ? things.id : undefined
      const { token } = await addTestAdministrator(database.as('hkd'), `of-${role}`, role, tenant)
      for (const { method, path, needs, reach } of table) {
        if (needs === 'nobody' || (tenant !== undefined && reach === 'all')) continue
        const named = path.replaceAll(/:\w+/g, 'nothing-of-this-name')
        // A body that is none: what may be asked is refused for that, and changes nothing.
        const { said } = await call(network, method.toUpperCase(), named, {
          token,
          headers: { 'If-Match': '"never"' },
          ...(method === 'get' ? {} : { body: [] }),
        })
        const may = (ROLE_PERMISSIONS[role] as readonly string[]).includes(needs)
        expect([method, path, said['fault'] === 'admin.forbidden']).toEqual([method, path, !may])
      }
    },
  )
})

describe('the audit log', () => {
  test('says who changed what, from what to what, under the number that the answer bears', async () => {
    const { token } = things
    const body = { 'expire-hard': 'tomorrow' }
    const { headers } = await call(network, 'PATCH', '/v1/desktops/acme-vm', { token, body })
    const request = headers.get(REQUEST_HEADER)
    const { said } = await call(network, 'GET', '/v1/audit?limit=1', { token })
    expect(said).toMatchObject([
      {
        ...{ request, by: 'acme-admin', role: 'tenant-admin', object: 'vm acme-vm', status: 200 },
        action: 'PATCH /v1/desktops/:name',
        said: body,
        before: { name: 'acme-vm', expire_hard: null },
        after: { name: 'acme-vm', expire_hard: expect.stringMatching(/^20/) as unknown },
      },
    ])
  })

  test('has no password, nor what was refused without its reason', async () => {
    const { token } = things
    const body = { login: 'nora', password: 'correct horse' }
    expect((await call(network, 'POST', '/v1/users', { token, body })).status).toBe(201)
    expect((await call(network, 'POST', '/v1/users', { token, body })).status).toBe(409)
    const { said } = await call(network, 'GET', '/v1/audit?limit=2', { token })
    expect(said).toMatchObject([
      { status: 409, fault: 'object.exists', object: '/v1/users' },
      { status: 201, said: { login: 'nora', password: '***' }, after: { login: 'nora' } },
    ])
    expect(JSON.stringify(said).includes('correct horse')).toBe(false)
  })

  test('cannot be changed by the api, which may only add to it', async () => {
    await expect(sql`DELETE FROM ostler.audit`.execute(database.as('api'))).rejects.toThrow(/permission/)
    await expect(sql`UPDATE ostler.audit SET by = 'eve'`.execute(database.as('api'))).rejects.toThrow(
      /permission/,
    )
  })

  test('bears what a client calls its request, unless that is no name', async () => {
    const asked = async (name: string) =>
      (await call(local, 'GET', '/v1/self', { headers: { [REQUEST_HEADER]: name } })).headers.get(
        REQUEST_HEADER,
      )
    expect(await asked('client-0001')).toBe('client-0001')
    expect(await asked('"; rm -rf /')).toMatch(/^[0-9a-f]{16}$/)
  })
})

describe('two who change the same', () => {
  test('the second is told, by If-Match, and nothing of hers is written', async () => {
    const { headers } = await call(local, 'GET', '/v1/desktops/acme-vm')
    const tag = headers.get('ETag') ?? ''
    const change = (body: object) =>
      call(local, 'PATCH', '/v1/desktops/acme-vm', { body, headers: { 'If-Match': tag } })
    const both = await Promise.all([change({ 'expire-soft': 'now + 1 day' }), change({ 'expire-soft': '' })])
    expect(both.map(({ status }) => status).toSorted()).toEqual([200, 412])
    const { said } = await call(local, 'GET', '/v1/desktops/acme-vm')
    expect(said['expire_soft'] !== null).toBe(both[0].status === 200)
  })

  test('what hkd writes of a desktop changes no tag', async () => {
    const tag = async () => (await call(local, 'GET', '/v1/desktops/acme-vm')).headers.get('ETag')
    const before = await tag()
    await sql`UPDATE ostler.vm SET fault = 'x', failures = 3 WHERE name = 'acme-vm'`.execute(
      database.as('hkd'),
    )
    expect(await tag()).toBe(before)
  })

  test('an answer that is known already is not sent again', async () => {
    const { headers } = await call(local, 'GET', '/v1/users')
    const again = { headers: { 'If-None-Match': headers.get('ETag') ?? '' } }
    expect((await call(local, 'GET', '/v1/users', again)).status).toBe(304)
  })
})
