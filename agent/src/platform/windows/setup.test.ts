import type { run, RunResult } from '@ostler/kit/run.ts'
import { RunError } from '@ostler/kit/run.ts'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { setUp, takeDown } from './setup.ts'
import { WindowsTools } from './tools.ts'

let data: string
let calls: string[][]
let answer: () => Promise<RunResult>
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'ostler-setup-'))
  calls = []
  answer = () => Promise.resolve({ stdout: '', stderr: '' } as RunResult)
})
afterEach(() => rmSync(data, { recursive: true, force: true }))

function parts() {
  const note: typeof run = (command, args) => {
    calls.push([command, ...args])
    return answer()
  }
  const tools = new WindowsTools(note, { SystemRoot: 'C:\\Windows' })
  return { tools, data, program: 'C:\\Program Files\\Ostler\\node.exe', join }
}

const NETSH = ['C:\\Windows\\System32\\netsh.exe', 'advfirewall', 'firewall']

test('the first time a configuration is written, and the firewall lets its port in for our program alone', async () => {
  await setUp(parts(), { port: '4040', firewall: true })
  expect(readFileSync(join(data, 'vma.conf'), 'utf8')).toMatch(/\r\ninternal\.vm\.port\.vma = 4040\r\n$/)
  const program = 'program=C:\\Program Files\\Ostler\\node.exe'
  const rule = ['dir=in', 'action=allow', 'protocol=TCP', 'localport=4040', program]
  expect(calls).toEqual([
    [...NETSH, 'delete', 'rule', 'name=ostler-vma'],
    [...NETSH, 'add', 'rule', 'name=ostler-vma', ...rule],
  ])
})

test('a configuration that is there stays, and the firewall as it is', async () => {
  writeFileSync(join(data, 'vma.conf'), 'internal.vm.port.vma = 5050\n')
  await setUp(parts(), { port: '4040', firewall: true })
  expect(readFileSync(join(data, 'vma.conf'), 'utf8')).toBe('internal.vm.port.vma = 5050\n')
  expect(calls).toEqual([])
})

test('without a wish for it the firewall is not touched', async () => {
  await setUp(parts(), { port: '4040', firewall: false })
  expect(calls).toEqual([])
})

test.each(['', '0', '65536', '3030\r\nvma.console.enable = 1', 'x'])(
  'the port %j is refused, and nothing is left of it',
  async (port) => {
    await expect(setUp(parts(), { port, firewall: true })).rejects.toMatchObject({ code: 'config.invalid' })
    expect(existsSync(join(data, 'vma.conf'))).toBe(false)
    expect(calls).toEqual([])
  },
)

test('a firewall that takes no rule is told in setup.log, and no reason to stop', async () => {
  answer = () =>
    Promise.reject(new RunError(['netsh'], { exitCode: 1, signal: null, timedOut: false, stderr: 'no' }))
  await setUp(parts(), { port: '4040', firewall: true })
  expect(readFileSync(join(data, 'log', 'setup.log'), 'utf8')).toMatch(
    /^\S+ the firewall has no rule .*\r\n$/,
  )
})

test('taking down takes the rule and the whole folder away', async () => {
  mkdirSync(join(data, 'log'))
  writeFileSync(join(data, 'log', 'qvd.log'), 'x')
  await takeDown(parts())
  expect(existsSync(data)).toBe(false)
  expect(calls).toEqual([[...NETSH, 'delete', 'rule', 'name=ostler-vma']])
})
