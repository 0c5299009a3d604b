import { Fault } from '@ostler/contract/fault.ts'
import { type Log, silentLog } from '@ostler/kit/log.ts'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { LiveConfig } from './live.ts'
import { loadAgentConfig } from './load.ts'

let folder: string
let file: string
let said: [string, unknown][]
let log: Log
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-live-'))
  file = join(folder, 'vma.conf')
  said = []
  const note = (message: string, fields?: unknown): void => void said.push([message, fields])
  log = { ...silentLog, info: note, warn: note, error: note }
})
afterEach(() => rmSync(folder, { recursive: true }))

function open(content: string): LiveConfig {
  writeFileSync(file, content)
  return new LiveConfig(() => loadAgentConfig({ own: file, qvd: '/no/such/file' }))
}

test('the values are those of the last reading', () => {
  const live = open('vma.user.home.path = /first\n')
  writeFileSync(file, 'vma.user.home.path = /second\n')
  expect(live.values()['vma.user.home.path']).toBe('/first')
  live.reload(log)
  expect(live.values()['vma.user.home.path']).toBe('/second')
  expect(live.current.origin('vma.user.home.path')).toBe(`${file}:1`)
})

test('who holds values keeps them: nothing changes under a session that begins', () => {
  const live = open('')
  const { values } = live
  const held = values()
  writeFileSync(file, 'vma.user.home.path = /second\n')
  live.reload(log)
  expect(held['vma.user.home.path']).toBe('/home')
  expect(values()['vma.user.home.path']).toBe('/second')
})

test('a reading tells what has changed, what waits for a restart, also what follows from it, and what is strange', () => {
  const live = open('log.syslog = udp://10.1.2.3\n')
  writeFileSync(
    file,
    'log.syslog = udp://10.1.2.3\npath.log = /logs\nvma.adio.enable = 1\nvma.user.shell = /bin/sh\n',
  )
  live.reload(log)
  expect(said).toEqual([
    ['configuration needs a restart of the agent', { keys: ['path.log', 'log.filename'] }],
    [
      'configuration',
      { warning: `${file}:3: unknown key "vma.adio.enable", did you mean "vma.audio.enable"?` },
    ],
    ['configuration read again', { changed: ['vma.user.shell'] }],
  ])
  expect(live.values()['path.log']).not.toBe('/logs')
  expect(live.values()['vma.user.shell']).toBe('/bin/sh')
})

test('a key that is taken out of the file has its default again', () => {
  const live = open('vma.audio.enable = 1\n')
  writeFileSync(file, '')
  live.reload(log)
  expect(live.values()['vma.audio.enable']).toBe(false)
  expect(said).toEqual([['configuration read again', { changed: ['vma.audio.enable'] }]])
})

test('a file with mistakes changes nothing, not even by what is right in it, and is told', () => {
  const live = open('vma.user.home.path = /first\n')
  const before = live.current
  writeFileSync(file, 'vma.user.home.path = /second\nvma.audio.enable = maybe\n')
  live.reload(log)
  expect(live.current).toBe(before)
  expect(said).toHaveLength(1)
  expect(said[0]?.[0]).toBe('configuration has problems and stays as it was')
  expect(JSON.stringify(said)).toContain('vma.audio.enable is neither 0 nor 1')
})

test('there is no beginning without a configuration', () => {
  expect(() => open('vma.audio.enable = maybe\n')).toThrow(Fault)
})
