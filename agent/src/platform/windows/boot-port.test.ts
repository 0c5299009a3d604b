import { comesToHold } from '@ostler/kit/poll.ts'
import { run } from '@ostler/kit/run.ts'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { followBootPort } from '../../rpc/boot-port.ts'
import { READER, windowsBootPort } from './boot-port.ts'

const AGENT = join(import.meta.dirname, '../../bin/vma.ts')
const READ = [process.execPath, AGENT, READER]
const TICKET_MS = 20_000

let root: string
let port: string
let folder: string
let ticket: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ostler-boot-port-'))
  port = join(root, 'port')
  folder = join(root, 'boot')
  ticket = join(folder, 'enrol.json')
})
afterEach(() => rmSync(root, { recursive: true }))

const lies = (content: string) =>
  comesToHold(() => existsSync(ticket) && readFileSync(ticket, 'utf8') === content, TICKET_MS, 20)

/** Processes that read our port. */
function readers(): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0').includes(port)
    } catch {
      return false
    }
  })
}

test('a ticket comes by a port that waits, as the driver does; then nobody waits there any more', async () => {
  // Opening it waits for the other end, and reading for a line.
  await run('mkfifo', [port])
  const following = followBootPort(windowsBootPort(port, READ), folder)
  try {
    expect(await comesToHold(() => readers().length === 1, TICKET_MS, 20)).toBe(true)
    const node = openSync(port, constants.O_RDWR | constants.O_NONBLOCK)
    try {
      writeSync(node, '{"epoch":1}\n{"epo')
      expect(await lies('{"epoch":1}')).toBe(true)
      writeSync(node, 'ch":2}\n')
      expect(await lies('{"epoch":2}')).toBe(true)
    } finally {
      closeSync(node)
    }
  } finally {
    following[Symbol.dispose]()
  }
  expect(existsSync(ticket)).toBe(false)
  expect(await comesToHold(() => readers().length === 0, TICKET_MS, 20)).toBe(true)
})

test('a port that appears later is found, and a line that comes in pieces is one', async () => {
  using _following = followBootPort(windowsBootPort(port, READ), folder)
  expect(await comesToHold(() => readers().length === 1, TICKET_MS, 20)).toBe(true)
  writeFileSync(port, '{"epoch"')
  appendFileSync(port, ':3}\r\n')
  expect(await lies('{"epoch":3}\r')).toBe(true)
})

test('a reader that ends is started again', async () => {
  writeFileSync(port, '{"epoch":4}\n')
  using _following = followBootPort(windowsBootPort(port, READ), folder)
  expect(await lies('{"epoch":4}')).toBe(true)
  const [first = ''] = readers()
  rmSync(ticket)
  process.kill(Number(first), 'SIGKILL')
  expect(await lies('{"epoch":4}')).toBe(true)
  expect(readers()).not.toContain(first)
})

test('a reader ends with the agent, also while it waits', async () => {
  await run('mkfifo', [port])
  const [program = '', ...words] = READ
  const reader = spawn(program, [...words, port], { stdio: ['pipe', 'ignore', 'ignore'] })
  const ended = once(reader, 'exit')
  expect(await comesToHold(() => readers().length === 1, TICKET_MS, 20)).toBe(true)
  reader.stdin.end()
  await ended
  expect(readers()).toEqual([])
})
