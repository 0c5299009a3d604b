import { selfSigned } from '@ostler/kit/certificate.ts'
import type { Log } from '@ostler/kit/log.ts'
import { silentLog } from '@ostler/kit/log.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { DoorSsl } from '@ostler/proxy/hkd/door-ssl.ts'
import { type Opener, openTrust } from '@ostler/proxy/hkd/trust.ts'
import { readGivenPems } from '@ostler/proxy/model/door-certificate.ts'
import { sql } from 'kysely'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { adminApi } from '../fixtures/admin-api.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'

const folder = mkdtempSync(join(tmpdir(), 'ostler-ssl-store-'))
const file = join(folder, 'door.json')
const reader = { name: 'nobody', uid: 65_534, gid: 65_534, home: '/', shell: '/bin/false' }
let database: TestDatabase
let app: ReturnType<typeof adminApi>
let trust: Opener
let [pair, other] = [
  { key: '', cert: '' },
  { key: '', cert: '' },
]

beforeAll(async () => {
  writeFileSync(join(folder, 'node.conf'), '')
  database = await openTestDatabase()
  app = adminApi(database, join(folder, 'node.conf'), {
    door: () => ({ host: '127.0.0.1', port: 8443, certificate: null }),
  })
  const made = await Promise.all([selfSigned(['a.example'], 90), selfSigned(['b.example'], 90)])
  const [a, b] = made.map(({ key, certificate }) => ({ key, cert: certificate }))
  if (a !== undefined && b !== undefined) [pair, other] = [a, b]
})
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  await database[Symbol.asyncDispose]()
})
afterEach(async () => {
  await app.request('/v1/ssl', { method: 'DELETE' })
})

async function set(body: unknown): Promise<{ status: number; text: string }> {
  const response = await app.request('/v1/ssl', { method: 'POST', body: JSON.stringify(body) })
  return { status: response.status, text: await response.text() }
}

test('before a hkd has run nothing can be set: there is nobody to seal the key for', async () => {
  expect(await set(pair)).toMatchObject({ status: 400, text: expect.stringContaining('no hkd') as string })
  trust = await openTrust(database.as('hkd'), join(folder, 'node.key'))
  expect((await set(pair)).status).toBe(200)
})

describe('the key', () => {
  test('is nowhere in the database in the clear, and in no answer', async () => {
    const { text } = await set(pair)
    const shown = await (await app.request('/v1/ssl')).text()
    const { rows } = await sql<{ row: string }>`SELECT ssl_file::text AS row FROM ostler.ssl_file`.execute(
      database.as('hkd'),
    )
    const body = pair.key.split('\n')[1] ?? ''
    expect(body.length).toBeGreaterThan(40)
    expect(rows).toHaveLength(2)
    for (const said of [text, shown, ...rows.map(({ row }) => row)]) {
      expect(said).not.toContain(body)
      expect(said).not.toContain('PRIVATE')
    }
    expect(shown).toContain('"origin":"database"')
    const { sealed } = await database
      .as('hkd')
      .selectFrom('ssl_file')
      .select('sealed')
      .where('name', '=', 'key')
      .executeTakeFirstOrThrow()
    expect(trust.open(sealed ?? '').trim()).toBe(pair.key.trim())
  })

  test.each([
    ['api', "SELECT sealed FROM ostler.ssl_file WHERE name = 'key'"],
    ['api', 'SELECT * FROM ostler.ssl_file'],
    ['api', "UPDATE ostler.ssl_file SET content = ''"],
    ['api', "UPDATE ostler.authority SET sealing_key = ''"],
    ['api', 'SELECT sealed_key FROM ostler.authority'],
    ['l7r', 'SELECT name FROM ostler.ssl_file'],
    ['l7r', "INSERT INTO ostler.ssl_file (name, content) VALUES ('ca', '')"],
    ['l7r', 'DELETE FROM ostler.ssl_file'],
    ['l7r', 'SELECT sealing_key FROM ostler.authority'],
  ] as const)('%s may not: %s', async (role, statement) => {
    await expect(sql.raw(statement).execute(database.as(role))).rejects.toThrow('permission denied')
  })

  test('is not said back when what was sent is of the wrong form', async () => {
    const { status, text } = await set({ ...pair, ca: 7 })
    expect(status).toBe(400)
    expect(text).not.toContain('PRIVATE')
  })
})

