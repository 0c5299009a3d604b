import { silentLog } from '@ostler/kit/log.ts'
import { PolicyBook } from '@ostler/proxy/l7r/policy-book.ts'
import { listenForHints } from '@ostler/proxy/store/hints.ts'
import { readPolicyRules } from '@ostler/proxy/store/policy-rules.ts'
import { findUser } from '@ostler/proxy/store/users.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { adminApi } from '../fixtures/admin-api.ts'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'

const folder = mkdtempSync(join(tmpdir(), 'ostler-administration-'))
let database: TestDatabase
let app: ReturnType<typeof adminApi>

beforeAll(async () => {
  writeFileSync(join(folder, 'site.mjs'), 'export default () => ({})\n')
  const file = join(folder, 'node.conf')
  writeFileSync(file, `path.l7r.auth.plugins = ${folder}\nl7r.auth.plugin.site.secret = hush\n`)
  database = await openTestDatabase()
  app = adminApi(database, file)
})
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  await database[Symbol.asyncDispose]()
})

async function call(
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; said: unknown }> {
  const text = body === undefined ? {} : { body: JSON.stringify(body) }
  const response = await app.request(path, { method, ...text })
  return { status: response.status, said: await response.json() }
}

/** The sentence of a refusal. */
async function refusal(method: string, path: string, body?: unknown): Promise<string> {
  const { status, said } = await call(method, path, body)
  return `${status} ${(said as { text?: string }).text ?? JSON.stringify(said)}`
}

describe('tenants and users', () => {
  test('the same login may be in two tenants', async () => {
    expect(await call('POST', '/v1/tenants', { name: 'acme' })).toEqual({ status: 201, said: { id: 2 } })
    expect((await call('POST', '/v1/users', { login: 'Ann', password: 'a' })).status).toBe(201)
    const other = { login: 'ann', password: 'b', tenant: 'ACME', role: 'support' }
    expect((await call('POST', '/v1/users', other)).status).toBe(201)
    const { said } = await call('GET', '/v1/users')
    expect(said).toEqual([
      { id: 1, login: 'ann', tenant: 'default', role: 'user', blocked: false },
      { id: 2, login: 'ann', tenant: 'acme', role: 'support', blocked: false },
    ])
    expect((await call('GET', '/v1/tenants')).said).toEqual([
      { id: 1, name: 'default', blocked: false },
      { id: 2, name: 'acme', blocked: false },
    ])
  })

  test.each([
    [{ login: 'ANN', password: 'x' }, '409 user ann exists already'],
    [{ login: 'bob', tenant: 'nowhere' }, '404 there is no tenant nowhere'],
    [{ login: 'bob', tenant: '*' }, /^400 .*tenant/s],
    [{ login: 'bob', role: 'king' }, /^400 .*role/s],
    [{ login: 'b/b' }, /^400 .*login/s],
    [{ login: '..' }, /^400 .*login/s],
  ])('%j is refused', async (user, sentence) => {
    expect(await refusal('POST', '/v1/users', user)).toMatch(sentence)
  })

  test('the case of logins is kept where the configuration says so', async () => {
    const set = { 'model.user.login.case-sensitive': '1' }
    await call('POST', '/v1/configuration', { set, tenant: 'acme' })
    expect((await call('POST', '/v1/users', { login: 'Bob', tenant: 'acme' })).status).toBe(201)
    expect(await findUser(database.as('l7r'), 2, 'Bob')).toMatchObject({ login: 'Bob', password: '' })
    expect((await call('POST', '/v1/users/Bob/blocked', { blocked: true, tenant: 'acme' })).status).toBe(200)
    expect(await refusal('POST', '/v1/users/bob/blocked', { blocked: true, tenant: 'acme' })).toBe(
      '404 there is no user bob',
    )
    await call('DELETE', '/v1/configuration?key=model.user.login.case-sensitive&tenant=acme')
  })

  test('a user and a tenant are blocked and unblocked', async () => {
    const blocked = async () => (await findUser(database.as('l7r'), 2, 'ann'))?.blocked
    await call('POST', '/v1/users/ann/blocked', { blocked: true, tenant: 'acme' })
    expect(await blocked()).toBe(true)
    await call('POST', '/v1/users/ann/blocked', { blocked: false, tenant: 'acme' })
    expect(await blocked()).toBe(false)
    await call('POST', '/v1/tenants/acme/blocked', { blocked: true })
    expect(await blocked()).toBe(true)
    await call('POST', '/v1/tenants/acme/blocked', { blocked: false })
    expect(await blocked()).toBe(false)
    expect(await refusal('POST', '/v1/tenants/-/blocked', { blocked: true })).toBe('404 there is no tenant -')
  })

  test('a password is replaced, never by an empty one', async () => {
    const before = await findUser(database.as('l7r'), 1, 'ann')
    expect((await call('POST', '/v1/users/ann/password', { password: 'new' })).status).toBe(200)
    const after = await findUser(database.as('l7r'), 1, 'ann')
    expect(after?.password).toMatch(/^\$argon2id\$/)
    expect(after?.password).not.toBe(before?.password)
    expect(await refusal('POST', '/v1/users/ann/password', { password: '' })).toMatch(/^400/)
  })
})

