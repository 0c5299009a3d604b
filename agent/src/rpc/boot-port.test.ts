import { comesToHold } from '@ostler/kit/poll.ts'
import { run } from '@ostler/kit/run.ts'
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { linuxBootPort } from '../platform/linux/boot-port.ts'
import { followBootPort } from './boot-port.ts'

let root: string
let port: string
let folder: string
let ticket: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ostler-boot-port-'))
  port = join(root, 'port')
  folder = join(root, 'run/boot')
  ticket = join(folder, 'enrol.json')
})
afterEach(() => rmSync(root, { recursive: true }))

/** A pipe behaves as the device: nothing to read is no end. */
async function openPort(): Promise<{ say(text: string): void } & Disposable> {
  await run('mkfifo', [port])
  const fd = openSync(port, constants.O_RDWR | constants.O_NONBLOCK)
  return { say: (text) => void writeSync(fd, text), [Symbol.dispose]: () => closeSync(fd) }
}

const holds = (content: string) =>
  comesToHold(() => existsSync(ticket) && readFileSync(ticket, 'utf8') === content, 5_000, 10)

test('a ticket is laid where tickets are looked for, for root alone, and the newest counts', async () => {
  using _following = followBootPort(linuxBootPort(port), folder)
  using node = await openPort()
  node.say('{"epoch":1}\n')
  expect(await holds('{"epoch":1}')).toBe(true)
  expect(statSync(ticket).mode & 0o777).toBe(0o600)
  expect([statSync(dirname(folder)).mode & 0o777, statSync(folder).mode & 0o777]).toEqual([0o755, 0o700])
  node.say('{"epoch":2}\n{"ep')
  expect(await holds('{"epoch":2}')).toBe(true)
  node.say('och":3}\n')
  expect(await holds('{"epoch":3}')).toBe(true)
})

test('when it has done its work, nothing of it stays', async () => {
  const following = followBootPort(linuxBootPort(port), folder)
  using node = await openPort()
  node.say('{}\n')
  expect(await holds('{}')).toBe(true)
  following[Symbol.dispose]()
  following[Symbol.dispose]()
  expect(existsSync(ticket)).toBe(false)
})

test('a line without end is forgotten', async () => {
  using _following = followBootPort(linuxBootPort(port), folder)
  using node = await openPort()
  for (let i = 0; i < 16; i++) node.say('x'.repeat(1_000))
  node.say('\n{"whole":1}\n')
  expect(await holds('{"whole":1}')).toBe(true)
})

test('where there is no such port, nothing is made', async () => {
  followBootPort(linuxBootPort(port), folder)[Symbol.dispose]()
  expect(existsSync(folder)).toBe(false)
})
