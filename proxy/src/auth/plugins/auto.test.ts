import { loadConfig } from '@ostler/kit/config.ts'
import { silentLog } from '@ostler/kit/log.ts'
import { expect, test } from 'vitest'
import type { FirstDesktop, Provided } from '../../model/first-desktop.ts'
import { AUTH_OPTIONS } from '../options.ts'
import { PasswordDesk } from '../password-desk.ts'
import type { SignInRecords } from '../records.ts'
import { autoPlugin } from './auto.ts'

const passwords = await PasswordDesk.open()

function plugin(settings: Record<string, string> = {}, provided: Provided = 'made') {
  const wanted: FirstDesktop[] = []
  const said: unknown[] = []
  const records: Pick<SignInRecords, 'provideFirstDesktop'> = {
    provideFirstDesktop: (desktop) => {
      wanted.push(desktop)
      return Promise.resolve(provided)
    },
  }
  const keep = (message: string, fields?: object) => said.push({ message, ...fields })
  const made = autoPlugin({
    settings: loadConfig(AUTH_OPTIONS, [], settings).values,
    records: records as SignInRecords,
    passwords,
    log: { ...silentLog, info: keep, warn: keep, error: keep },
  })
  const signIn = async (login: string) =>
    await made.afterSignIn?.(
      { tenant: { id: 2, name: 'acme' }, login, groups: [] },
      {
        address: '192.0.2.1',
        environment: new Map(),
        certificate: undefined,
        signal: new AbortController().signal,
      },
    )
  return { made, signIn, wanted, said }
}

test('it lets nobody in by itself', () => {
  expect(Object.keys(plugin().made)).toEqual(['name', 'afterSignIn'])
})

test('it asks for a desktop of the configured flavour and tag, named after her', async () => {
  const { signIn, wanted } = plugin({
    'auth.auto.osf_id': '7',
    'auth.auto.di_tag': 'stable',
    'auth.auto.max_vms': '3',
  })
  await signIn('ann')
  expect(wanted).toEqual([
    { tenantId: 2, login: 'ann', flavourId: 7, diTag: 'stable', names: ['ann-1', 'ann-2', 'ann-3'] },
  ])
})

test('without a flavour she gets a row alone', async () => {
  const { signIn, wanted } = plugin()
  await signIn('ann')
  expect(wanted).toMatchObject([{ flavourId: undefined, diTag: 'default' }])
})

test.each(['', '7of9', 'ann@acme', 'ann smith', '../ann', '-ann', 'änn', 'a'.repeat(33), 'ann\n'])(
  '%j cannot be an account: refused, and the log says why',
  async (login) => {
    const { signIn, wanted, said } = plugin()
    await expect(signIn(login)).rejects.toMatchObject({ code: 'auth.required' })
    expect(wanted).toEqual([])
    expect(said).toMatchObject([{ login, reason: 'her login cannot be the name of an account' }])
  },
)

test.each(['ann', '_ann', 'Ann.Smith-2', 'a'.repeat(32)])('%j can', async (login) => {
  const { signIn, wanted } = plugin()
  await signIn(login)
  expect(wanted).toHaveLength(1)
})

test.each([
  ['unknownFlavour', 'auth.auto.osf_id is 7'],
  ['namesTaken', 'auth.auto.max_vms'],
  ['addressesTaken', 'address'],
] as const)('%s: nobody could tell, with a sentence that names the key', async (provided, words) => {
  const { signIn } = plugin({ 'auth.auto.osf_id': '7' }, provided)
  const refusal = signIn('ann')
  await expect(refusal).rejects.toMatchObject({ code: 'auth.unavailable' })
  await expect(refusal).rejects.toThrow(words)
})
