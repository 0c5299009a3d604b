import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { sessionNumbers, type SessionRecord, sessionRecords } from './session-records.ts'

const folder = mkdtempSync(join(tmpdir(), 'ostler-session-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const RECORD: SessionRecord = {
  agent: {
    account: { name: 'ann', uid: 1000, gid: 1000, home: '/home/ann', shell: '/bin/sh' },
    root: { pid: 12, startTicks: 345, uid: 1000 },
    seed: [{ pid: 13, startTicks: 346, uid: 1000 }],
    application: false,
  },
  session: 1,
  announced: 'connected',
  pairs: [['qvd.vm.user.name', 'ann']],
}

test('the folder is made when it is missing', () => {
  sessionRecords(join(folder, 'a', 'b'))
  expect(existsSync(join(folder, 'a', 'b'))).toBe(true)
})

test('a session is found again by a later agent, and forgotten when told', () => {
  sessionRecords(join(folder, 'x')).write(RECORD)
  const later = sessionRecords(join(folder, 'x'))
  expect(later.read()).toEqual(RECORD)
  later.forget()
  expect(later.read()).toBeUndefined()
  later.forget()
})

test('the latest record is the one, and nothing else is left in the folder', () => {
  const files = sessionRecords(join(folder, 'y'))
  files.write(RECORD)
  files.write({ ...RECORD, session: 2 })
  expect(files.read()?.session).toBe(2)
  expect(readdirSync(join(folder, 'y'))).toEqual(['session.json'])
})

test('the record is readable by its owner alone', () => {
  const files = sessionRecords(join(folder, 'z'))
  files.write(RECORD)
  expect(statSync(join(folder, 'z', 'session.json')).mode & 0o777).toBe(0o600)
})

test('sessions are counted on by a later agent', () => {
  expect(sessionNumbers(folder).last()).toBe(0)
  expect(sessionNumbers(folder).next()).toBe(1)
  const later = sessionNumbers(folder)
  expect(later.last()).toBe(1)
  expect([later.next(), later.next()]).toEqual([2, 3])
})

test('half a record is none', () => {
  const files = sessionRecords(join(folder, 'half'))
  writeFileSync(join(folder, 'half', 'session.json'), JSON.stringify(RECORD).slice(0, 40))
  expect(files.read()).toBeUndefined()
})
