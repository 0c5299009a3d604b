import { Scope } from '@ostler/kit/scope.ts'
import { Secret } from '@ostler/kit/secret.ts'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Keyring, keyringOf } from './keyring.ts'

/** GNOME's real keyring on a session bus of its own. */

const scope = new Scope()
const SERVER = { host: 'desk.example', port: 8443 }
let environment: NodeJS.ProcessEnv
let keyring: Keyring

beforeAll(async () => {
  const home = mkdtempSync(join(tmpdir(), 'ostler-keyring-'))
  scope.defer(() => rmSync(home, { recursive: true, force: true }))
  environment = { PATH: process.env['PATH'], HOME: home, XDG_RUNTIME_DIR: home }
  const bus = start('dbus-daemon', ['--session', '--print-address', '--nofork', '--nopidfile'])
  const address = await firstLine(bus)
  environment = { ...environment, DBUS_SESSION_BUS_ADDRESS: address }
  const daemon = start('gnome-keyring-daemon', ['--unlock', '--components=secrets', '--foreground'])
  daemon.stdin?.end('unlock\n')
  keyring = keyringOf(environment)
  // The bus starts a service only once its name is owned: until then a call is an error, not an answer.
  for (const until = Date.now() + 30_000; ; await new Promise((resolve) => setTimeout(resolve, 100)))
    try {
      return void (await keyring.find(SERVER, 'nobody'))
    } catch (error) {
      if (Date.now() > until) throw error
    }
})
afterAll(async () => await scope.close())

function start(program: string, args: readonly string[]): ChildProcess {
  const child = spawn(program, args, { env: environment, stdio: ['pipe', 'pipe', 'ignore'] })
  scope.defer(async () => {
    const gone = new Promise((resolve) => child.once('exit', resolve))
    if (child.exitCode === null && child.signalCode === null && child.kill('SIGTERM')) await gone
  })
  return child
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.stdout?.once('data', (chunk: Buffer) => resolve(chunk.toString().split('\n')[0] ?? ''))
  })
}

test('a password is kept for a server and a name, is found, and is forgotten', async () => {
  expect(await keyring.find(SERVER, 'ann')).toBeUndefined()
  await keyring.keep(SERVER, 'ann', new Secret("it's $HOME & more"))
  expect((await keyring.find(SERVER, 'ann'))?.reveal()).toBe("it's $HOME & more")
  expect(await keyring.find(SERVER, 'bob')).toBeUndefined()
  expect(await keyring.find({ ...SERVER, port: 443 }, 'ann')).toBeUndefined()
  await keyring.keep(SERVER, 'ann', new Secret('another'))
  expect((await keyring.find(SERVER, 'ann'))?.reveal()).toBe('another')
  await keyring.forget(SERVER, 'ann')
  expect(await keyring.find(SERVER, 'ann')).toBeUndefined()
})

test('nobody sees it in a list of what runs, nor on a disk', async () => {
  await keyring.keep(SERVER, 'ann', new Secret('written-nowhere'))
  const { HOME: home = '' } = environment
  const files = readdirSync(home, { recursive: true }).map(String)
  expect(files.some((file) => file.endsWith('.keyring'))).toBe(true)
  expect((await grep(home)).trim()).toBe('')
})

test('where there is no keyring, that is said', async () => {
  const nowhere = keyringOf({ ...environment, DBUS_SESSION_BUS_ADDRESS: 'unix:path=/nowhere' })
  await expect(nowhere.find(SERVER, 'ann')).rejects.toMatchObject({ code: 'client.keyring' })
  const missing = keyringOf(environment, '/nowhere/secret-tool')
  await expect(missing.find(SERVER, 'ann')).rejects.toMatchObject({
    code: 'client.keyring',
    message: expect.stringContaining('could not be started') as string,
  })
})

function grep(folder: string): Promise<string> {
  return new Promise((resolve) => {
    const child = spawn('grep', ['-rla', 'written-nowhere', folder], { stdio: ['ignore', 'pipe', 'ignore'] })
    let out = ''
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.once('close', () => resolve(out))
  })
}
