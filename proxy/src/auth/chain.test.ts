import { Fault } from '@ostler/contract/fault.ts'
import { Secret } from '@ostler/kit/secret.ts'
import { expect, test } from 'vitest'
import { authenticate } from './chain.ts'
import type { AuthPlugin, Verdict } from './plugin.ts'

const ANN = { id: 7, login: 'ann' }
const ACCEPT: Verdict = { kind: 'accept', user: ANN }
const REJECT: Verdict = { kind: 'reject', reason: 'wrong password' }
const ABSTAIN: Verdict = { kind: 'abstain' }

/** Asks a chain of plugins that say what is given; tells the outcome and who was asked. */
async function ask(says: readonly (Verdict | Error)[], login = 'ann', password = 'hush') {
  const asked: number[] = []
  const plugins = says.map((what, index): AuthPlugin => ({
    name: `plugin ${index}`,
    authenticate: async () => {
      asked.push(index)
      if (what instanceof Error) throw what
      return what
    },
  }))
  const outcome = await authenticate(plugins, { login, password: new Secret(password) }).catch(
    (error: unknown) => (error instanceof Fault ? error.code : error),
  )
  return { outcome, asked }
}

test('the first plugin that accepts decides', async () => {
  expect(await ask([ABSTAIN, ACCEPT, REJECT])).toEqual({ outcome: ANN, asked: [0, 1] })
})

test('the first plugin that rejects decides', async () => {
  expect(await ask([ABSTAIN, REJECT, ACCEPT])).toEqual({ outcome: 'auth.required', asked: [0, 1] })
})

test('when all abstain nobody knows the user', async () => {
  expect(await ask([ABSTAIN, ABSTAIN])).toEqual({ outcome: 'auth.required', asked: [0, 1] })
  expect(await ask([])).toEqual({ outcome: 'auth.required', asked: [] })
})

test('a plugin that cannot tell makes the sign-in unavailable, never refused, and later ones are not asked', async () => {
  expect(await ask([new Error('no database'), ACCEPT])).toEqual({ outcome: 'auth.unavailable', asked: [0] })
})

test('the cause of what could not be told is kept, and named without its text', async () => {
  const cause = new Error('the database says hush')
  const plugin: AuthPlugin = { name: 'ldap', authenticate: () => Promise.reject(cause) }
  const error = await authenticate([plugin], { login: 'a', password: new Secret('b') }).catch(
    (e: unknown) => e,
  )
  expect(error).toMatchObject({ code: 'auth.unavailable', detail: { reason: 'ldap failed' }, cause })
  expect(JSON.stringify(error)).not.toContain('hush')
})

test.each([
  ['ann', ''],
  ['', 'hush'],
  ['', ''],
])('login %j with password %j is refused before any plugin is asked', async (login, password) => {
  expect(await ask([ACCEPT], login, password)).toEqual({ outcome: 'auth.required', asked: [] })
})
