import { parseProperties } from '@ostler/kit/properties.ts'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { loadAgentConfig } from '../config/load.ts'
import type { AgentValues } from '../config/options.ts'
import { writeChannelFiles } from './channel-files.ts'
import { readRequest } from './request.ts'

const ANN = { name: 'ann', uid: 4711, gid: 4712, home: '/home/ann', shell: '/bin/sh' }
const KEY = 'k'.repeat(64)

let folder: string
let config: AgentValues
beforeEach(() => {
  if (process.getuid?.() !== 0) throw new Error('these tests give files to others: run them as root')
  folder = mkdtempSync(join(tmpdir(), 'ostler-channel-files-'))
  writeFileSync(join(folder, 'vma.conf'), `path.run = ${folder}/run\nvma.printing.enable = 1\n`)
  config = loadAgentConfig({ own: join(folder, 'vma.conf'), qvd: '/no/such/file' }).values
})
afterEach(() => rmSync(folder, { recursive: true }))

function write(parameters: Readonly<Record<string, string>>): void {
  writeChannelFiles(config, readRequest('nx', parameters, config), ANN)
}

function printing(): Record<string, string> {
  const path = join(folder, 'run', 'printing.conf')
  const { properties, problems } = parseProperties(readFileSync(path, 'utf8'), path)
  expect(problems).toEqual([])
  return Object.fromEntries(properties.map(({ key, value }) => [key, value]))
}

test('the key of the slave channel is in a file that the user alone can read, bare', () => {
  write({ 'qvd.slave.key': KEY })
  const path = join(folder, 'run', 'slave.conf')
  expect(readFileSync(path, 'utf8')).toBe(KEY)
  const { uid, gid, mode } = statSync(path)
  expect([uid, gid, mode & 0o777]).toEqual([4711, 4712, 0o400])
})

test('a client without that channel leaves no key of an earlier one', () => {
  write({ 'qvd.slave.key': KEY })
  write({})
  expect(readFileSync(join(folder, 'run', 'slave.conf'), 'utf8')).toBe('')
})

test('what the printing helper of QVD reads is told in its words', () => {
  write({
    'qvd.client.os': 'windows',
    'qvd.client.printing.enabled': '1',
    'qvd.client.printing.flavor': 'cifs',
  })
  expect(printing()).toEqual({
    'qvd.printing.enabled': '1',
    'qvd.printing.port': '2100',
    'qvd.slave.port': '11100',
    'qvd.client.os': 'windows',
    'qvd.client.printing.flavor': 'cifs',
  })
  expect(statSync(join(folder, 'run', 'printing.conf')).mode & 0o777).toBe(0o644)
})

test('printing that nobody wants is told too', () => {
  write({})
  expect(printing()).toMatchObject({ 'qvd.printing.enabled': '0', 'qvd.client.os': 'linux' })
})

test('the slave port follows the display', () => {
  config = { ...config, 'internal.nxagent.display': 7 }
  write({})
  expect(printing()['qvd.slave.port']).toBe('11007')
})

test('a link that lies there is replaced and not followed, and nothing else is left', () => {
  write({})
  const ours = join(folder, 'ours')
  writeFileSync(ours, 'ours')
  rmSync(join(folder, 'run', 'slave.conf'))
  symlinkSync(ours, join(folder, 'run', 'slave.conf'))
  write({ 'qvd.slave.key': KEY })
  expect(readFileSync(ours, 'utf8')).toBe('ours')
  expect(readdirSync(join(folder, 'run')).toSorted()).toEqual(['printing.conf', 'slave.conf'])
})
