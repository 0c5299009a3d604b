import type { SignInOrigin } from '@ostler/proxy/auth/plugin.ts'
import type { SignInDesk } from '@ostler/proxy/auth/sign-in.ts'
import { nodeConfigSource } from '@ostler/proxy/wiring/node-config.ts'
import { openSignIn } from '@ostler/proxy/wiring/sign-in.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { silentLog } from '@ostler/kit/log.ts'
import { Secret } from '@ostler/kit/secret.ts'
import { sql } from 'kysely'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Secret as Key, TOTP } from 'otpauth'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { AuthFolder } from '../fixtures/auth-folder.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'
import { addTestFlavour, addTestTenant } from '../fixtures/database-rows.ts'

const KEY = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'
const folder = new AuthFolder()
let database: TestDatabase
/** Two doors with pools of their own. */
let doors: { desk: SignInDesk; reload: () => Promise<void> }[]
let flavour = 0

beforeAll(async () => {
  database = await openTestDatabase()
  flavour = await addTestFlavour(database.as('hkd'))
  const conf = join(folder.path, 'node.conf')
  writeFileSync(conf, `path.l7r.auth.plugins = ${folder.path}\nl7r.auth.plugin.directory.password = right\n`)
  plugin(
    'directory',
    `({ settings }) => ({ authenticate: async ({ password }) => password.reveal() === settings.password
      ? { kind: 'accept', groups: ['staff'] } : { kind: 'reject', reason: 'wrong password' } })`,
  )
  doors = await Promise.all(
    [1, 2].map(() =>
      openSignIn(database.another('l7r'), nodeConfigSource(conf), silentLog, {
        certificate: () => undefined,
        key: Buffer.alloc(32),
      }),
    ),
  )
})
afterAll(async () => {
  await database[Symbol.asyncDispose]()
  folder[Symbol.dispose]()
})
beforeEach(() => configure({}))

function plugin(word: string, source: string): void {
  writeFileSync(join(folder.path, `${word}.mjs`), `export default ${source}\n`, { mode: 0o644 })
}

/** Sets keys for all tenants, and for one; what was set before is gone. */
async function configure(
  keys: Record<string, string>,
  tenant?: { id: number; keys: Record<string, string> },
) {
  const db = database.as('hkd')
  const rows = [
    ...Object.entries(keys).map(([key, value]) => ({ key, value })),
    ...Object.entries(tenant?.keys ?? {}).map(([key, value]) => ({ tenant_id: tenant?.id ?? 0, key, value })),
  ]
  await db.deleteFrom('config').execute()
  if (rows.length > 0) await db.insertInto('config').values(rows).execute()
  for (const { reload } of doors) await reload()
}

function origin(address = '192.0.2.1'): SignInOrigin {
  return { address, environment: new Map(), certificate: undefined, signal: new AbortController().signal }
}

function signIn(login: string, options: { door?: number; password?: string; address?: string } = {}) {
  const { door = 0, password = 'right', address } = options
  const desk = doors[door]?.desk
  if (desk === undefined) throw new Error('there is no such door')
  return desk.byPassword({ login, password: new Secret(password) }, origin(address))
}

async function faultOf(attempt: Promise<unknown>): Promise<Fault> {
  const error = await attempt.then(
    () => undefined,
    (cause: unknown) => cause,
  )
  if (error instanceof Fault) return error
  throw new Error('it did not end with a fault', { cause: error })
}

async function desktopNames(login: string): Promise<string[]> {
  const rows = await database
    .as('hkd')
    .selectFrom('vm')
    .innerJoin('users', 'users.id', 'user_id')
    .select('vm.name')
    .where('login', '=', login)
    .execute()
  return rows.map(({ name }) => name)
}

const auto = () => ({
  'l7r.auth.plugins.head': 'auto',
  'l7r.auth.plugins.tail': 'directory,default',
  'auth.auto.osf_id': String(flavour),
})

