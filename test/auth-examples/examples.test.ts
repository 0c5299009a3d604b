import { loadSitePlugin } from '@ostler/proxy/auth/site-plugin.ts'
import type { AuthPlugin } from '@ostler/proxy/auth/plugin.ts'
import { silentLog } from '@ostler/kit/log.ts'
import { Secret } from '@ostler/kit/secret.ts'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { AuthFolder } from '../fixtures/auth-folder.ts'

const EXAMPLES = join(import.meta.dirname, '../../auth-examples')
const folder = new AuthFolder()
afterAll(() => folder[Symbol.dispose]())

function load(word: string, settings: Record<string, string>): Promise<AuthPlugin> {
  folder.install(word)
  return loadSitePlugin({ folder: folder.path, word, settings, timeoutMs: 60_000, log: silentLog })
}

const TENANT = { id: 1, name: 'default' }

function attempt(login: string, environment: Record<string, string> = {}) {
  return {
    tenant: TENANT,
    login,
    password: new Secret('right'),
    address: '192.0.2.1',
    environment: new Map(Object.entries(environment)),
    certificate: undefined,
    signal: new AbortController().signal,
  }
}

describe('office_hours', () => {
  beforeEach(() => vi.useFakeTimers({ toFake: ['Date'] }))
  afterEach(() => {
    vi.useRealTimers()
  })

  const IN_MADRID = { from: '08:00', to: '17:30', days: 'Mon, Tue', timezone: 'Europe/Madrid' }

  // 2 March 2026 is a Monday, and Madrid an hour ahead of UTC.
  test.each([
    ['when they begin', '2026-03-02T07:00:00Z', 'abstain'],
    ['before', '2026-03-02T06:59:59Z', 'reject'],
    ['in their last minute', '2026-03-03T16:29:59Z', 'abstain'],
    ['at their end', '2026-03-03T16:30:00Z', 'reject'],
    ['on another day', '2026-03-04T10:00:00Z', 'reject'],
    ['at midnight', '2026-03-01T23:00:00Z', 'reject'],
  ])('%s', async (_, now, kind) => {
    const plugin = await load('office_hours', IN_MADRID)
    vi.setSystemTime(new Date(now))
    expect(await plugin.authenticate?.(attempt('ann'))).toMatchObject({ kind })
  })

  test.each([{ from: '8' }, { to: '25:00' }, { timezone: 'Europe/Atlantis' }])(
    'with %j nobody could tell',
    async (settings) => {
      await expect(load('office_hours', settings)).rejects.toMatchObject({ code: 'auth.unavailable' })
    },
  )
})

describe('badge', () => {
  const file = join(folder.path, 'badges')
  const plugin = () => load('badge', { file, desktops: 'lab-' })

  beforeEach(() => {
    writeFileSync(file, 'ann 4711 3\nbob 4712\n\n')
  })

  test.each([
    ['ann', { BADGE: '4711' }, 'abstain'],
    ['ann', { BADGE: '4712' }, 'reject'],
    ['ann', {}, 'reject'],
    ['eve', {}, 'abstain'],
    ['eve', { BADGE: '4711' }, 'abstain'],
  ])('%s with %j: %s', async (login, environment: Record<string, string>, kind) => {
    expect(await (await plugin()).authenticate?.(attempt(login, environment))).toMatchObject({ kind })
  })

  test('hooks are told about it (C-99)', async () => {
    const badge = await plugin()
    const told = (login: string) => badge.afterSignIn?.({ tenant: TENANT, login, groups: [] }, attempt(login))
    expect(await told('ann')).toEqual({ 'badge.number': '4711', 'badge.floor': '3' })
    expect(await told('bob')).toEqual({ 'badge.number': '4712', 'badge.floor': '' })
    expect(await told('eve')).toBeUndefined()
  })

  test.each([
    ['ann', 'lab-3', undefined],
    ['eve', 'lab-3', false],
    ['eve', 'desk', undefined],
  ])('%s may use %s: %s', async (login, name, answer) => {
    const badge = await plugin()
    expect(await badge.mayUse?.({ tenant: TENANT, login, groups: [] }, { id: 1, name })).toBe(answer)
  })

  test('without its file nobody could tell', async () => {
    const badge = await load('badge', { file: join(folder.path, 'none') })
    await expect(badge.authenticate?.(attempt('ann'))).rejects.toThrow('ENOENT')
  })
})

test('each example is in the list, with the keys that it reads at its top', () => {
  const readme = readFileSync(join(EXAMPLES, 'README.md'), 'utf8')
  for (const name of readdirSync(EXAMPLES).filter((file) => file !== 'README.md')) {
    expect(readme).toContain(`[\`${name}\`](${name})`)
    const source = readFileSync(join(EXAMPLES, name), 'utf8')
    const keys = [...source.matchAll(/l7r\.auth\.plugin\.\w+\.(\w+) = /g)].map(([, key]) => key)
    expect(keys.length).toBeGreaterThan(0)
    for (const key of keys)
      expect(source).toMatch(new RegExp(`settings\\.${key}|\\{.*\\b${key} = .*settings`))
  }
})
