import { Fault } from '@ostler/contract/fault.ts'
import { silentLog } from '@ostler/kit/log.ts'
import { Secret } from '@ostler/kit/secret.ts'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadSitePlugin } from './site-plugin.ts'

const TENANT = { id: 1, name: 'default' }
const SOMEBODY = 12_345
const ORIGIN = {
  address: '192.0.2.1',
  environment: new Map([['badge', '4711']]),
  certificate: undefined,
  signal: new AbortController().signal,
}
const ATTEMPT = { ...ORIGIN, tenant: TENANT, login: 'ann', password: new Secret('right') }
const GUEST = { tenant: TENANT, login: 'ann', groups: ['staff'] }
const ABSTAINS = "export default () => ({ authenticate: async () => ({ kind: 'abstain' }) })"

let folder: string

beforeEach(() => {
  const top = mkdtempSync(join(tmpdir(), 'ostler-site-plugin-'))
  folder = join(top, 'auth')
  mkdirSync(folder)
})
afterEach(() => {
  rmSync(join(folder, '..'), { recursive: true })
})

function write(source: string, word = 'site'): string {
  const file = join(folder, `${word}.mjs`)
  writeFileSync(file, source)
  return file
}

function load(options: { word?: string; settings?: Record<string, string>; timeoutMs?: number } = {}) {
  return loadSitePlugin({ folder, word: 'site', settings: {}, timeoutMs: 60_000, log: silentLog, ...options })
}

/** A plugin with these members. */
function withMembers(members: string) {
  write(`export default () => (${members})`)
  return load()
}

/** Why a plugin is not loaded. */
async function problemOf(loading: Promise<unknown>): Promise<string> {
  const error = await loading.then(
    () => undefined,
    (cause: unknown) => cause,
  )
  if (!(error instanceof Fault)) throw new Error('it did not end with a fault', { cause: error })
  expect(error.code).toBe('auth.unavailable')
  return (error.cause as Error).message
}

