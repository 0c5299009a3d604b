import { run } from '@ostler/kit/run.ts'
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { connect, type TLSSocket } from 'node:tls'
import { issueIdentity } from '@ostler/kit/certificate.ts'
import { holderUri } from '@ostler/contract/identity.ts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Guest, linkAs, startGuest } from '../fixtures/guest.ts'
import { until } from '../fixtures/world.ts'
import { openScreen, type XScreen } from '../fixtures/x-screen.ts'

const USER = { 'qvd.vm.user.name': 'ann', 'qvd.client.link': 'lan' }
const SESSION_DISPLAY = ['env', 'DISPLAY=:100', 'XAUTHORITY=/run/ostler/session/Xauthority']

let guest: Guest
let screen: XScreen

beforeAll(async () => {
  screen = await openScreen()
})
afterAll(async () => {
  await screen[Symbol.asyncDispose]()
})

async function start(parameters: Record<string, string> = {}) {
  const answer = await guest.link?.client.x_start({ display: 'nx', parameters: { ...USER, ...parameters } })
  return answer ?? expect.fail('there is no link')
}

async function untilState(state: string): Promise<void> {
  await until(
    `the session to be ${state}`,
    async () => (await guest.link?.client.x_state({}))?.state === state,
  ).catch((error: unknown) => {
    throw new Error(guest.nxagentLog(), { cause: error })
  })
}

async function stop(): Promise<void> {
  if (guest.authority === undefined) expect.fail('there is no authority')
  using hkd = await linkAs(guest.authority, 'hkd', guest.address)
  await hkd.client.x_stop({})
}

/** The environment of a process of the session. */
async function environmentOf(pattern: string): Promise<string[]> {
  const pid = await guest.pidOf(pattern)
  return readFileSync(guest.path(`/proc/${pid ?? 0}/environ`), 'utf8').split('\0')
}

describe('a desktop', () => {
  beforeAll(async () => {
    guest = await startGuest({
      config: ['vma.x11vnc.confirm.command = /etc/ask', 'vma.user.umask = 0027'],
      files: {
        '/etc/ask': '#!/bin/sh\necho "$(id -un)" >> /tmp/asked\nread answer < /tmp/answer\nexit "$answer"\n',
        '/etc/environment': '# for all\nexport GREETING="hello, you" # really\nLD_DEBUG_OUTPUT=\'x\'\n',
        '/etc/default/locale': 'LANG=C.UTF-8\n',
      },
    })
  })
  afterAll(async () => {
    await guest[Symbol.asyncDispose]()
  })

  test('is in the time zone and the language of the client, and in the environment of the system', async () => {
    const answer = await start({ 'qvd.client.timezone': 'Asia/Tokyo', 'qvd.client.locale': 'C.utf8' })
    expect(answer.warnings).toEqual([])
    const client = guest.connectNx(screen.display)
    await untilState('connected')
    await until('the session program', async () => (await guest.pidOf('^/usr/bin/xterm')) !== undefined)
    const environment = await environmentOf('^/usr/bin/xterm')
    expect(environment).toEqual(
      expect.arrayContaining(['GREETING=hello, you', 'LANG=C.utf8', 'HOME=/home/ann', 'USER=ann']),
    )
    expect(await guest.inside('date', '+%Z')).toBe('JST\n')
    expect(readFileSync(guest.path('/etc/timezone'), 'utf8')).toBe('Asia/Tokyo\n')
    const status = readFileSync(
      guest.path(`/proc/${(await guest.pidOf('^/usr/bin/xterm')) ?? 0}/status`),
      'utf8',
    )
    expect(status).toMatch(/^Umask:\s+0027$/m)
    client.kill('SIGKILL')
    await untilState('suspended')
  })

  test('says what it cannot do, and opens all the same', async () => {
    await stop()
    const answer = await start({ 'qvd.client.timezone': 'Mars/Olympus', 'qvd.client.locale': 'tlh_QO' })
    expect(answer).toMatchObject({ ready: true, state: 'listening' })
    expect(answer.warnings).toEqual(['this desktop does not know the time zone Mars/Olympus'])
  })

  test('spans two screens of the client', async () => {
    const options = ['+xinerama', '-screen', '0', '1280x800x24', '-screen', '1', '1024x768x24']
    const wide = spawn('Xvfb', ['-displayfd', '3', '-ac', '-nolisten', 'tcp', ...options], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    })
    try {
      const number = await new Promise<string>((resolve) =>
        wide.stdio[3]?.once('data', (chunk: Buffer) => resolve(chunk.toString().trim())),
      )
      await stop()
      await start({ 'qvd.client.geometry': '2304x800', 'qvd.client.fullscreen': '1' })
      const client = guest.connectNx(`:${number}`)
      await untilState('connected')
      const monitors = await guest.inside(...SESSION_DISPLAY, 'xrandr', '--listmonitors')
      expect(monitors).toMatch(/^Monitors: 2\n/)
      client.kill('SIGKILL')
      await untilState('suspended')
    } finally {
      wide.kill('SIGTERM')
    }
  })

  test('is shown to the support when the user agrees, and not when she does not', async () => {
    const answer = async (exit: number): Promise<string> => {
      await guest.inside('sh', '-c', `echo ${exit} > /tmp/answer; chmod 644 /tmp/answer`)
      const socket = await askForView()
      socket.once('data', () => socket.write('RFB 003.008\n'))
      const said = await everything(socket, 'RFB 003.008\n\x01')
      socket.destroy()
      return said
    }
    // One security type follows the greeting, or nothing more: she was asked before anything is shown.
    expect(await answer(0)).toMatch(/^HTTP\/1\.1 101 .*\r\n\r\nRFB 003\.008\n./s)
    expect(await answer(2)).toMatch(/^HTTP\/1\.1 101 .*\r\n\r\n(RFB 003\.008\n)?$/s)
    expect(guest.read('/tmp/asked')).toBe('ann\nann\n')
    expect(guest.read('/var/log/ostler/qvd.log')).toContain('"support view opened"')
  })

  test('is not shown when there is no session', async () => {
    await stop()
    expect(await everything(await askForView(), '}')).toMatch(/^HTTP\/1\.1 503 .*"session\.busy"/s)
  })
})

