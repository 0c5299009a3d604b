import { loadConfig } from '@ostler/kit/config.ts'
import { type Log, silentLog } from '@ostler/kit/log.ts'
import { Secret } from '@ostler/kit/secret.ts'
import { Secret as Key, TOTP } from 'otpauth'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { AUTH_OPTIONS } from '../options.ts'
import { PasswordDesk } from '../password-desk.ts'
import type { SignInRecords, Spending } from '../records.ts'
import { PLUGINS } from '../registry.ts'
import { totpPlugin } from './totp.ts'

const TENANT = { id: 1, name: 'default' }
/** The key of RFC 6238, appendix B. */
const RFC = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'
const NOON = Date.UTC(2026, 0, 1, 12, 0, 5)
const passwords = await PasswordDesk.open()

beforeEach(() => vi.useFakeTimers({ toFake: ['Date'], now: NOON }))
afterEach(() => {
  vi.useRealTimers()
})

function plugin(settings: Record<string, string> = {}, keys: Record<string, string> = { ann: RFC }) {
  const taken: [number, string, number, string][] = []
  const answers: Spending[] = []
  const records: Pick<SignInRecords, 'userByLogin' | 'userProperty' | 'spend'> = {
    userByLogin: (_, login) =>
      Promise.resolve({
        id: 7,
        login,
        tenant: TENANT,
        role: 'user',
        password: '',
        blocked: false,
        localGroups: [],
      }),
    userProperty: (tenantId, login, key) =>
      Promise.resolve(
        key === 'l7r.auth.plugin.totp.secret32' && tenantId === TENANT.id && Object.hasOwn(keys, login)
          ? keys[login]
          : undefined,
      ),
    spend: (...credential) => {
      taken.push(credential)
      return Promise.resolve(answers.shift() ?? 'fresh')
    },
  }
  const warnings: unknown[] = []
  const log: Log = { ...silentLog, error: (message, fields) => warnings.push({ message, ...fields }) }
  const factor = totpPlugin({
    settings: loadConfig(AUTH_OPTIONS, [], settings).values,
    records: records as SignInRecords,
    passwords,
    log,
  }).secondFactor
  if (factor === undefined) throw new Error('it is no second factor')
  const take = (code: string, login = 'ann') =>
    factor.take({ tenant: TENANT, login, address: '192.0.2.1' }, new Secret(code))
  return {
    digits: (login: string) => factor.digits({ tenant: TENANT, login }),
    take,
    taken,
    answers,
    warnings,
  }
}

/** What a phone shows, so many seconds from now. */
function codeIn(seconds: number, options: { digits?: number; period?: number; key?: string } = {}): string {
  const { key = RFC, ...rest } = options
  const totp = new TOTP({ secret: Key.fromBase32(key), digits: 6, period: 30, ...rest })
  return totp.generate({ timestamp: Date.now() + seconds * 1_000 })
}

test('the word is known in any case', () => {
  expect(Object.keys(PLUGINS)).toContain('totp')
})

test('who has the property has a second factor, and nobody else', async () => {
  const { digits } = plugin()
  expect(await digits('ann')).toBe(6)
  expect(await digits('bob')).toBeUndefined()
  expect(await plugin({ 'l7r.auth.plugin.totp.token_size': '8' }).digits('ann')).toBe(8)
})

test('this code and the one before pass, older and coming ones do not (C-98)', async () => {
  const { take } = plugin()
  expect(await take(codeIn(0))).toBe(true)
  expect(await take(codeIn(-30))).toBe(true)
  expect(await take(codeIn(-60))).toBe(false)
  expect(await take(codeIn(30))).toBe(false)
})

test('how far a code may be off is configured, either way apart', async () => {
  const { take } = plugin({ 'l7r.auth.plugin.totp.leeway': '0', 'l7r.auth.plugin.totp.leeway_before': '2' })
  const passes = []
  for (const seconds of [-30, 0, 30, 60, 90]) passes.push(await take(codeIn(seconds)))
  expect(passes).toEqual([false, true, true, true, false])
})

test('the codes are those of RFC 6238', async () => {
  const { take } = plugin({ 'l7r.auth.plugin.totp.token_size': '8' })
  for (const [seconds, code] of [
    [59, '94287082'],
    [1_111_111_109, '07081804'],
    [1_111_111_111, '14050471'],
    [2_000_000_000, '69279037'],
    [20_000_000_000, '65353130'],
  ] as const) {
    vi.setSystemTime(seconds * 1_000)
    expect(await take(code)).toBe(true)
    expect(await take(code.replace(/.$/, (digit) => String((Number(digit) + 1) % 10)))).toBe(false)
  }
})

test('before counting began nothing is right', async () => {
  const { take } = plugin({ 'l7r.auth.plugin.totp.t0': '2000000000' })
  expect(await take(codeIn(0))).toBe(false)
  vi.setSystemTime((2_000_000_000 + 59) * 1_000)
  expect(await take('287082')).toBe(true)
})

test('a code is taken by the time at which its step began', async () => {
  const { take, taken } = plugin()
  await take(codeIn(0))
  await take(codeIn(-30))
  const began = (NOON - 5_000) / 1_000
  expect(taken).toEqual([
    [7, 'totp', began, '192.0.2.1'],
    [7, 'totp', began - 30, '192.0.2.1'],
  ])
})

test('what was spent is no code; what the same user shows again is', async () => {
  const { take, answers } = plugin()
  answers.push('fresh', 'again', 'spent')
  const code = codeIn(0)
  expect([await take(code), await take(code), await take(code)]).toEqual([true, true, false])
})

test.each(['', ' ', '12345', '1234567', 'abcdef', '12345é', '１２３４５６', '123456\u0000', '-12345'])(
  '%j is no code, and nothing is spent for it',
  async (code) => {
    const { take, taken } = plugin()
    expect(await take(code)).toBe(false)
    expect(taken).toEqual([])
  },
)

test('a code may be typed in groups, and a key be written in them', async () => {
  const { take } = plugin({}, { ann: 'gezd gnbv gy3t qojq gezd gnbv gy3t qojq' })
  expect(await take(codeIn(0).replace(/^.../, '$& '))).toBe(true)
})

test('the code of somebody else is wrong', async () => {
  const { take } = plugin({}, { ann: RFC, bob: 'JBSWY3DPEHPK3PXP' })
  expect(await take(codeIn(0, { key: 'JBSWY3DPEHPK3PXP' }))).toBe(false)
  expect(await take(codeIn(0, { key: 'JBSWY3DPEHPK3PXP' }), 'bob')).toBe(true)
  expect(await take(codeIn(0), 'nobody')).toBe(false)
})

test.each(['', '   ', 'not base32 1!', '='])(
  'with the key %j nobody could tell, and the log names the user',
  async (key) => {
    const { digits, take, warnings } = plugin({}, { ann: key })
    await expect(digits('ann')).rejects.toMatchObject({ code: 'auth.unavailable' })
    await expect(take('123456')).rejects.toMatchObject({ code: 'auth.unavailable' })
    expect(warnings[0]).toMatchObject({ login: 'ann', tenant: 'default' })
    if (/[a-z]/.test(key)) expect(JSON.stringify(warnings)).not.toContain(key)
  },
)