describe('its file', () => {
  test('is found by the word, and is told its settings', async () => {
    write("export default ({ settings }) => ({ mayUse: async () => settings.open === '1' })", 'my_site2')
    const plugin = await load({ word: 'my_site2', settings: { open: '1' } })
    expect(plugin.name).toBe('my_site2')
    expect(await plugin.mayUse?.(GUEST, { id: 1, name: 'desk' })).toBe(true)
  })

  test.each(['../site', 'si/te', 'si te', 'site.mjs', ''])(
    'is not looked for by the word %j',
    async (word) => {
      expect(await problemOf(load({ word }))).toContain('letters, digits')
    },
  )

  test('must be there', async () => {
    expect(await problemOf(load())).toContain('ENOENT')
  })

  test.each([
    ['the file', () => chownSync(write(ABSTAINS), SOMEBODY, 0), 'site.mjs belongs to user 12345'],
    ['the folder', () => chownSync(folder, SOMEBODY, 0), 'auth belongs to user 12345'],
    ['the folder above', () => chownSync(join(folder, '..'), SOMEBODY, 0), 'belongs to user 12345'],
  ])('and root’s, from its top: not when %s is somebody else’s', async (_, spoil, words) => {
    write(ABSTAINS)
    spoil()
    expect(await problemOf(load())).toContain(words)
  })

  test.each([
    ['the file', 0o666, () => join(folder, 'site.mjs')],
    ['the folder', 0o777, () => folder],
    ['the folder above', 0o777, () => join(folder, '..')],
  ])('not when others may write to %s', async (_, mode, path) => {
    write(ABSTAINS)
    chmodSync(path(), mode)
    expect(await problemOf(load())).toContain('can be written to by others than root')
  })

  test('not when a link leads to where others may write', async () => {
    const theirs = join(folder, 'theirs')
    mkdirSync(theirs)
    writeFileSync(join(theirs, 'real.mjs'), ABSTAINS)
    symlinkSync(join(theirs, 'real.mjs'), join(folder, 'site.mjs'))
    expect((await load()).name).toBe('site')
    chownSync(theirs, SOMEBODY, SOMEBODY)
    expect(await problemOf(load())).toContain('belongs to user')
  })

  test('that has changed is read again', async () => {
    const file = write('export default () => ({ mayUse: async () => true })')
    utimesSync(file, 1_000, 1_000)
    const desktop = { id: 1, name: 'desk' }
    expect(await (await load()).mayUse?.(GUEST, desktop)).toBe(true)
    write('export default () => ({ mayUse: async () => false })')
    expect(await (await load()).mayUse?.(GUEST, desktop)).toBe(false)
  })

  test.each([
    ['no JavaScript', 'export default (', ''],
    ['nothing by default', 'export const plugin = () => ({})', 'exports no function by default'],
    ['an object by default', 'export default { authenticate() {} }', 'exports no function by default'],
    ['a function that makes nothing', 'export default () => {}', 'makes no object'],
    ['a function that throws', "export default () => { throw new Error('no list') }", 'no list'],
    ['no member', 'export default () => ({})', 'no function that is called'],
    ['a misspelt member', 'export default () => ({ authentificate() {} })', 'nobody calls authentificate'],
    ['a name of its own', "export default () => ({ name: 'x', mayUse() {} })", 'nobody calls name'],
    ['a member that is no function', 'export default () => ({ mayUse: true })', 'mayUse is no function'],
    [
      'half a second factor',
      'export default () => ({ secondFactor: { digits() {} } })',
      'take is no function',
    ],
    ['no second factor', 'export default () => ({ secondFactor: 6 })', 'secondFactor is no object'],
  ])('is not used with %s in it', async (_, source, words) => {
    write(source)
    expect(await problemOf(load())).toContain(words)
  })

  test('that does not end loading is not waited for', async () => {
    write('await new Promise(() => setInterval(() => {}, 1_000_000).unref()); export default () => ({})')
    expect(await problemOf(load({ timeoutMs: 50 }))).toContain('took longer than 50 ms')
  })

  test('may make the plugin later, and as an object of a class', async () => {
    write(
      `
      class Badge {
        #open = true
        _look() { return this.#open }
        async mayUse() { return this._look() }
        get secondFactor() { return undefined }
      }
      export default async () => new Badge()`.replace(/.*get secondFactor.*\n/, ''),
    )
    expect(await (await load()).mayUse?.(GUEST, { id: 1, name: 'desk' })).toBe(true)
  })
})

describe('what it is asked', () => {
  test('it sees the login, the password, where it comes from and what the client shares (C-22)', async () => {
    const plugin = await withMembers(`{ authenticate: async (attempt) => {
      const { tenant, login, password, address, environment, certificate, signal } = attempt
      const parameters = { seen: [tenant.name, login, password.reveal(), address, environment.get('badge'),
        certificate, signal.aborted].join() }
      return { kind: 'accept', parameters }
    } }`)
    expect(await plugin.authenticate?.(ATTEMPT)).toEqual({
      kind: 'accept',
      parameters: { seen: 'default,ann,right,192.0.2.1,4711,,false' },
    })
  })

  test('about a desktop it is told who wants it, and nothing else of her', async () => {
    const plugin = await withMembers(`{ mayUse: async (guest, desktop) =>
      JSON.stringify([Object.keys(guest), guest.groups, desktop]) ===
      '[["tenant","login","groups"],["staff"],{"id":1,"name":"desk"}]' }`)
    const signedIn = { ...GUEST, plugins: [], user: {} }
    expect(await plugin.mayUse?.(signedIn, { id: 1, name: 'desk' })).toBe(true)
  })
})

