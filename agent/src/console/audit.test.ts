import { silentLog } from '@ostler/kit/log.ts'
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { auditFile } from './audit.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-audit-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true, force: true })
})

test('each event is a line of JSON in a file of the owner alone, and one in the log', () => {
  const logged: unknown[] = []
  const file = join(folder, 'audit.log')
  const audit = auditFile(file, { ...silentLog, info: (...line) => logged.push(line) })
  audit.write('console opened', { by: 'ann\n"root"', typed: undefined })
  audit.write('console closed', { seconds: 1.5 })
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    { time: expect.stringMatching(/^\d{4}-.*Z$/) as string, event: 'console opened', by: 'ann\n"root"' },
    { time: expect.any(String) as string, event: 'console closed', seconds: 1.5 },
  ])
  expect(statSync(file).mode & 0o777).toBe(0o600)
  expect(logged).toEqual([
    ['console opened', { audit: true, by: 'ann\n"root"' }],
    ['console closed', { audit: true, seconds: 1.5 }],
  ])
})

test('what is there stays, and becomes private', () => {
  const file = join(folder, 'audit.log')
  writeFileSync(file, 'earlier\n')
  chmodSync(file, 0o644)
  auditFile(file, silentLog).write('console opened', {})
  expect(readFileSync(file, 'utf8')).toMatch(/^earlier\n\{/)
  expect(statSync(file).mode & 0o777).toBe(0o600)
})

test('a rotated file is left alone', () => {
  const file = join(folder, 'audit.log')
  const audit = auditFile(file, silentLog)
  audit.write('one', {})
  renameSync(file, `${file}.1`)
  audit.write('two', {})
  expect(readFileSync(file, 'utf8')).toContain('two')
  expect(readFileSync(`${file}.1`, 'utf8')).not.toContain('two')
})

test('a link at its place is not followed', () => {
  const file = join(folder, 'audit.log')
  symlinkSync(join(folder, 'elsewhere'), file)
  expect(() => auditFile(file, silentLog).write('one', {})).toThrow(/ELOOP/)
  expect(existsSync(join(folder, 'elsewhere'))).toBe(false)
})
