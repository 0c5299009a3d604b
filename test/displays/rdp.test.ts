import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { showByRdpFile } from '../../client/src/rdp-file.ts'
import { type Guest, startGuest } from '../fixtures/guest.ts'
import { openScreen, type XScreen } from '../fixtures/x-screen.ts'
import { until } from '../fixtures/world.ts'

/** A real xrdp in front of a real session, and a real RDP client in front of it. */

const USER = { 'qvd.vm.user.name': 'ann', 'qvd.client.geometry': '800x600' }
const SOCKET = '/run/ostler/display/rdp.sock'
const RED = '#b01030'

let guest: Guest
let screen: XScreen

beforeAll(async () => {
  screen = await openScreen()
})
afterEach(async () => await guest[Symbol.asyncDispose]())
afterAll(async () => await screen[Symbol.asyncDispose]())

async function start(display: 'nx' | 'rfb' | 'rdp') {
  return await guest.link?.client.x_start({ display, parameters: USER })
}

test('the session is shown by RDP, and by NX it is the same one', async () => {
  guest = await startGuest({
    config: ['command.x-session = /etc/paint'],
    files: { '/etc/paint': `#!/bin/sh\nxsetroot -solid '${RED}'\nexec sleep infinity\n` },
  })
  expect(await start('rdp')).toMatchObject({ ready: true })
  // Only the door's user may open it, and xrdp has nothing of root's.
  expect(statSync(guest.path(SOCKET)).mode & 0o777).toBe(0o600)
  const xrdp = await guest.pidOf('^/usr/sbin/xrdp')
  expect(guest.read(`/proc/${xrdp ?? 0}/status`)).not.toMatch(/^Uid:\s+0/m)
  {
    using _ = openClient()
    await until('a picture', async () => (await screen.share(RED)) > 0.3, 40_000)
  }
  await until('the window to go', async () => (await screen.share(RED)) === 0)
  expect(await start('rdp')).toMatchObject({ ready: true })
  expect(await guest.pidOf('^/usr/sbin/xrdp')).toBe(xrdp)
  const session = await guest.pidOf('^sleep infinity')
  const { client } = await guest.openSession(screen.display, USER)
  await until('the same picture by NX', async () => (await screen.share(RED)) > 0.3, 40_000)
  expect(await guest.pidOf('^sleep infinity')).toBe(session)
  client.kill('SIGTERM')
}, 120_000)

test('a file that our client writes opens it in an RDP client', async () => {
  guest = await startGuest({
    config: ['command.x-session = /etc/paint'],
    files: { '/etc/paint': `#!/bin/sh\nxsetroot -solid '${RED}'\nexec sleep infinity\n` },
  })
  expect(await start('rdp')).toMatchObject({ ready: true })
  const stream = connect({ path: guest.path(SOCKET), allowHalfOpen: true })
  stream.on('error', () => {})
  const folder = mkdtempSync(join(tmpdir(), 'ostler-rdp-'))
  const file = join(folder, 'desktop.rdp')
  const opened = Promise.withResolvers<string>()
  const display = { first: { stream, head: Buffer.alloc(0) }, further: undefined, title: 'ann' }
  const end = showByRdpFile(display, file, opened.resolve, new AbortController().signal)
  expect(await opened.promise).toContain(file)
  {
    using _ = openClient([file])
    await until('a picture', async () => (await screen.share(RED)) > 0.3, 40_000)
  }
  expect(await end).toBe('window closed')
  rmSync(folder, { recursive: true })
}, 120_000)

test('the way from xrdp to the session is for programs of the user alone', async () => {
  guest = await startGuest()
  await start('rdp')
  const port = /^port=(\d+)$/m.exec(guest.read('/run/ostler/session/rdp/xrdp.ini'))?.[1] ?? ''
  const greeting = (...who: string[]): Promise<string> =>
    guest.inside(...who, 'timeout', '5', 'socat', '-u', `TCP:127.0.0.1:${port}`, 'STDOUT').catch(() => '')
  expect(await greeting()).toBe('')
  expect(await greeting('setpriv', '--reuid=nobody', '--regid=nogroup', '--clear-groups')).toBe('')
  await until('somebody to see the refusals', () =>
    guest.read('/var/log/ostler/qvd.log').includes('a stranger asked for the session'),
  )
})

test('without xrdp in the desktop there is no RDP, and nothing has been started', async () => {
  guest = await startGuest({ config: ['command.xrdp = /nowhere/xrdp'] })
  await expect(start('rdp')).rejects.toMatchObject({
    code: 'display.missing',
    message: 'this desktop cannot be shown by rdp: /nowhere/xrdp is not in this desktop',
  })
  expect(await guest.state()).toBe('stopped')
  expect(existsSync(guest.path(SOCKET))).toBe(false)
  expect(await start('rfb')).toMatchObject({ ready: true })
})

const AT_SOCKET = (): string[] => [`/v:${guest.path(SOCKET)}`, '/sec:rdp', '/u:ostler', '/p:ostler']

function openClient(args = AT_SOCKET()): Disposable {
  const client = spawn('xfreerdp', args, {
    env: { ...process.env, DISPLAY: screen.display },
    stdio: 'ignore',
  })
  return { [Symbol.dispose]: () => void client.kill('SIGTERM') }
}
