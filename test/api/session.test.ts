import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { adminApi } from '../fixtures/admin-api.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'
import { addTenantThings, addTestAdministrator, type TenantThings } from '../fixtures/two-tenants.ts'

/** Browsers at the api: a token in two halves. */
let database: TestDatabase
let network: ReturnType<typeof adminApi>
let things: TenantThings

beforeAll(async () => {
  database = await openTestDatabase()
  network = adminApi(database, undefined, {}, 'network')
  things = await addTenantThings(database, 'acme')
})
afterAll(async () => await database[Symbol.asyncDispose]())

interface Session {
  readonly status: number
  readonly said: Record<string, unknown>
  readonly cookie: string
  readonly attributes: string
}

async function signIn(body: object): Promise<Session> {
  const response = await network.request('/v1/session', { method: 'POST', body: JSON.stringify(body) })
  const [cookie = '', ...attributes] = (response.headers.get('Set-Cookie') ?? '').split('; ')
  const said = (await response.json()) as Session['said']
  return { status: response.status, said, cookie, attributes: attributes.join('; ') }
}

async function statusOf(headers: Record<string, string>, method = 'GET', path = '/v1/self'): Promise<number> {
  return (await network.request(path, { method, headers })).status
}

const secondsUntil = (iso: unknown): number => (Date.parse(String(iso)) - Date.now()) / 1_000

test('an invitation makes a session of twelve hours whose halves open nothing alone', async () => {
  const invited = await network.request('/v1/administrators/acme-admin/invitations', {
    method: 'POST',
    headers: { Authorization: `Bearer ${things.token}` },
    body: '{}',
  })
  const { code } = (await invited.json()) as { code: string }
  const { status, said, cookie, attributes } = await signIn({ code })
  expect([status, said['administrator']]).toEqual([201, 'acme-admin'])
  expect(attributes).toMatch(/^Expires=.* GMT; Path=\/; Secure; HttpOnly; SameSite=Strict$/)
  expect(secondsUntil(said['expires'])).toBeGreaterThan(11.9 * 3_600)
  expect(secondsUntil(said['expires'])).toBeLessThanOrEqual(12 * 3_600)
  const key = said['key'] as string
  expect(await statusOf({ Cookie: cookie, 'Ostler-Page': key })).toBe(200)
  expect(await statusOf({ Cookie: cookie })).toBe(401)
  expect(await statusOf({ 'Ostler-Page': key })).toBe(401)
  expect(await statusOf({ Cookie: cookie, 'Ostler-Page': `${key}A` })).toBe(401)
  expect((await signIn({ code })).said['fault']).toBe('admin.code')
  // Neither half stands anywhere.
  const { rows } = await sql<{ row: string }>`
    SELECT to_jsonb(t)::text AS row FROM ostler.administrator_token AS t UNION ALL SELECT to_jsonb(a)::text FROM ostler.audit AS a`.execute(
    database.as('hkd'),
  )
  const half = cookie.split('=')[1] ?? ''
  for (const secret of [key, half, code]) expect(rows.filter(({ row }) => row.includes(secret))).toEqual([])
})

test('a token makes one that ends no later and may no more, but to say who she is and to end it', async () => {
  const narrow = await addTestAdministrator(database.as('hkd'), 'ned', 'operator', undefined, ['desktop.see'])
  const { said, cookie } = await signIn({ token: narrow.token, keep: true })
  expect(secondsUntil(said['expires'])).toBeLessThanOrEqual(3_600)
  const headers = { Cookie: cookie, 'Ostler-Page': said['key'] as string }
  expect(await statusOf(headers, 'GET', '/v1/desktops')).toBe(200)
  expect(await statusOf(headers, 'GET', '/v1/users')).toBe(403)
  expect(await statusOf(headers)).toBe(200)
  expect(await statusOf(headers, 'DELETE', '/v1/session')).toBe(200)
  expect(await statusOf(headers)).toBe(401)
  // What it was made with goes on.
  expect(await statusOf({ Authorization: `Bearer ${narrow.token}` }, 'GET', '/v1/desktops')).toBe(200)
})

test('a wrong token is 401, and who tries many waits', async () => {
  const token = 'ostler_0000000000000000000000000000000000000000000'
  const one = adminApi(database, undefined, {}, 'network')
  const tried: number[] = []
  for (let at = 0; at < 12; at++) {
    const answer = await one.request('/v1/session', { method: 'POST', body: JSON.stringify({ token }) })
    tried.push(answer.status)
  }
  expect(tried.slice(0, 10)).toEqual(Array<number>(10).fill(401))
  expect(tried.at(-1)).toBe(429)
  expect((await signIn({})).said['fault']).toBe('request.invalid')
})

test('the overview of a tenant has what is hers, and no nodes', async () => {
  const other = await addTenantThings(database, 'other')
  const hkd = database.as('hkd')
  await sql`INSERT INTO ostler.host (name, memory_mb, state) VALUES ('north', 1000, 'running')`.execute(hkd)
  for (const [vm, seconds] of [
    [things.vm, 4],
    [other.vm, 90],
  ] as const)
    await sql`
      WITH it AS (SELECT id FROM ostler.vm WHERE name = ${vm}),
        queued AS (INSERT INTO ostler.timeline (vm_id, epoch, step, at) SELECT id, 1, 'queued', now() - interval '1 hour' FROM it)
      INSERT INTO ostler.vm_log (vm_id, epoch, event, prior, state, at)
      SELECT id, 1, 'agentUp', 'booting', 'running', now() - interval '1 hour' + make_interval(secs => ${seconds}) FROM it`.execute(
      hkd,
    )
  const get = async (token: string): Promise<Record<string, unknown>> => {
    const answer = await network.request('/v1/overview', { headers: { Authorization: `Bearer ${token}` } })
    return (await answer.json()) as Record<string, unknown>
  }
  expect(await get(things.token)).toMatchObject({
    desktops: [{ state: 'stopped', count: 1, blocked: 0 }],
    hosts: [],
    starts: { count: 1, p50: 4, p98: 4 },
    failures: [],
  })
  const { token } = await addTestAdministrator(hkd, 'all', 'superadmin')
  expect(await get(token)).toMatchObject({
    desktops: [{ state: 'stopped', count: 2 }],
    hosts: [{ name: 'north', desktops: 0, memory: 1000, used: 0, silent: false }],
    starts: { count: 2, p50: 47 },
  })
})