describe('properties of a user', () => {
  const path = '/v1/users/ann/properties'

  test('are set, altered, masked where they are secret, and removed', async () => {
    const set = { 'custom.a': '1', 'l7r.auth.plugin.totp.secret32': 'JBSWY3DP' }
    await call('POST', path, { set })
    await call('POST', path, { set: { 'custom.a': '2' } })
    expect((await call('GET', path)).said).toEqual([
      { key: 'custom.a', value: '2' },
      { key: 'l7r.auth.plugin.totp.secret32', value: '***' },
    ])
    expect((await call('GET', `${path}?key=custom.a`)).said).toEqual([{ key: 'custom.a', value: '2' }])
    expect((await call('GET', `${path}?tenant=acme`)).said).toEqual([])
    expect((await call('DELETE', `${path}?key=custom.a&key=nothing`)).said).toEqual({ count: 1 })
    expect(await refusal('DELETE', path)).toBe('400 invalid request: name the keys to be removed')
  })
})

describe('the configuration', () => {
  const path = '/v1/configuration'
  const get = async (key: string, tenant = ''): Promise<unknown> => {
    const { said } = await call('GET', `${path}?key=${key}${tenant === '' ? '' : `&tenant=${tenant}`}`)
    return (said as { value: string }[])[0]?.value
  }

  test("a tenant's value stands over that of all, and both over the file's", async () => {
    expect(await get('l7r.auth.timeout')).toBe('30')
    await call('POST', path, { set: { 'l7r.auth.timeout': '20' } })
    await call('POST', path, { set: { 'l7r.auth.timeout': '40' }, tenant: 'acme' })
    expect([await get('l7r.auth.timeout'), await get('l7r.auth.timeout', 'acme')]).toEqual(['20', '40'])
    expect((await call('DELETE', `${path}?key=l7r.auth.timeout&tenant=acme`)).said).toMatchObject({
      count: 1,
    })
    expect(await get('l7r.auth.timeout', 'acme')).toBe('20')
  })

  test('all of it hides what is internal, and masks secrets', async () => {
    await call('POST', path, { set: { 'auth.ldap.bindpass': 'hush' } })
    const { said } = await call('GET', path)
    const all = new Map((said as { key: string; value: string }[]).map(({ key, value }) => [key, value]))
    expect(all.get('l7r.port')).toBe('8443')
    expect(all.get('path.l7r.ssl.key')).toBe('/var/lib/ostler/l7r/key.pem')
    expect(all.get('auth.ldap.scope')).toBe('base')
    expect(all.get('auth.ldap.bindpass')).toBe('***')
    expect(all.get('l7r.auth.plugin.site.secret')).toBe('***')
    expect([...all.keys()].filter((key) => key.startsWith('internal.'))).toEqual([])
    expect(JSON.stringify(said)).not.toContain('hush')
  })

  test.each([
    [
      { 'l7r.auth.timeout': '0' },
      '400 invalid request: l7r.auth.timeout is not a whole number from 1 to 120',
    ],
    [{ 'auth.ldap.scope': 'all' }, '400 invalid request: auth.ldap.scope is none of base, one, sub'],
    [
      { 'l7r.auth.timeuot': '5' },
      '400 invalid request: there is no key l7r.auth.timeuot, did you mean "l7r.auth.timeout"?',
    ],
    [
      { 'l7r.workers': '3' },
      '400 invalid request: l7r.workers is read from the configuration file of each node: set it there',
    ],
    [
      { 'l7r.auth.limit.user': '1' },
      '400 invalid request: l7r.auth.limit.user is read from the configuration file of each node: set it there',
    ],
    [{ 'l7r.auth.plugins': 'default,nobody' }, /^400 .*there is no plugin nobody: known are/],
    [
      { 'l7r.auth.plugin.default.sault': 'x' },
      /^400 .*there is no key l7r.auth.plugin.default.sault, did you/,
    ],
    [{ 'auth.ldap.base': '${nothing}' }, /^400 .*auth.ldap.base \$\{nothing\} is not set/],
  ])('%j is refused, and nothing is written', async (set, sentence) => {
    const body = { set: { 'l7r.auth.plugins.head': 'default', ...set } }
    expect(await refusal('POST', path, body)).toMatch(sentence)
    expect(await get('l7r.auth.plugins.head')).toBe('')
  })

  test('a plugin of the site and its own keys are taken', async () => {
    const set = { 'l7r.auth.plugins': 'site,default', 'l7r.auth.plugin.site.url': 'https://example.org' }
    expect((await call('POST', path, { set })).status).toBe(200)
    expect(await get('l7r.auth.plugin.site.url')).toBe('https://example.org')
  })
})

