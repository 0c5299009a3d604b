import { Fault } from '@ostler/contract/fault.ts'
import { Secret } from '@ostler/kit/secret.ts'
import { expect, test } from 'vitest'
import { authenticate } from './chain.ts'
import { localPlugin, normalizeLogin } from './local.ts'
import { hashPassword } from './password.ts'

const password = await hashPassword(new Secret('right'))
const USERS = [
  { id: 1, login: 'ann', password, blocked: false },
  { id: 2, login: 'bob', password, blocked: true },
  { id: 3, login: 'eve', password: '', blocked: false },
]
const plugin = await localPlugin(async (login) => USERS.find((user) => user.login === login))

const ask = (login: string, text: string) => plugin.authenticate({ login, password: new Secret(text) })

test('a user with her password is accepted', async () => {
  expect(await ask('ann', 'right')).toEqual({ kind: 'accept', user: { id: 1, login: 'ann' } })
})

test('logins are compared trimmed and in lower case', async () => {
  expect(await ask('  Ann ', 'right')).toEqual({ kind: 'accept', user: { id: 1, login: 'ann' } })
  expect(normalizeLogin(' ANN\t')).toBe('ann')
})

test('a wrong password and an unknown user get the very same answer', async () => {
  const wrong = await ask('ann', 'wrong')
  expect(wrong.kind).toBe('reject')
  expect(await ask('nobody', 'right')).toEqual(wrong)
})

test('the password of the hash that stands in for nobody opens nothing', async () => {
  expect((await ask('nobody', 'nobody has this password')).kind).toBe('reject')
})

test('a blocked user is refused with the right password, and with a wrong one looks like any other', async () => {
  expect(await ask('bob', 'right')).toEqual({ kind: 'reject', reason: 'blocked user' })
  expect(await ask('bob', 'wrong')).toEqual(await ask('ann', 'wrong'))
})

test('a user without a hash cannot sign in', async () => {
  expect((await ask('eve', 'right')).kind).toBe('reject')
})

test('a database that does not answer is no refusal', async () => {
  const broken = await localPlugin(() => Promise.reject(new Error('no answer')))
  const error = await authenticate([broken], { login: 'ann', password: new Secret('right') }).catch(
    (e: unknown) => e,
  )
  expect(error).toBeInstanceOf(Fault)
  expect(error).toMatchObject({ code: 'auth.unavailable', status: 503 })
})

test('an unknown user costs the work of a hash too', async () => {
  // CPU time, not wall time: a lookup alone is microseconds, argon2id with 19 MiB is milliseconds.
  const cost = async (login: string) => {
    const before = process.cpuUsage()
    await ask(login, 'wrong')
    const { user, system } = process.cpuUsage(before)
    return user + system
  }
  const [known, unknown] = [await cost('ann'), await cost('nobody')]
  expect(unknown).toBeGreaterThan(known / 10)
})
