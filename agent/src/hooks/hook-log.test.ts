import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openHookLog } from './hook-log.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-hook-log-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const MIB = 1 << 20

test('each call has its banner, and what it prints comes after it', () => {
  const log = openHookLog(folder)
  log.begin('/etc/hook', 'connect')(Buffer.from('said\n'))
  log.begin('/etc/other', 'connected')(Buffer.from('more\n'))
  const lines = readFileSync(join(folder, 'qvd-hooks.log'), 'utf8').split('\n')
  expect(lines.map((line) => line.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/, 'NOW'))).toEqual([
    '',
    '--- NOW opened for connect: /etc/hook',
    'said',
    '',
    '--- NOW opened for connected: /etc/other',
    'more',
    '',
  ])
})

test('what was there before stays', () => {
  writeFileSync(join(folder, 'qvd-hooks.log'), 'before\n')
  openHookLog(folder).begin('/etc/hook', 'connect')
  expect(readFileSync(join(folder, 'qvd-hooks.log'), 'utf8')).toMatch(/^before\n\n--- /)
})

test('the folder is made when the first hook runs, and the log is not for everybody', () => {
  const deep = join(folder, 'var', 'log')
  const log = openHookLog(deep)
  expect(existsSync(deep)).toBe(false)
  log.begin('/etc/hook', 'connect')
  expect(statSync(join(deep, 'qvd-hooks.log')).mode & 0o777).toBe(0o640)
  expect(statSync(deep).mode & 0o777).toBe(0o750)
})

test('bytes are written as they are', () => {
  const bytes = Buffer.from([0x00, 0xff, 0xc3, 0x0a])
  openHookLog(folder).begin('/etc/hook', 'connect')(bytes)
  expect(readFileSync(join(folder, 'qvd-hooks.log')).subarray(-4)).toEqual(bytes)
})

test('beyond 5 MiB a call begins a new file; one older file is kept', () => {
  const file = join(folder, 'qvd-hooks.log')
  writeFileSync(`${file}.1`, 'oldest')
  writeFileSync(file, Buffer.alloc(5 * MIB + 1, 'x'))
  openHookLog(folder).begin('/etc/hook', 'connect')
  expect(statSync(`${file}.1`).size).toBe(5 * MIB + 1)
  expect(statSync(file).size).toBeLessThan(200)
})

test('a log that cannot be written costs lines, and nothing is thrown', () => {
  const blocked = join(folder, 'a-file')
  writeFileSync(blocked, '')
  openHookLog(join(blocked, 'log')).begin('/etc/hook', 'connect')(Buffer.from('said\n'))
  mkdirSync(join(folder, 'log', 'qvd-hooks.log'), { recursive: true })
  openHookLog(join(folder, 'log')).begin('/etc/hook', 'connect')(Buffer.from('said\n'))
  openHookLog('/dev/full').begin('/etc/hook', 'connect')(Buffer.from('said\n'))
})