describe('what it answers', () => {
  test.each([
    "{ kind: 'accept' }",
    "{ kind: 'accept', login: 'ann', parameters: { 'qvd.vm.user.uid': '7', 'a-b.c_d': 'ä' }, groups: ['x'] }",
    "{ kind: 'reject', reason: 'wrong password' }",
    "{ kind: 'abstain' }",
    "{ kind: 'abstain', reason: 'no list' }",
  ])('%s is a verdict', async (answer) => {
    const plugin = await withMembers(`{ authenticate: async () => (${answer}) }`)
    expect(await plugin.authenticate?.(ATTEMPT)).toMatchObject({ kind: expect.any(String) as string })
  })

  test.each([
    'undefined',
    'true',
    "'accept'",
    '{}',
    "{ kind: 'Accept' }",
    "{ kind: 'accept', login: '' }",
    "{ kind: 'accept', login: 7 }",
    "{ kind: 'accept', param: {} }",
    "{ kind: 'accept', parameters: { uid: 7 } }",
    "{ kind: 'accept', parameters: { 'two words': 'x' } }",
    "{ kind: 'accept', parameters: { x: 'two\\nlines' } }",
    "{ kind: 'accept', groups: 'staff' }",
    "{ kind: 'reject' }",
  ])('%s is none: nobody could tell', async (answer) => {
    const plugin = await withMembers(
      `{ authenticate: async () => (${answer}), authenticateCertificate: () => (${answer}) }`,
    )
    await expect(plugin.authenticate?.(ATTEMPT)).rejects.toThrow('authenticate answered what it must not')
    await expect(plugin.authenticateCertificate?.(TENANT, ORIGIN)).rejects.toThrow('must not')
  })

  test('a tenant is found at once', async () => {
    const plugin = await withMembers(`{ findTenant: (typed) => {
      if (typed === 'late') return Promise.resolve({ tenant: 'acme', login: 'ann' })
      return typed === 'none' ? undefined : { tenant: 'acme', login: typed }
    } }`)
    expect(plugin.findTenant?.('ann')).toEqual({ tenant: 'acme', login: 'ann' })
    expect(plugin.findTenant?.('none')).toBeUndefined()
    expect(() => plugin.findTenant?.('late')).toThrow('findTenant answered what it must not')
  })

  test('parameters after the sign-in are text, or nothing', async () => {
    const plugin = await withMembers(`{ afterSignIn: async ({ login }) =>
      login === 'ann' ? { 'badge.number': '7' } : login === 'eve' ? { 'badge.number': 7 } : undefined }`)
    expect(await plugin.afterSignIn?.(GUEST, ORIGIN)).toEqual({ 'badge.number': '7' })
    expect(await plugin.afterSignIn?.({ ...GUEST, login: 'bob' }, ORIGIN)).toBeUndefined()
    await expect(plugin.afterSignIn?.({ ...GUEST, login: 'eve' }, ORIGIN)).rejects.toThrow('must not')
  })

  test.each(["'yes'", '1', 'null', "Promise.reject(new Error('x'))", 'new Promise(() => {})'])(
    'whether somebody may use a desktop is yes or no: with %s nobody could tell',
    async (answer) => {
      write(`export default () => ({ mayUse: () => ${answer} })`)
      const plugin = await load({ timeoutMs: 200 })
      await expect(plugin.mayUse?.(GUEST, { id: 1, name: 'desk' })).rejects.toMatchObject({
        code: 'auth.unavailable',
      })
    },
  )

  test('a second factor has so many characters, and is right or wrong', async () => {
    const plugin = await withMembers(`{ secondFactor: {
      right: '4711',
      async digits({ login }) { return login === 'ann' ? this.right.length : login === 'eve' ? 0 : undefined },
      async take({ login }, code) { return login === 'eve' ? 1 : code.reveal() === this.right },
    } }`)
    const user = (login: string) => ({ tenant: TENANT, login, address: '192.0.2.1' })
    const { secondFactor } = plugin
    expect(await secondFactor?.digits(user('ann'))).toBe(4)
    expect(await secondFactor?.digits(user('bob'))).toBeUndefined()
    await expect(secondFactor?.digits(user('eve'))).rejects.toThrow('must not')
    expect(await secondFactor?.take(user('ann'), new Secret('4711'))).toBe(true)
    expect(await secondFactor?.take(user('ann'), new Secret('0000'))).toBe(false)
    await expect(secondFactor?.take(user('eve'), new Secret('4711'))).rejects.toThrow('must not')
  })
})
