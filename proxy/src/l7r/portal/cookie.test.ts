import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { COOKIE_SECONDS, openCookieJar } from './cookie.ts'

const folder = mkdtempSync(join(tmpdir(), 'ostler-cookie-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const NOW = 1_800_000_000_000
const file = join(folder, 'deep', 'cookie.key')
const ANN = { userId: 42, parametersId: 7 }
let time = NOW
const jar = openCookieJar(file, () => time)

test('a cookie tells its user until it is too old', () => {
  time = NOW
  const cookie = jar.bake(ANN)
  expect(jar.read(cookie)).toEqual(ANN)
  time = NOW + COOKIE_SECONDS * 1000 - 1
  expect(jar.read(cookie)).toEqual(ANN)
  time = NOW + COOKIE_SECONDS * 1000
  expect(jar.read(cookie)).toBeUndefined()
  time = NOW
})

test('cookies survive a restart of the door', () => {
  expect(openCookieJar(file, () => NOW).read(jar.bake(ANN))).toEqual(ANN)
})

test('the cookie of another jar is nobody', () => {
  expect(openCookieJar(join(folder, 'other.key'), () => NOW).read(jar.bake(ANN))).toBeUndefined()
})

test('a cookie that was altered anywhere is nobody', () => {
  const cookie = jar.bake(ANN)
  for (let at = 0; at < cookie.length; at++)
    for (const char of ['0', '9', 'A', '.', ' ']) {
      const altered = cookie.slice(0, at) + char + cookie.slice(at + 1)
      if (altered !== cookie) expect(jar.read(altered)).toBeUndefined()
    }
  for (let length = 0; length < cookie.length; length++)
    expect(jar.read(cookie.slice(0, length))).toBeUndefined()
  expect(jar.read(`${cookie}A`)).toBeUndefined()
})

test.each([undefined, '', '42', '42.7.9999999999.', '42.7.9999999999.AAAA', '.', '42..'])(
  '%j is nobody',
  (cookie) => {
    expect(jar.read(cookie)).toBeUndefined()
  },
)

test('a note comes back until it is too old, for its purpose alone', () => {
  time = NOW
  const note = jar.bakeNote('oidc', { state: 'ü.1' }, 600)
  expect(note).toMatch(/^[\w.-]+$/)
  expect(jar.readNote('oidc', note)).toEqual({ state: 'ü.1' })
  expect(jar.readNote('other', note)).toBeUndefined()
  expect(jar.read(note)).toBeUndefined()
  expect(jar.readNote('oidc', jar.bake(ANN))).toBeUndefined()
  time = NOW + 600_000
  expect(jar.readNote('oidc', note)).toBeUndefined()
  time = NOW
})

test('a note that was altered anywhere is none', () => {
  const note = jar.bakeNote('oidc', { state: 'x' }, 600)
  for (let at = 0; at < note.length; at++)
    for (const char of ['0', '9', 'A', '.', ' ']) {
      const altered = note.slice(0, at) + char + note.slice(at + 1)
      if (altered !== note) expect(jar.readNote('oidc', altered)).toBeUndefined()
    }
  for (const none of [undefined, '', '.', 'e30.9999999999.', 'e30.9999999999.AAAA'])
    expect(jar.readNote('oidc', none)).toBeUndefined()
})

test('the key is 32 bytes that only the owner reads', () => {
  expect(readFileSync(file)).toHaveLength(32)
  expect(statSync(file).mode & 0o777).toBe(0o600)
})
