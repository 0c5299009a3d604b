import { Scope } from '@ostler/kit/scope.ts'
import { openPrintDoor } from '@ostler/client/printing/print-door.ts'
import { run } from '@ostler/kit/run.ts'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type PrintServer, startPrintServer } from '../fixtures/print-server.ts'
import { until } from '../fixtures/world.ts'

/** What was opened, also when the rest could not be. */
const scope = new Scope()
let server: PrintServer
let folder: string
let socket: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ostler-door-'))
  socket = join(folder, 'cups')
  scope.defer(() => rmSync(folder, { recursive: true, force: true }))
  server = scope.own(await startPrintServer())
  await server.addPrinter('paper')
  await server.addPrinter('laser', ['-m', 'drv:///sample.drv/generic.ppd'])
  await server.addPrinter('secret')
  const printers = new Set(['paper', 'laser'])
  scope.own(
    await openPrintDoor(socket, {
      cups: { socketPath: server.socket },
      printers,
      user: userInfo().username,
    }),
  )
  writeFileSync(join(folder, 'page'), 'a page\n')
})
afterAll(() => scope.close())

/** A program of CUPS's, as a desktop would run it at the door. */
const ask = async (command: string, ...args: readonly string[]): Promise<string> =>
  (await run(command, args, { env: { ...process.env, CUPS_SERVER: socket, LC_ALL: 'C' } })).stdout

test('a desktop sees the printers that it was given, and no others', async () => {
  expect((await ask('lpstat', '-e')).split('\n').sort().join(' ').trim()).toBe('laser paper')
  await expect(ask('lp', '-d', 'secret', join(folder, 'page'))).rejects.toThrow('does not exist')
})

test('it cancels a job of its own, and not one of the user', async () => {
  await server.ask('cupsdisable', 'paper')
  const [own = ''] = /paper-\d+/.exec(await ask('lp', '-d', 'paper', join(folder, 'page'))) ?? []
  const [hers = ''] = /paper-\d+/.exec(await server.ask('lp', '-d', 'paper', join(folder, 'page'))) ?? []
  await expect(ask('cancel', hers)).rejects.toThrow()
  await ask('cancel', own)
  await until('the job to be gone', async () => !(await server.ask('lpstat', '-o')).includes(own))
  expect(await server.ask('lpstat', '-o')).toContain(hers)
})

test.each([
  ['lpadmin', '-x', 'laser'],
  ['lpadmin', '-p', 'evil', '-E', '-v', 'file:///tmp/evil'],
  ['lpadmin', '-d', 'paper'],
  ['cupsdisable', 'laser'],
  ['cupsreject', 'laser'],
  ['cancel', '-a'],
])('it may not: %s %s %s', async (command, ...args) => {
  await expect(ask(command, ...args)).rejects.toThrow()
  expect((await server.ask('lpstat', '-e')).split('\n').sort().join(' ').trim()).toBe('laser paper secret')
})

test('what a printer can do is told of those that it was given', async () => {
  const get = async (path: string): Promise<string> =>
    await ask('curl', '--silent', '--unix-socket', socket, `http://localhost${path}`)
  expect(await get('/printers/laser.ppd')).toContain('*PPD-Adobe')
  for (const path of ['/', '/admin', '/printers/secret.ppd', '/printers/../admin/conf/cupsd.conf'])
    expect(await get(path), path).toBe('')
})

test('what is no request is refused, and the door goes on', async () => {
  const post = [
    '--silent',
    '--unix-socket',
    socket,
    '--header',
    'Content-Type: application/ipp',
    '--data-binary',
  ]
  expect(await ask('curl', ...post, 'nothing', '--write-out', '%{http_code}', 'http://localhost/')).toBe(
    '400',
  )
  expect(await ask('lpstat', '-e')).toContain('laser')
})