test('ten first sign-ins at two doors make user and desktop once; a second one makes nothing (C-97)', async () => {
  await configure(auto())
  const addresses = Array.from({ length: 10 }, (_, at) => `192.0.2.${at}`)
  const all = await Promise.all(addresses.map((address, at) => signIn('ann', { door: at % 2, address })))
  expect(new Set(all.map(({ user }) => user.id)).size).toBe(1)
  expect(all[0]).toMatchObject({ login: 'ann', groups: ['staff'], parameters: { 'qvd.vm.user.name': 'ann' } })
  expect(await desktopNames('ann')).toEqual(['ann-1'])
  await signIn('ann')
  expect(await desktopNames('ann')).toEqual(['ann-1'])
})

test('with a wrong password nothing is made', async () => {
  await configure(auto())
  expect((await faultOf(signIn('bob', { password: 'wrong' }))).code).toBe('auth.required')
  const users = await database.as('hkd').selectFrom('users').select('id').where('login', '=', 'bob').execute()
  expect(users).toEqual([])
})

test('a flavour that does not exist is told by the name of its key', async () => {
  await configure({ ...auto(), 'auth.auto.osf_id': '99999' })
  const fault = await faultOf(signIn('carl'))
  expect(fault).toMatchObject({ code: 'auth.unavailable' })
  expect(fault.message).toContain('auth.auto.osf_id is 99999')
})

test('a code of the second factor counts once, at whichever door, but for a minute at its address (C-98)', async () => {
  await configure({ ...auto(), 'l7r.auth.plugins.head': 'auto,TOTP' })
  const { user } = await signIn('dora')
  const property = { user_id: user.id, key: 'l7r.auth.plugin.totp.secret32', value: KEY }
  await database.as('hkd').insertInto('user_property').values(property).execute()
  const now = Date.now()
  const password = (seconds: number) =>
    `right${new TOTP({ secret: Key.fromBase32(KEY) }).generate({ timestamp: now + seconds * 1_000 })}`
  const code = password(0)
  expect(await signIn('dora', { password: code })).toMatchObject({ user: { id: user.id } })
  expect(await signIn('dora', { password: code, door: 1 })).toMatchObject({ user: { id: user.id } })
  for (const attempt of [
    { password: code, address: '192.0.2.99' },
    { password: password(-600) },
    { password: 'right' },
    { password: 'right000' },
  ])
    expect((await faultOf(signIn('dora', attempt))).code).toBe('auth.required')
  await sql`UPDATE ostler.spent_credential SET at = at - interval '61 seconds'`.execute(database.as('hkd'))
  expect((await faultOf(signIn('dora', { password: code, door: 1 }))).code).toBe('auth.required')
})

test('plugins are asked in the order head, tenant, tail (C-95), and add parameters (C-99)', async () => {
  for (const word of ['one', 'two', 'three'])
    plugin(
      word,
      `({ settings }) => ({
        authenticate: async () => (${word === 'three'} ? { kind: 'accept' } : { kind: 'abstain' }),
        afterSignIn: async () => ({ order: '${word}', '${word}.says': settings.word ?? '' }),
      })`,
    )
  const id = await addTestTenant(database.as('hkd'), 'acme')
  await configure(
    { 'l7r.auth.plugins.head': 'auto, default,one', 'l7r.auth.plugins.tail': 'three,one' },
    { id, keys: { 'l7r.auth.plugins': 'two', 'l7r.auth.plugin.two.word': 'hello' } },
  )
  const guest = await signIn('eve@ACME')
  expect(guest.plugins.map(({ name }) => name)).toEqual(['auto', 'default', 'one', 'two', 'three'])
  expect(guest).toMatchObject({
    tenant: { name: 'acme' },
    parameters: { order: 'three', 'one.says': '', 'two.says': 'hello', 'three.says': '' },
  })
  expect((await signIn('eve')).plugins.map(({ name }) => name)).toEqual(['auto', 'default', 'one', 'three'])
})

test.each(['constructor', 'nowhere', 'no such'])('with the plugin %j nobody could tell', async (word) => {
  await configure({ 'l7r.auth.plugins.tail': `default,${word}` })
  const fault = await faultOf(signIn('ann'))
  expect(fault).toMatchObject({ code: 'auth.unavailable' })
  expect(fault.message).toContain(`the plugin ${word} cannot be used`)
})