test('a new pair takes the place of the old one as a whole', async () => {
  await set({ ...pair, ca: other.cert })
  expect((await set(other)).status).toBe(200)
  const names = await database.as('api').selectFrom('ssl_file').select('name').orderBy('name').execute()
  expect(names.map(({ name }) => name)).toEqual(['cert', 'key'])
})

test('two who set a pair at once do not mix them', async () => {
  await Promise.all(Array.from({ length: 10 }, (_, index) => set(index % 2 === 0 ? pair : other)))
  await using _ssl = new DoorSsl({
    db: database.as('hkd'),
    trust,
    file,
    publicFile: `${file}.pem`,
    reader,
    log: silentLog,
  })
  expect(await comesToHold(() => existsSync(file), 20_000, 10)).toBe(true)
  const given = readGivenPems(file)
  const which = given?.cert.trim() === pair.cert.trim() ? pair : other
  expect(given?.key.trim()).toBe(which.key.trim())
})

test('l7r.ssl keys are no configuration: the refusal says where they are set', async () => {
  const body = JSON.stringify({ set: { 'l7r.ssl.key': pair.key } })
  const response = await app.request('/v1/configuration', { method: 'POST', body })
  const text = await response.text()
  expect(text).toContain('l7r.ssl.key is set by qa config ssl')
  expect(text).not.toContain('PRIVATE')
})

describe('what hkd gives the doors', () => {
  const lines: { level: string; message: string; fields: unknown }[] = []
  const say = (level: string) => (message: string, fields?: unknown) => {
    lines.push({ level, message, fields })
  }
  const log = { ...silentLog, error: say('error'), info: say('info'), warn: say('warn') } as Log

  test.each([
    [
      'a certificate that somebody exchanged',
      () =>
        database.as('hkd').updateTable('ssl_file').set({ content: other.cert }).where('name', '=', 'cert'),
      'do not belong together',
    ],
    [
      'a key that is sealed for nobody here',
      () => database.as('hkd').updateTable('ssl_file').set({ sealed: 'AAAA' }).where('name', '=', 'key'),
      'was not sealed for this installation',
    ],
    [
      'a key that is missing',
      () => database.as('hkd').deleteFrom('ssl_file').where('name', '=', 'key'),
      'was not sealed for this installation',
    ],
  ])('%s does not come to a door; the old one stays, and the log says it once', async (_, spoil, reason) => {
    await set(pair)
    await using ssl = new DoorSsl({
      db: database.as('hkd'),
      trust,
      file,
      publicFile: `${file}.pem`,
      reader,
      log,
    })
    const holdsPair = () => readGivenPems(file)?.cert.trim() === pair.cert.trim()
    expect(await comesToHold(holdsPair, 20_000, 10)).toBe(true)
    const before = readFileSync(file, 'utf8')
    lines.length = 0
    await spoil().execute()
    ssl.look()
    expect(await comesToHold(() => lines.length > 0, 20_000, 10)).toBe(true)
    for (let looks = 0; looks < 3; looks++) ssl.look()
    await ssl[Symbol.asyncDispose]()
    expect(lines).toHaveLength(1)
    expect(String((lines[0]?.fields as { error: unknown }).error)).toContain(reason)
    expect(readFileSync(file, 'utf8')).toBe(before)
  })

  test('stays while the database cannot be read', async () => {
    writeFileSync(file, JSON.stringify({ key: pair.key, cert: pair.cert }))
    const away = database.another('hkd')
    // One that was never used opens itself again.
    await sql`SELECT 1`.execute(away)
    await away.destroy()
    lines.length = 0
    await using _ssl = new DoorSsl({ db: away, trust, file, publicFile: `${file}.pem`, reader, log })
    expect(await comesToHold(() => lines.length > 0, 20_000, 10)).toBe(true)
    expect(lines[0]?.level).toBe('error')
    expect(existsSync(file)).toBe(true)
  })
})
