import { AUDIT_PATH, SESSION_PATH } from '@ostler/contract/administrators.ts'
import type { Named, Route } from '@ostler/proxy/api/route.ts'
import { adminRouteTable } from '@ostler/proxy/api/routes.ts'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { adminApi, adminParts } from '../fixtures/admin-api.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'
import { addTenantThings, type TenantThings } from '../fixtures/two-tenants.ts'

/** Every route of the table, asked by an administrator of one tenant with what is of another one. */
let database: TestDatabase
let app: ReturnType<typeof adminApi>
let hers: TenantThings
let other: TenantThings

beforeAll(async () => {
  database = await openTestDatabase()
  app = adminApi(database, undefined, {}, 'network')
  hers = await addTenantThings(database, 'mine')
  other = await addTenantThings(database, 'zanzibar')
})
afterAll(async () => await database[Symbol.asyncDispose]())

// Routes are values: a table for their names needs no database.
const table = adminRouteTable(adminParts({ as: () => undefined } as never))

async function call(route: Pick<Route, 'method'>, path: string, body?: unknown) {
  const init = {
    method: route.method.toUpperCase(),
    headers: { Authorization: `Bearer ${hers.token}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  }
  const response = await app.request(path, init)
  return { status: response.status, text: await response.text() }
}

/** Everything of the other tenant, as text. */
async function everythingForeign(): Promise<string> {
  const { rows: tables } = await sql<{ name: string }>`
    SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE nspname = 'ostler' AND relkind = 'r' AND relname NOT IN ('audit', 'administrator_token') ORDER BY 1`.execute(
    database.as('hkd'),
  )
  const dumps = []
  for (const { name } of tables) {
    const { rows } =
      await sql`SELECT to_jsonb(t)::text AS row FROM ${sql.table(`ostler.${name}`)} AS t ORDER BY 1`.execute(
        database.as('hkd'),
      )
    dumps.push(`${name}: ${JSON.stringify(rows)}`)
  }
  return dumps.join('\n')
}

function foreignValue({ kind }: Named): string | number {
  const of = { ...other, 'di-number': other.diNumber, token: other.tokenId, host: 'node' }
  return of[kind as keyof typeof of]
}

/** A body that the route takes, as far as it is not about something; what is about something is set after it. */
const BODIES: Readonly<Record<string, Record<string, unknown>>> = {
  'POST /v1/users': { login: 'new' },
  'POST /v1/flavours': { name: 'new' },
  'POST /v1/desktops': { name: 'new', user: 'x', osf: 'x' },
  'POST /v1/policy': { name: 'new', use: 'yes' },
  'POST /v1/groups': { name: 'new' },
  'POST /v1/groups/:name/join': { user: 'x' },
  'POST /v1/groups/:name/leave': { user: 'x' },
  'POST /v1/pools': { name: 'new', osf: 'x', size: 1, everyone: 'yes' },
  'PATCH /v1/pools/:name': { size: 1 },
  'PATCH /v1/flavours/:name': { max_desktops: 3 },
  'PATCH /v1/desktops/:name': { di_tag: 'head' },
  'POST /v1/captures': { vm: 'x', osf: 'x' },
  'POST /v1/images/:id/tags': { tag: 'head' },
  'POST /v1/desktops/:name/wishes': { kind: 'run' },
  'POST /v1/desktops/:name/tunnels': { kind: 'ssh' },
  'POST /v1/users/:login/password': { password: 'x' },
  'POST /v1/administrators': { name: 'new', role: 'support' },
  'POST /v1/tokens': { name: 'new' },
  'POST /v1/administrators/:name/invitations': {},
}

function bodyOf(route: Route): Record<string, unknown> {
  const key = `${route.method.toUpperCase()} ${route.path}`
  if (route.path.endsWith('/blocked')) return { blocked: true }
  if (route.path.endsWith('/properties')) return { set: { a: 'b' } }
  if (route.path.startsWith('/v1/maintenance/')) return { said: 'no', stop: 'yes' }
  return { ...BODIES[key] }
}

const isOfTenants = (route: Route): boolean => route.reach === 'tenant' && route.needs !== 'nobody'

describe('an administrator of one tenant', () => {
  const about = table.filter((route) => isOfTenants(route) && route.about.length > 0)
  test.each(about.flatMap((route) => route.about.map((named) => ({ route, named, key: named.key }))))(
    '$route.method $route.path with the $key of another tenant: there is none',
    async ({ route, named }) => {
      const before = await everythingForeign()
      // What is named besides is hers, so that only one thing is foreign.
      const own = (each: Named): string | number =>
        each === named
          ? foreignValue(each)
          : { ...hers, 'di-number': hers.diNumber, token: hers.tokenId, host: 'node' }[each.kind as 'vm']
      let path = route.path
      const body = bodyOf(route)
      for (const each of route.about) {
        if (each.in === 'path') path = path.replace(`:${each.key}`, encodeURIComponent(String(own(each))))
        if (each.in === 'body') body[each.key] = own(each)
      }
      path = path.replaceAll(/:\w+/g, 'x')
      const query = route.repeated.includes('key') ? '?key=a' : ''
      const { status, text } = await call(route, path + query, route.method === 'get' ? undefined : body)
      expect([status, text]).toEqual([404, expect.stringContaining('object.unknown')])
      expect(await everythingForeign()).toBe(before)
    },
  )

  const speaking = table.filter(
    (route) =>
      isOfTenants(route) &&
      [route.query, route.body].some(
        (schema) => schema !== undefined && 'shape' in schema && 'tenant' in (schema.shape as object),
      ),
  )
  test.each(speaking)('$method $path for another tenant: there is none', async (route) => {
    const before = await everythingForeign()
    let path = route.path
    const body: Record<string, unknown> = { ...bodyOf(route), tenant: other.tenant }
    for (const each of route.about) {
      if (each.in === 'path') path = path.replace(`:${each.key}`, encodeURIComponent(foreignValue(each)))
      if (each.in === 'body') body[each.key] = foreignValue(each)
    }
    const query = 'tenant' in route.query.shape ? `?tenant=${other.tenant}&key=a` : ''
    const { status, text } = await call(route, path + query, route.method === 'get' ? undefined : body)
    expect([400, 404]).toContain(status)
    expect(text).toMatch(/there is no (tenant|vm|user|osf|group|pool|di|administrator)|request\.invalid/)
    expect(await everythingForeign()).toBe(before)
  })

  test.each(table.filter(({ reach }) => reach === 'all'))(
    '$method $path, which is of all tenants: she may not',
    async (route) => {
      const path = route.path.replaceAll(/:\w+/g, '1')
      const { status, text } = await call(route, path, route.method === 'get' ? undefined : {})
      expect([status, text]).toEqual([403, expect.stringContaining('admin.forbidden')])
    },
  )

  const lists = table.filter(
    (route) =>
      isOfTenants(route) && route.method === 'get' && !route.path.includes(':') && route.about.length === 0,
  )
  test.each(lists)('GET $path shows nothing of another tenant', async (route) => {
    const { status, text } = await call(route, route.path)
    expect(status).toBe(200)
    // What she tried herself in these tests stands in the audit log of her tenant.
    const isOwnTry = (line: unknown): boolean =>
      route.path === AUDIT_PATH && (line as { by: string; fault: unknown }).fault !== null
    const said = JSON.parse(text) as unknown
    const shown = Array.isArray(said) ? said.filter((line) => !isOwnTry(line)) : said
    expect(JSON.stringify(shown).includes(other.tenant)).toBe(false)
  })

  const looks = about.filter(({ method, path }) => method === 'get' && path !== '/v1/captures/:number')
  test.each(looks)('GET $path shows what is hers', async (route) => {
    const [named] = route.about
    const kind = named?.kind as 'vm'
    const path = route.path.replace(/:\w+/, hers[kind])
    expect((await call(route, path)).status).toBe(200)
  })

  test('every route of one tenant is asked in some of these tests, or says nothing of anything', () => {
    const asked = new Set([...about, ...speaking, ...lists])
    // The end of a session is of the caller's own token and names nothing.
    const rest = table.filter(
      (route) => isOfTenants(route) && !asked.has(route) && route.path !== SESSION_PATH,
    )
    expect(
      rest.map(({ method, path }) => `${method} ${path}`).filter((line) => !line.includes('/bulk')),
    ).toEqual([])
  })

  test('what a filter finds is hers, and a token of a preview finds nothing else', async () => {
    const preview = await call({ method: 'post' }, '/v1/desktops/bulk', { filter: '' })
    expect(JSON.parse(preview.text)).toMatchObject({ names: [hers.vm] })
    const foreign = `name=${other.vm},state=*`
    const found = await call({ method: 'post' }, '/v1/desktops/bulk', { filter: foreign })
    const { names, token } = JSON.parse(found.text) as { names: string[]; token: string }
    expect(names).toEqual([])
    const done = await call({ method: 'post' }, '/v1/desktops/bulk/stop', { filter: foreign, token })
    expect(JSON.parse(done.text)).toEqual({ done: 0, failures: [] })
    const byName = await call({ method: 'post' }, '/v1/desktops/bulk', { filter: `name=${other.vm}` })
    expect([byName.status, byName.text]).toEqual([404, expect.stringContaining('object.unknown')])
  })

  test('flavours and images of all tenants are found by no filter of what is changed', async () => {
    await database
      .as('hkd')
      .insertInto('flavour')
      .values({ name: 'everybodys', memory_mb: 256, cpu_percent: 50 })
      .execute()
    const listed = await call({ method: 'get' }, '/v1/flavours?filter=name%3Deverybodys')
    expect(JSON.parse(listed.text)).toHaveLength(1)
    const flavours = await call({ method: 'post' }, '/v1/flavours/bulk', { filter: '' })
    expect(JSON.parse(flavours.text)).toMatchObject({ names: [hers.osf] })
    const images = await call({ method: 'post' }, '/v1/images/bulk', { filter: '' })
    expect(JSON.parse(images.text)).toMatchObject({ names: [hers.di] })
    const shown = await call({ method: 'post' }, '/v1/users/bulk/propget', { filter: '' })
    expect(shown.text.includes(other.user)).toBe(false)
  })

  test('what she names without a tenant is of hers, never of the first one', async () => {
    await call({ method: 'post' }, '/v1/users', { login: 'nadja' })
    const { rows } = await sql<{ tenant_id: number }>`
      SELECT tenant_id FROM ostler.users WHERE login = 'nadja'`.execute(database.as('hkd'))
    expect(rows).toEqual([{ tenant_id: hers.id }])
  })
})