describe('policy', () => {
  const path = '/v1/policy'

  test('a rule that was added decides at the door, with all that it says', async () => {
    await call('POST', '/v1/flavours', { name: 'office', application: '1' })
    const rule = {
      name: 'home',
      tenant: 'acme',
      user: 'Ann',
      group: 'staff',
      role: 'user',
      osf: 'office',
      vm: 'ann-office',
      from: '192.0.2.0/24, 2001:db8::/32',
      use: 'yes',
      displays: 'rfb',
      clipboard: 'in',
      folders: 'ro',
      roots: '/media,/mnt',
      ports: 'off',
      printing: 'no',
      audio: '0',
      usb: '1',
      quota: '2',
    }
    expect((await call('POST', path, rule)).status).toBe(201)
    const [read] = await readPolicyRules(database.as('l7r'))
    expect(read).toMatchObject({
      name: 'home',
      about: {
        tenantId: 2,
        user: 'ann',
        group: 'staff',
        role: 'user',
        flavour: 'office',
        desktop: 'ann-office',
        from: { texts: ['192.0.2.0/24', '2001:db8::/32'] },
      },
      says: {
        use: true,
        displays: ['rfb'],
        clipboard: 'in',
        folders: { access: 'ro', roots: ['/media', '/mnt'] },
        ports: false,
        printing: false,
        audio: false,
        usb: true,
        quota: 2,
      },
    })
  })

  test('rules stand in their order, a new one below them all', async () => {
    await call('POST', path, { name: 'top', position: 5, displays: 'none' })
    await call('POST', path, { name: 'last', use: 'no' })
    expect((await call('GET', path)).said).toMatchObject([
      { position: 5, name: 'top', about: '', says: 'displays=none' },
      { position: 10, name: 'home' },
      { position: 20, name: 'last', about: '', says: 'use=no' },
    ])
    const [top] = await readPolicyRules(database.as('l7r'))
    expect(top).toEqual({ name: 'top', about: {}, says: { displays: [] } })
    expect((await call('DELETE', `${path}/top`)).status).toBe(200)
    expect(await refusal('DELETE', `${path}/top`)).toBe('404 there is no policy top')
  })

  test.each([
    [{ name: 'x' }, /^400 .*the rule says nothing: give one of use/s],
    [{ name: 'x', use: 'perhaps' }, /^400 .*use/s],
    [{ name: 'x', use: 'no', from: '10.0.0.0/33' }, /^400 .*10\.0\.0\.0\/33 is no address/],
    [{ name: 'x', use: 'no', from: '' }, /^400 .*from names no address/],
    [{ name: 'x', use: 'no', osf: 'nothing' }, '404 there is no osf nothing'],
    [{ name: 'x', use: 'no', tenant: 'nothing' }, '404 there is no tenant nothing'],
    [{ name: 'x', displays: 'nx,telnet' }, /^400 .*displays/s],
    [{ name: 'x', roots: '/media', use: 'yes' }, /^400 .*roots need folders/s],
    [{ name: 'x', use: 'no', colour: 'red' }, /^400 .*colour/s],
    [{ name: 'last', use: 'no' }, '409 policy last exists already'],
  ])('%j is refused', async (rule, sentence) => {
    expect(await refusal('POST', path, rule)).toMatch(sentence)
  })

  test("a door's book takes a change over, and keeps its rules while the database is away", async () => {
    const db = database.as('l7r')
    const book = await PolicyBook.open(db, silentLog)
    const decided = () =>
      book.decide({
        guest: { id: 1, login: 'ann', tenantId: 1, role: 'user', groups: [] },
        desktop: { name: 'd', ownerId: 1, tenantId: 1, flavour: 'f', blocked: false },
        hers: undefined,
        wish: { kind: 'list' },
        address: '192.0.2.1',
      }).allowed
    expect(decided()).toBe(false)
    await call('DELETE', `${path}/last`)
    expect(decided()).toBe(false)
    await book.reload()
    expect(decided()).toBe(true)
  })
})

