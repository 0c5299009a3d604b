import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { pulseCookie, pulsePlace } from './pulse-server.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-pulse-place-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

test.each([
  ['unix:/run/pulse', { path: '/run/pulse' }],
  ['/run/pulse', { path: '/run/pulse' }],
  ['{3d12}unix:/run/pulse tcp:other', { path: '/run/pulse' }],
  ['tcp:sound.example.org:4714', { host: 'sound.example.org', port: 4714 }],
  ['sound.example.org', { host: 'sound.example.org', port: 4713 }],
  ['tcp6:[::1]:4714', { host: '::1', port: 4714 }],
  ['udp:a:b', undefined],
])('PULSE_SERVER=%s', (value, place) => {
  expect(pulsePlace({ PULSE_SERVER: value })).toEqual(place)
})

test("else it is the socket in the user's run-time folder, when there is one", () => {
  expect(pulsePlace({ PULSE_RUNTIME_PATH: folder })).toBeUndefined()
  writeFileSync(join(folder, 'native'), '')
  expect(pulsePlace({ PULSE_RUNTIME_PATH: folder })).toEqual({ path: join(folder, 'native') })
  expect(pulsePlace({})).toBeUndefined()
})

test('the cookie is hers, or nothing where it is no cookie', () => {
  const file = join(folder, 'cookie')
  writeFileSync(file, Buffer.alloc(256, 7))
  expect(pulseCookie({ HOME: folder, PULSE_COOKIE: file })).toEqual(Buffer.alloc(256, 7))
  writeFileSync(file, 'short')
  expect(pulseCookie({ HOME: folder, PULSE_COOKIE: file })).toEqual(Buffer.alloc(256))
})
