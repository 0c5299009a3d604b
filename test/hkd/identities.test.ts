import type { Log } from '@ostler/kit/log.ts'
import { silentLog } from '@ostler/kit/log.ts'
import { comesToHold } from '@ostler/kit/poll.ts'
import type { CallerIdentity } from '@ostler/proxy/guest/agent-link.ts'
import { keepIdentities } from '@ostler/proxy/hkd/identities.ts'
import { openTrust } from '@ostler/proxy/hkd/trust.ts'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { openTestDatabase, type TestDatabase } from '../fixtures/database.ts'

const DAY_MS = 86_400_000
const folder = mkdtempSync(join(tmpdir(), 'ostler-identities-'))
const file = join(folder, 'l7r/identity.json')
const door = { name: 'nobody', uid: 65_534, gid: 65_534, home: '/', shell: '/bin/false' }
let database: TestDatabase

beforeAll(async () => {
  database = await openTestDatabase()
})
afterAll(async () => {
  rmSync(folder, { recursive: true })
  await database[Symbol.asyncDispose]()
})

const openHere = () => openTrust(database.as('hkd'), join(folder, 'node.key'))
const doorsNow = (): CallerIdentity => JSON.parse(readFileSync(file, 'utf8')) as CallerIdentity
const serialOf = ({ certificate }: CallerIdentity): string => new X509Certificate(certificate).serialNumber

test("hkd's own identity and that of the doors are renewed again and again, by the same authority", async () => {
  const trust = await openHere()
  using _kept = await keepIdentities({ trust, file, door, everyMs: 20, log: silentLog })
  expect(trust.own).toBe(trust.own)
  for (const now of [() => trust.own, doorsNow]) {
    const seen = new Set<string>()
    const isNew = () => seen.add(serialOf(now())).size >= 3
    expect(await comesToHold(isNew, 20_000, 5)).toBe(true)
    const { certificate, authority } = now()
    expect(new X509Certificate(certificate).verify(new X509Certificate(authority).publicKey)).toBe(true)
  }
  expect(new X509Certificate(trust.own.certificate).subjectAltName).toBe('URI:ostler://hkd')
  expect(new X509Certificate(doorsNow().certificate).subjectAltName).toBe('URI:ostler://l7r')
})

test('they are renewed each day, and no more once it ends', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  try {
    const calls = { doors: 0, own: 0 }
    const trust = {
      issueDoorIdentity: () => Promise.resolve(void calls.doors++),
      renewOwn: () => Promise.resolve(void calls.own++),
    }
    const kept = await keepIdentities({ trust, file, door, log: silentLog })
    expect(calls).toEqual({ doors: 1, own: 0 })
    vi.advanceTimersByTime(DAY_MS - 1)
    expect(calls).toEqual({ doors: 1, own: 0 })
    vi.advanceTimersByTime(1)
    expect(calls).toEqual({ doors: 2, own: 1 })
    vi.advanceTimersByTime(400 * DAY_MS)
    expect(calls).toEqual({ doors: 402, own: 401 })
    kept[Symbol.dispose]()
    vi.advanceTimersByTime(10 * DAY_MS)
    expect(calls).toEqual({ doors: 402, own: 401 })
  } finally {
    vi.useRealTimers()
  }
})

test('one that cannot be renewed keeps the other from nothing, and is tried again', async () => {
  const lines: unknown[] = []
  const log: Log = { ...silentLog, warn: (message, fields) => void lines.push([message, fields?.['whose']]) }
  let [first, owns] = [true, 0]
  const trust = {
    issueDoorIdentity: () => {
      const isFirst = first
      first = false
      return isFirst ? Promise.resolve() : Promise.reject(new Error('no room on the disk'))
    },
    renewOwn: () => Promise.resolve(void owns++),
  }
  using _kept = await keepIdentities({ trust, file, door, everyMs: 10, log })
  expect(await comesToHold(() => owns >= 3 && lines.length >= 3, 20_000, 5)).toBe(true)
  expect(lines[0]).toEqual(['an identity was not renewed', 'l7r'])
})