test('every change that a door must see is told', async () => {
  const heard: string[] = []
  await using _ = listenForHints(
    database.address('l7r'),
    ['ostler_config', 'ostler_host', 'ostler_vm'],
    (channel) => heard.push(channel ?? 'ready'),
    silentLog,
  )
  const hears = async (channel: string, change: () => Promise<unknown>) => {
    const before = heard.length
    await change()
    const told = () => heard.slice(before).includes(channel)
    expect([channel, await comesToHold(told, 10_000, 10)]).toEqual([channel, true])
  }
  expect(await comesToHold(() => heard.includes('ready'), 10_000, 10)).toBe(true)
  const hkd = database.as('hkd')
  await hkd.insertInto('host').values({ name: 'node', memory_mb: 1 }).execute()
  await call('POST', '/v1/desktops', { name: 'd', user: 'ann', osf: 'office' })
  await hears('ostler_config', () => call('POST', '/v1/configuration', { set: { 'auth.ldap.base': 'x' } }))
  await hears('ostler_config', () => call('DELETE', '/v1/configuration?key=auth.ldap.base'))
  await hears('ostler_config', () => call('POST', '/v1/policy', { name: 'p', use: 'yes' }))
  await hears('ostler_config', () => call('DELETE', '/v1/policy/p'))
  await hears('ostler_host', () => call('POST', '/v1/hosts/node/blocked', { blocked: true }))
  await hears('ostler_vm', () => call('POST', '/v1/desktops/d/blocked', { blocked: true }))
  expect((await call('GET', '/v1/desktops')).said).toMatchObject([
    { name: 'd', tenant: 'default', blocked: true },
  ])
  expect((await call('GET', '/v1/hosts')).said).toMatchObject([{ name: 'node', blocked: true }])
})

describe('addresses of desktops', () => {
  const add = (name: string, ip?: string) =>
    [
      'POST',
      '/v1/desktops',
      { name, user: 'seat', osf: 'pinned', ...(ip === undefined ? {} : { ip }) },
    ] as const
  const addressOf = async (name: string): Promise<unknown> => {
    const { said } = await call('GET', '/v1/desktops')
    return (said as { name: string; address: string }[]).find((vm) => vm.name === name)?.address
  }
  beforeAll(async () => {
    await call('POST', '/v1/users', { login: 'seat', password: 'a' })
    await call('POST', '/v1/flavours', { name: 'pinned', memory: 256, cpus: 1 })
  })

  test('C-115: a desktop gets the address that is asked for, else the highest free one', async () => {
    const { said } = await call('GET', '/v1/desktops')
    const taken = (said as { address: string }[]).map((vm) => vm.address)
    const fromTheTop = Array.from({ length: 200 }, (_, below) => `10.3.15.${254 - below}`)
    const [first, second, third] = fromTheTop.filter((address) => !taken.includes(address))
    expect(await call(...add('wanted', second))).toMatchObject({ status: 201 })
    for (const name of ['any', 'next']) expect(await call(...add(name))).toMatchObject({ status: 201 })
    expect(await Promise.all(['wanted', 'any', 'next'].map(addressOf))).toEqual([second, first, third])
  })

  test("an address that is taken, a node's, the gateway, the broadcast's or none is refused", async () => {
    const taken = await addressOf('wanted')
    expect(await refusal(...add('second', String(taken)))).toBe(`409 the address ${String(taken)} is taken`)
    for (const outside of ['10.3.15.9', '10.3.15.1', '10.3.15.255', '10.4.0.20'])
      expect(await refusal(...add('second', outside))).toMatch(`422 ${outside} is no address for a desktop`)
    expect((await call(...add('second', '10.3.15.020'))).status).toBe(400)
    expect(await addressOf('second')).toBeUndefined()
  })
})
