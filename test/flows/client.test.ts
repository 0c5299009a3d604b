import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { PASSWORD, startWorld, type World } from '../fixtures/world.ts'

/** The command line of the users' client, as a user meets it. */

const CLIENT = join(import.meta.dirname, '../../client/src/bin/ostler.ts')

let world: World
let config: string

beforeAll(async () => {
  world = await startWorld()
  await world.addUser('ann')
})
afterAll(async () => await world[Symbol.asyncDispose]())
beforeEach(() => {
  config = mkdtempSync(join(tmpdir(), 'ostler-client-'))
  return () => rmSync(config, { recursive: true })
})

async function ostler(
  words: readonly string[],
  options: { password?: string; env?: Record<string, string> } = {},
): Promise<{ code: number | null; out: string; said: string }> {
  const child = spawn('node', [CLIENT, ...words], {
    env: { PATH: process.env['PATH'], XDG_CONFIG_HOME: config, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let [out, said] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  child.stdin.end(options.password ?? PASSWORD)
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { code, out, said }
}

const at = (port: number): string[] => [
  '127.0.0.1',
  '--port',
  String(port),
  '--user',
  'ann',
  '--password-fd',
  '0',
]

test('list prints number, state and name', async () => {
  const { code, out } = await ostler(['list', ...at(world.port), '--accept-new-certificate'])
  expect([code, out]).toEqual([0, '   1  stopped    ann\n'])
})

test('an unknown certificate is refused until it is accepted, and another one is refused for good', async () => {
  const unknown = await ostler(['list', ...at(world.port)])
  expect(unknown.code).toBe(76)
  expect(unknown.said).toMatch(
    /is unknown here \(([0-9A-F]{2}:){31}[0-9A-F]{2}\)\. .*--accept-new-certificate/,
  )
  await ostler(['list', ...at(world.port), '--accept-new-certificate'])
  expect((await ostler(['list', ...at(world.port)])).code).toBe(0)
  const pins = join(config, 'ostler/known-servers')
  writeFileSync(pins, readFileSync(pins, 'utf8').replace(/ ../, ' 00'))
  const changed = await ostler(['list', ...at(world.port), '--accept-new-certificate'])
  expect(changed.said).toMatch(/is not the one known here .* remove its line from .*known-servers/)
})

test.each([
  [
    'a wrong password',
    () => ['list', ...at(world.port)],
    { password: 'wrong' },
    77,
    /the user name or the password is wrong/,
  ],
  ['nobody', () => ['list', '127.0.0.1'], {}, 64, /who are you there\?\. Name one of: --user NAME, --pair/],
  ['no screen', () => ['connect', ...at(world.port)], {}, 69, /there is no X display/],
  [
    'a desktop that she does not have',
    () => ['connect', ...at(world.port), '--desktop', 'x'],
    { env: { DISPLAY: ':9' } },
    64,
    /you have no desktop x\. Name one of: ann/,
  ],
  [
    'no nxproxy',
    () => ['connect', ...at(world.port), '--nxproxy', '/nowhere'],
    { env: { DISPLAY: ':9' } },
    69,
    /nxproxy ended before the desktop was shown: spawn \/nowhere ENOENT/,
  ],
  ['no server', () => ['list', ...at(1)], {}, 69, /127\.0\.0\.1:1 cannot be reached: connect ECONNREFUSED/],
  [
    'a bad size',
    () => ['connect', ...at(world.port), '--geometry', 'big'],
    {},
    78,
    /--geometry: client\.geometry is no size such as 1024x768/,
  ],
])('%s ends in a sentence and an exit code', async (_, words, options, exit, sentence) => {
  const { code, said } = await ostler([...words(), '--accept-new-certificate'], options)
  expect(said).toMatch(sentence)
  expect(code).toBe(exit)
})

test('help is printed', async () => {
  const { code, out } = await ostler(['connect', '--help'])
  expect(code).toBe(0)
  expect(out).toContain('--accept-new-certificate')
})
