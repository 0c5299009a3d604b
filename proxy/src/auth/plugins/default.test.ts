import { AUTH_OPTIONS } from '../options.ts'
import { loadConfig } from '@ostler/kit/config.ts'
import { silentLog } from '@ostler/kit/log.ts'
import { Secret } from '@ostler/kit/secret.ts'
import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { hashPassword } from '../password.ts'
import { PasswordDesk } from '../password-desk.ts'
import type { SignInRecords } from '../records.ts'
import { defaultPlugin } from './default.ts'

const TENANT = { id: 1, name: 'default' }
const modern = await hashPassword(new Secret('right'))
const old = createHash('sha256').update('qvd1234right').digest('base64').replace(/=+$/, '')
const passwords = await PasswordDesk.open()

function plugin(settings: Record<string, string> = {}) {
  const hashes = new Map([
    ['ann', modern],
    ['eve', ''],
    ['old', old],
  ])
  const records: Pick<SignInRecords, 'userByLogin' | 'replaceHash'> = {
    userByLogin: (tenantId, login) => {
      const password = hashes.get(login)
      if (password === undefined || tenantId !== TENANT.id) return Promise.resolve(undefined)
      return Promise.resolve({
        id: 7,
        login,
        tenant: TENANT,
        role: 'user',
        password,
        blocked: false,
        localGroups: [],
      })
    },
    replaceHash: (_, before, after) => {
      for (const [login, hash] of hashes) if (hash === before) hashes.set(login, after)
      return Promise.resolve()
    },
  }
  const made = defaultPlugin({
    settings: loadConfig(AUTH_OPTIONS, [], settings).values,
    records: records as SignInRecords,
    passwords,
    log: silentLog,
  })
  const ask = (login: string, password: string) =>
    made.authenticate?.({
      tenant: TENANT,
      login,
      password: new Secret(password),
      address: '192.0.2.1',
      environment: new Map(),
      certificate: undefined,
      signal: new AbortController().signal,
    })
  return { made, ask, hashes }
}

test('a user with her password is accepted, with another one rejected', async () => {
  const { ask } = plugin()
  expect(await ask('ann', 'right')).toEqual({ kind: 'accept' })
  expect(await ask('ann', 'wrong')).toEqual({ kind: 'reject', reason: 'wrong password' })
})

test.each(['nobody', 'eve'])('%s has no password here, and others may know her', async (login) => {
  const { ask } = plugin()
  for (const password of ['right', 'nobody has this password'])
    expect(await ask(login, password)).toMatchObject({ kind: 'abstain' })
})

test("a hash of QVD's is verified in its way and replaced by argon2id", async () => {
  const { ask, hashes } = plugin()
  expect(await ask('old', 'wrong')).toMatchObject({ kind: 'reject' })
  expect(hashes.get('old')).toBe(old)
  expect(await ask('old', 'right')).toEqual({ kind: 'accept' })
  expect(hashes.get('old')).toMatch(/^\$argon2id\$/)
  expect(await ask('old', 'right')).toEqual({ kind: 'accept' })
  expect(await ask('old', 'wrong')).toMatchObject({ kind: 'reject' })
})

test('the salt of such hashes can be another one', async () => {
  const { ask } = plugin({ 'l7r.auth.plugin.default.salt': 'sea' })
  expect(await ask('old', 'right')).toMatchObject({ kind: 'reject' })
})

test.each([
  ['ann', 'default', 'ann'],
  ['ann@acme', 'acme', 'ann'],
  ['ann#acme', 'acme', 'ann'],
  ['ann@acme#x', 'acme#x', 'ann'],
  ['@acme', 'acme', ''],
  ['', 'default', ''],
])('%j is of the tenant %j', (typed, tenant, login) => {
  expect(plugin().made.findTenant?.(typed)).toEqual({ tenant, login })
})

test('separators and the tenant of logins without one are configured', () => {
  const { made } = plugin({
    'l7r.auth.plugin.default.separators': '%',
    'l7r.auth.plugin.default.tenant': 'house',
  })
  expect(made.findTenant?.('ann@x')).toEqual({ tenant: 'house', login: 'ann@x' })
  expect(made.findTenant?.('ann%x')).toEqual({ tenant: 'x', login: 'ann' })
})

test('an unknown user, and one with an old hash, cost the work of a hash too', async () => {
  const { ask } = plugin()
  // CPU time, not wall time: a lookup alone is microseconds, argon2id with 19 MiB is milliseconds.
  const cost = async (login: string) => {
    const before = process.cpuUsage()
    await ask(login, 'wrong')
    const { user, system } = process.cpuUsage(before)
    return user + system
  }
  const known = await cost('ann')
  for (const login of ['nobody', 'eve', 'old']) expect(await cost(login)).toBeGreaterThan(known / 10)
})
