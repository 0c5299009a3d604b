import { selfSigned } from '@ostler/kit/certificate.ts'
import { silentLog } from '@ostler/kit/log.ts'
import { findGroup } from '@ostler/kit/group.ts'
import { adminRoutes } from '@ostler/proxy/api/routes.ts'
import { serveOnSocket, serveOverTls } from '@ostler/proxy/api/server.ts'
import { Streams } from '@ostler/proxy/api/streams.ts'
import { GuessLimit } from '@ostler/proxy/api/guess-limit.ts'
import { listenForHints } from '@ostler/proxy/store/hints.ts'
import { addWish } from '@ostler/proxy/store/vms.ts'
import { sql } from 'kysely'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { adminParts } from '../fixtures/admin-api.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'
import { addTenantThings, type TenantThings } from '../fixtures/two-tenants.ts'

/** The api as others see it: real TLS, real streams, real hints. */
let database: TestDatabase
let server: Awaited<ReturnType<typeof serveOverTls>>
let hints: AsyncDisposable
let things: TenantThings
let cert: string

beforeAll(async () => {
  database = await openTestDatabase()
  things = await addTenantThings(database, 'acme')
  const streams = new Streams(silentLog)
  hints = listenForHints(
    database.address('api'),
    ['ostler_vm', 'ostler_admin'],
    (channel) => streams.hint(channel),
    silentLog,
  )
  const { certificate, key } = await selfSigned(['localhost'], 1)
  cert = certificate
  const routes = adminRoutes(adminParts(database, undefined, { streams }), 'network')
  server = await serveOverTls(routes, { host: '127.0.0.1', port: 0 }, { key, cert })
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
  await hints[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
})

interface Event {
  readonly event: string
  readonly data: Record<string, unknown>
}

/** Watches an address; `next` waits for the next event that is so. */
function watch(path: string) {
  const events: Event[] = []
  let wake = (): void => {}
  let text = ''
  let isOver = false
  const end = (): void => {
    isOver = true
    wake()
  }
  const headers = { Authorization: `Bearer ${things.token}`, Accept: 'text/event-stream' }
  const outgoing = request(
    { host: '127.0.0.1', servername: 'localhost', port: server.port, path, headers, ca: cert },
    (response) => {
      response.setEncoding('utf8').on('data', (chunk: string) => {
        const parts = (text + chunk).split('\n\n')
        text = parts.pop() ?? ''
        for (const part of parts) {
          const [, event] = /^event: (.*)$/m.exec(part) ?? []
          const [, data] = /^data: (.*)$/m.exec(part) ?? []
          if (event !== undefined && data !== undefined)
            events.push({ event, data: JSON.parse(data) as Event['data'] })
        }
        wake()
      })
      response.on('close', end)
    },
  )
  outgoing.on('error', end)
  outgoing.end()
  return {
    next: async (is: (event: Event) => boolean): Promise<Event> => {
      for (;;) {
        const at = events.findIndex(is)
        if (at >= 0) return events.splice(0, at + 1)[at] as Event
        if (isOver) throw new Error('the stream is over')
        await new Promise<void>((resolve) => (wake = resolve))
      }
    },
    over: async (): Promise<void> => {
      while (!isOver) await new Promise<void>((resolve) => (wake = resolve))
    },
    [Symbol.dispose]: () => void outgoing.destroy(),
  }
}

describe('a stream', () => {
  test('of a list tells each row once, then each that comes, changes or goes, and no others', async () => {
    using stream = watch('/v1/users?filter=login!=*_user')
    await stream.next(({ event }) => event === 'ready')
    const db = database.as('api')
    await db.insertInto('users').values({ tenant_id: things.id, login: 'nora', password: '' }).execute()
    const { data } = await stream.next(({ event }) => event === 'row')
    expect(data).toMatchObject({ login: 'nora', tenant: 'acme', blocked: false })
    await db.updateTable('users').set({ blocked: true }).where('login', '=', 'nora').execute()
    expect((await stream.next(({ event }) => event === 'row')).data).toMatchObject({ blocked: true })
    // Of another tenant: she is told nothing of him.
    await db.insertInto('users').values({ login: 'foreigner', password: '' }).execute()
    await db.deleteFrom('users').where('login', '=', 'nora').execute()
    expect(await stream.next(() => true)).toEqual({ event: 'gone', data: { id: data['id'] } })
  })

  test('of a desktop tells its wishes as they are added', async () => {
    using stream = watch('/v1/desktops/acme-vm/explain')
    const first = await stream.next(({ event }) => event === 'changed')
    expect(first.data['wishes']).toEqual([])
    const { id } = await database
      .as('api')
      .selectFrom('vm')
      .select('id')
      .where('name', '=', 'acme-vm')
      .executeTakeFirstOrThrow()
    await addWish(database.as('api'), { vmId: id, kind: 'run', by: 'ann', reason: 'test' })
    const second = await stream.next(({ event }) => event === 'changed')
    expect(second.data['wishes']).toMatchObject([{ kind: 'run', by: 'ann' }])
  })

  test('ends at the next hint when its token has ended', async () => {
    using stream = watch('/v1/groups')
    await stream.next(({ event }) => event === 'ready')
    const hkd = database.as('hkd')
    await sql`UPDATE ostler.administrator SET blocked = true WHERE name = 'acme-admin'`.execute(hkd)
    await stream.over()
    await sql`UPDATE ostler.administrator SET blocked = false WHERE name = 'acme-admin'`.execute(hkd)
  })
})

test('a page of another site can read nothing: no answer allows it', async () => {
  const headers = { Origin: 'https://evil.example', 'Access-Control-Request-Method': 'GET' }
  const answer = await new Promise<{ status: number | undefined; names: string[] }>((resolve, reject) => {
    const at = { host: '127.0.0.1', servername: 'localhost', port: server.port, ca: cert }
    request({ ...at, method: 'OPTIONS', path: '/v1/users', headers }, (response) => {
      response
        .resume()
        .on('end', () => resolve({ status: response.statusCode, names: Object.keys(response.headers) }))
    })
      .on('error', reject)
      .end()
  })
  expect(answer.status).toBe(404)
  expect(answer.names.filter((name) => name.startsWith('access-control'))).toEqual([])
})

test('the socket is its owner’s, or also a group’s', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-api-socket-'))
  try {
    const routes = adminRoutes(adminParts(database), 'socket')
    const path = join(folder, 'api.sock')
    {
      await using _ = await serveOnSocket(routes, path, undefined)
      expect(statSync(path).mode & 0o777).toBe(0o600)
    }
    const group = findGroup('daemon')
    await using _ = await serveOnSocket(routes, path, group)
    expect([statSync(path).mode & 0o777, statSync(path).gid]).toEqual([0o660, group])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('who tries tokens waits, longer each time, and others do not', () => {
  let now = 1_000_000
  const limit = new GuessLimit({ now: () => now, sleep: () => Promise.resolve() })
  const isLet = (address: string): boolean => {
    try {
      limit.check(address)
      return true
    } catch {
      return false
    }
  }
  for (let tried = 0; tried < 10; tried++) {
    expect(isLet('192.0.2.1')).toBe(true)
    limit.failed('192.0.2.1')
  }
  expect([isLet('192.0.2.1'), isLet('192.0.2.2')]).toEqual([false, true])
  now += 1_000
  expect(isLet('192.0.2.1')).toBe(true)
  limit.failed('192.0.2.1')
  now += 1_000
  expect(isLet('192.0.2.1')).toBe(false)
  now += 1_000
  expect(isLet('192.0.2.1')).toBe(true)
  for (let tried = 0; tried < 30; tried++) limit.failed('192.0.2.1')
  now += 15 * 60_000
  expect(isLet('192.0.2.1')).toBe(true)
})
