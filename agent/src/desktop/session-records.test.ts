import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { type SessionRecord, sessionFiles } from './session-files.ts'

const folder = mkdtempSync(join(tmpdir(), 'ostler-session-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const RECORD: SessionRecord = {
  account: { name: 'ann', uid: 1000, gid: 1000, home: '/home/ann', shell: '/bin/sh' },
  root: { pid: 12, startTicks: 345, uid: 1000 },
  seed: [{ pid: 13, startTicks: 346, uid: 1000 }],
}

test('the folder is made when it is missing', () => {
  const files = sessionFiles(join(folder, 'a', 'b'))
  expect(existsSync(join(folder, 'a', 'b'))).toBe(true)
  expect(
    [files.log, files.options, files.authority].every((path) => path.startsWith(join(folder, 'a', 'b'))),
  ).toBe(true)
})

test('a session is found again by a later agent, and forgotten when told', () => {
  sessionFiles(join(folder, 'x')).write(RECORD)
  const later = sessionFiles(join(folder, 'x'))
  expect(later.read()).toEqual(RECORD)
  later.forget()
  expect(later.read()).toBeUndefined()
  later.forget()
})

test('the latest record is the one, and nothing else is left in the folder', () => {
  const files = sessionFiles(join(folder, 'y'))
  files.write(RECORD)
  files.write({ ...RECORD, seed: [] })
  expect(files.read()?.seed).toEqual([])
  expect(readdirSync(join(folder, 'y'))).toEqual(['session.json'])
})

test('the record is readable by its owner alone', () => {
  const files = sessionFiles(join(folder, 'z'))
  files.write(RECORD)
  expect(statSync(join(folder, 'z', 'session.json')).mode & 0o777).toBe(0o600)
})

test('half a record is none', () => {
  const files = sessionFiles(join(folder, 'half'))
  writeFileSync(join(folder, 'half', 'session.json'), JSON.stringify(RECORD).slice(0, 40))
  expect(files.read()).toBeUndefined()
})
