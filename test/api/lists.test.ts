import { matches, parseFilter } from '@ostler/contract/filter.ts'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { adminApi } from '../fixtures/admin-api.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'

let database: TestDatabase
let app: ReturnType<typeof adminApi>

beforeAll(async () => {
  database = await openTestDatabase()
  app = adminApi(database)
  const db = database.as('hkd')
  await sql`INSERT INTO ostler.users (login, password) SELECT 'user' || n, '' FROM generate_series(1, 4) AS n`.execute(
    db,
  )
  await sql`INSERT INTO ostler.flavour (name, memory_mb, cpu_percent) VALUES ('office', 512, 100)`.execute(db)
  await sql`
    INSERT INTO ostler.vm (name, user_id, flavour_id, address, failures, fault, blocked, expire_soft)
    SELECT 'desk' || n, 1 + n % 4, 1, '10.3.15.' || n, n % 7, CASE WHEN n % 3 = 0 THEN 'a_b%c' || n END, n % 2 = 0,
      CASE WHEN n % 5 = 0 THEN timestamptz '2026-01-01' + make_interval(days => n) END
    FROM generate_series(1, 30) AS n`.execute(db)
})
afterAll(async () => await database[Symbol.asyncDispose]())

interface Row {
  readonly name: string
  readonly failures: number
}

async function list(query: Record<string, string>): Promise<{ rows: Row[]; total: string | null }> {
  const response = await app.request(`/v1/desktops?${new URLSearchParams(query).toString()}`)
  return { rows: (await response.json()) as Row[], total: response.headers.get('X-Total-Count') }
}
const names = async (query: Record<string, string>): Promise<string[]> =>
  (await list(query)).rows.map(({ name }) => name)

describe('a filter', () => {
  test.each([
    ['name=desk7', ['desk7']],
    ['name=desk?', Array.from({ length: 9 }, (_, n) => `desk${n + 1}`)],
    ['name=*30', ['desk30']],
    ['name=desk1|desk2', ['desk1', 'desk2']],
    ['fault=a_b%c3', ['desk3']],
    ['fault=axb*', []],
    ['fault=a_b%*,name=desk?', ['desk3', 'desk6', 'desk9']],
    ['id>=29', ['desk29', 'desk30']],
    ['failures>5,name!=desk6', ['desk13', 'desk20', 'desk27']],
    ['expire_soft<2026-01-12', ['desk5', 'desk10']],
    ['expire_soft!=-,blocked=1', ['desk10', 'desk20', 'desk30']],
    ['user=user1,blocked=no,failures<1', []],
    ['name="desk1,desk2"', []],
    ["name=';DROP TABLE ostler.vm;--", []],
  ])('%s', async (filter, expected) => {
    expect(await names({ filter })).toEqual(expected)
  })

  test('finds in the database what the same filter finds in rows', async () => {
    const { rows } = await list({})
    for (const filter of [
      'name=*1*',
      'failures!=0',
      'fault=-',
      'fault!=-',
      'user=user?,failures>=3',
      'id<9',
      'osf=o*e',
    ]) {
      const found = rows.filter((row) => matches({ ...row }, parseFilter(filter)))
      expect([filter, await names({ filter })]).toEqual([filter, found.map(({ name }) => name)])
    }
  })

  test.each(['password=x', 'name', 'name=a b"c', '=x', 'name=desk1,,id=2', 'vm.id=1'])(
    '%s is refused with a sentence',
    async (filter) => {
      const response = await app.request(`/v1/desktops?${new URLSearchParams({ filter }).toString()}`)
      expect([response.status, await response.json()]).toMatchObject([400, { fault: 'request.invalid' }])
    },
  )
})

test('rows come in the order that is asked for, page by page, and it is said how many there are', async () => {
  const sort = '-failures,name'
  const { rows: all } = await list({ sort })
  const first = await list({ sort, limit: '20', count: '1' })
  const second = await list({ sort, limit: '20', offset: '20', count: '1' })
  expect([first.total, second.total]).toEqual(['30', '30'])
  expect([...first.rows, ...second.rows]).toEqual(all)
  expect(all.map(({ failures }) => failures)).toEqual(
    all.map(({ failures }) => failures).toSorted((a, b) => b - a),
  )
  expect(await names({ sort: 'nothing' }).catch(() => 'refused')).toBe('refused')
})

describe('what a filter finds', () => {
  const post = async (path: string, body: object) => {
    const response = await app.request(`/v1/desktops/bulk${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
    })
    return { status: response.status, said: (await response.json()) as Record<string, unknown> }
  }
  const blocked = async (): Promise<string[]> => await names({ filter: 'blocked=1,name=desk1?' })

  test('is changed as one, as it was previewed', async () => {
    const filter = 'name=desk1?,blocked=0'
    const { said } = await post('', { filter })
    expect(said['names']).toEqual(['desk11', 'desk13', 'desk15', 'desk17', 'desk19'])
    const done = await post('/block', { filter, token: said['token'] })
    expect(done).toEqual({ status: 200, said: { done: 5, failures: [] } })
    expect(await blocked()).toHaveLength(10)
    // Now it finds nothing: what was previewed is not what would be done.
    const again = await post('/block', { filter, token: said['token'] })
    expect([again.status, again.said['fault']]).toEqual([409, 'bulk.changed'])
  })

  test('is done as far as it can be, and of each that is left it is said why', async () => {
    await sql`UPDATE ostler.vm SET prior = 'stopped', state = 'preparing' WHERE name = 'desk21'`.execute(
      database.as('hkd'),
    )
    const filter = 'name=desk2?'
    const { said } = await post('', { filter })
    const { said: done } = await post('/del', { filter, token: said['token'] })
    expect(done).toMatchObject({ done: 9, failures: [{ name: 'desk21', fault: 'object.inUse' }] })
    expect(await names({ filter })).toEqual(['desk21'])
  })
})

test('what nodes and desktops have counted are numbers', async () => {
  const db = database.as('hkd')
  await sql`INSERT INTO ostler.host (name, memory_mb) VALUES ('one', 1), ('two', 1)`.execute(db)
  await sql`INSERT INTO ostler.host_counters (host_id, nx_ok) VALUES (1, 5000000000)`.execute(db)
  const get = async (path: string): Promise<unknown> => await (await app.request(path)).json()
  expect(await get('/v1/counters/hosts')).toMatchObject([
    { name: 'one', nx_ok: 5_000_000_000, auth_ok: 0 },
    { name: 'two', nx_ok: 0 },
  ])
  expect(await get('/v1/counters/desktops?filter=name=desk5')).toMatchObject([
    { name: 'desk5', run_attempts: 0, run_ok: 0, blocked: false },
  ])
})