describe('an application', () => {
  beforeAll(async () => {
    guest = await startGuest({
      plain: true,
      config: ['command.x-session = /etc/application'],
      // It goes on in the background when its window is closed, as many do.
      files: { '/etc/application': '#!/bin/sh\nxterm -T Calculator -e sleep 500 &\nexec sleep 600\n' },
    })
  })
  afterAll(async () => {
    await guest[Symbol.asyncDispose]()
  })

  test('has its window on the screen of the client, and ends with its last one', async () => {
    await guest.simple('x_start', { ...USER, 'qvd.vm.is_application': '1' })
    await guest.untilState('listening')
    guest.connectNx(screen.display)
    await guest.untilState('connected')
    await until('the window', () => isVisible('Calculator'))
    await guest.inside('pkill', '-x', 'xterm')
    await guest.untilState('stopped')
    expect(await guest.pidOf('sleep 600')).toBeUndefined()
  })

  test('is left alone while a window is open, also over a restart of the agent', async () => {
    await guest.simple('x_start', { ...USER, 'qvd.vm.is_application': '1' })
    await guest.untilState('listening')
    guest.connectNx(screen.display)
    await guest.untilState('connected')
    await until('the window', () => isVisible('Calculator'))
    const second = [
      ...SESSION_DISPLAY,
      'runuser',
      '-u',
      'ann',
      '--',
      'xterm',
      '-T',
      'Second',
      '-e',
      'sleep',
      '500',
    ]
    guest.inside(...second).catch(() => {}) // it is killed below
    await until('the second window', () => isVisible('Second'))
    await guest.inside('pkill', '-KILL', '-f', 'vma.cjs')
    await until('the agent to be there again', () =>
      guest.simple('ping').then(
        () => true,
        () => false,
      ),
    )
    await guest.inside('pkill', '-f', 'T Calculator')
    await new Promise((resolve) => setTimeout(resolve, 6_000))
    expect((await guest.simple('x_state')).result).toBe('connected')
    await guest.inside('pkill', '-f', 'T Second')
    await guest.untilState('stopped')
  })
})

/** True when a window of that title is to be seen on the client's screen. */
async function isVisible(title: string): Promise<boolean> {
  const search = ['search', '--onlyvisible', '--name', title]
  return await run('xdotool', search, { env: { ...process.env, DISPLAY: screen.display } }).then(
    () => true,
    () => false,
  )
}

async function askForView(): Promise<TLSSocket> {
  if (guest.authority === undefined) expect.fail('there is no authority')
  const own = await issueIdentity(guest.authority, {
    commonName: 'l7r',
    uri: holderUri({ role: 'l7r' }),
    days: 1,
  })
  const socket = connect({
    host: guest.address,
    port: 3030,
    key: own.key,
    cert: own.certificate,
    ca: guest.authority.certificate,
    checkServerIdentity: () => undefined,
  })
  socket.write('GET /vma/vnc_connect HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: VNC\r\n\r\n')
  return socket
}

/** What comes on a connection until it ends, or until a text has come and a moment more. */
async function everything(socket: TLSSocket, wanted: string): Promise<string> {
  let text = ''
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, 15_000)
    const done = (): void => {
      clearTimeout(timer)
      resolve()
    }
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      if (text.includes(wanted)) setTimeout(done, 100)
    })
    socket.once('close', done)
    socket.on('error', done)
  })
  return text
}
