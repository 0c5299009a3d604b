import { holderUri } from '@ostler/contract/identity.ts'
import { issueIdentity } from '@ostler/kit/certificate.ts'
import { once } from 'node:events'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { connect as connectUnix } from 'node:net'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Guest, type GuestSettings, linkAs, recorder, startGuest } from '../fixtures/guest.ts'
import { until } from '../fixtures/world.ts'
import { openScreen } from '../fixtures/x-screen.ts'

const USER = { 'qvd.vm.user.name': 'ann', 'qvd.client.link': 'lan' }
const SESSION = join(import.meta.dirname, '../../build/agent/ostler-session')
const DISPLAY = '/run/ostler/display'

async function guestWith(settings: GuestSettings = {}): Promise<Guest> {
  const guest = await startGuest(settings)
  onTestFinished(() => guest[Symbol.asyncDispose]())
  return guest
}

async function start(guest: Guest, display: 'nx' | 'rfb' = 'nx') {
  const answer = await guest.link?.client.x_start({ display, parameters: USER })
  return answer ?? expect.fail('there is no link')
}

async function untilState(guest: Guest, state: string): Promise<void> {
  await until(
    `the session to be ${state}`,
    async () => (await guest.link?.client.x_state({}))?.state === state,
  )
}

async function stop(guest: Guest): Promise<void> {
  if (guest.authority === undefined) expect.fail('there is no authority')
  using hkd = await linkAs(guest.authority, 'hkd', guest.address)
  await hkd.client.x_stop({})
}

/** Runs a shell script as the user. */
function asAnn(guest: Guest, script: string): Promise<string> {
  return guest.inside('runuser', '-u', 'ann', '--', 'sh', '-c', `cd ~; ${script}`)
}

describe('what a user puts at the place of a socket', () => {
  test('does not end the agent when it is a folder', async () => {
    const guest = await guestWith()
    await start(guest)
    const agent = await guest.pidOf('vma.cjs')
    await asAnn(guest, `rm -f ${DISPLAY}/nx.sock; mkdir ${DISPLAY}/nx.sock`)
    await stop(guest)
    expect(await start(guest)).toMatchObject({ ready: true })
    expect(await guest.pidOf('vma.cjs')).toBe(agent)
  })

  test('is not made hers or anybody else’s when it is a link', async () => {
    // She waits for the socket of an agent that starts again, and exchanges it before the agent gives it to the door.
    const racer = [
      '#!/usr/bin/perl',
      'while (1) {',
      `  next unless -S "${DISPLAY}/rfb.sock";`,
      `  symlink("/etc/secret", "${DISPLAY}/link"); rename("${DISPLAY}/link", "${DISPLAY}/rfb.sock");`,
      '  open(my $won, ">>", "/tmp/won"); print $won "x"; close($won);',
      '  select(undef, undef, undef, 0.05);',
      '}',
    ]
    const guest = await guestWith({ files: { '/etc/secret': 'x', '/etc/racer': `${racer.join('\n')}\n` } })
    await start(guest)
    guest.inside('runuser', '-u', 'ann', '--', '/etc/racer').catch(() => {}) // it ends with the guest
    const races = (): number => (existsSync(guest.path('/tmp/won')) ? guest.read('/tmp/won').length : 0)
    for (let round = 1; round <= 8; round++) {
      await guest.inside('pkill', '-KILL', '-f', 'vma.cjs').catch(() => {})
      await until('the socket to be exchanged', () => races() >= round)
    }
    const { mode, uid } = statSync(guest.path('/etc/secret'))
    expect({ mode: mode & 0o777, uid }).toEqual({ mode: 0o644, uid: 0 })
  })
})

test('a path of the system that leads through her home runs nothing of hers as root', async () => {
  const guest = await guestWith({
    files: { '/etc/environment': 'PATH=$HOME/bin:/home/ann/bin:/usr/bin:/bin\n' },
  })
  await start(guest)
  await asAnn(
    guest,
    `for bin in '$HOME/bin' bin; do
       mkdir -p "$bin"
       for name in setpriv env; do
         printf '#!/bin/sh\\nid -u >> /tmp/ran\\nexec /usr/bin/%s "$@"\\n' $name > "$bin/$name"
         chmod 755 "$bin/$name"
       done
     done`,
  )
  await stop(guest)
  expect(await start(guest)).toMatchObject({ ready: true })
  expect(existsSync(guest.path('/tmp/ran'))).toBe(false)
})

test('the cookie of a session is a file of its own, whatever was done to the last one', async () => {
  const guest = await guestWith()
  await start(guest)
  await asAnn(guest, 'chmod 666 /run/ostler/session/Xauthority')
  await stop(guest)
  await start(guest)
  expect(statSync(guest.path('/run/ostler/session/Xauthority')).mode & 0o777).toBe(0o600)
})

test('a support view that is refused costs no descriptor', async () => {
  const guest = await guestWith()
  const { authority } = guest
  if (authority === undefined) expect.fail('there is no authority')
  const own = await issueIdentity(authority, { commonName: 'l7r', uri: holderUri({ role: 'l7r' }), days: 1 })
  const ask = async (): Promise<void> => {
    const { key, certificate: cert } = own
    const socket = connect({
      host: guest.address,
      port: 3030,
      key,
      cert,
      ca: authority.certificate,
      ...ANY_NAME,
    })
    socket.write('GET /vma/vnc_connect HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: VNC\r\n\r\n')
    socket.resume()
    await once(socket, 'close')
  }
  const open = async (): Promise<number> =>
    readdirSync(guest.path(`/proc/${(await guest.pidOf('vma.cjs')) ?? 0}/fd`)).length
  await ask()
  const before = await open()
  for (let round = 0; round < 20; round++) await ask()
  await until('the connections to be closed', async () => (await open()) < before + 10)
})

const ANY_NAME = { checkServerIdentity: () => undefined }

describe('a full /run', () => {
  test('neither ends the agent nor keeps the user from the session that is there', async () => {
    const guest = await guestWith()
    await using screen = await openScreen()
    await start(guest)
    const agent = await guest.pidOf('vma.cjs')
    await guest.inside('mount', '-o', 'remount,size=2M', '/run')
    await asAnn(guest, 'dd if=/dev/zero of=/run/user/$(id -u)/big bs=4k 2>/dev/null; true')
    guest.connectNx(screen.display)
    await untilState(guest, 'connected')
    const { warnings } = await start(guest, 'rfb')
    expect(warnings).toEqual([expect.stringContaining('no space left')])
    expect(await guest.pidOf('vma.cjs')).toBe(agent)
  })

  test('is told to who wants a new session, and leaves nothing running', async () => {
    const guest = await guestWith()
    await guest.inside('mount', '-o', 'remount,size=1M', '/run')
    await guest.inside('sh', '-c', 'dd if=/dev/zero of=/run/big bs=4k 2>/dev/null; true')
    await expect(start(guest)).rejects.toMatchObject({ code: 'session.failed' })
    expect(await guest.pidOf('nxagent')).toBeUndefined()
    await guest.inside('rm', '/run/big')
    expect(await start(guest)).toMatchObject({ ready: true })
  })
})

test('a browser that outlives its session is not counted in the next one', async () => {
  const states = ['connected', 'suspended', 'disconnected'] as const
  const guest = await guestWith({
    config: states.map((state) => `vma.on_state.${state} = /etc/record`),
    files: { '/etc/record': recorder() },
  })
  const heard = (): (string | undefined)[] => guest.hookCalls().map(({ argv }) => argv.at(-1))
  for (const round of [1, 2]) {
    await start(guest, 'rfb')
    const browser = connectUnix(guest.path(`${DISPLAY}/rfb.sock`))
    await once(browser, 'data')
    await guest.inside('pkill', '-KILL', '-x', 'xinit')
    await until('the end to be told', () => heard().filter((state) => state === 'stopped').length === round)
    browser.destroy()
  }
  expect(heard()).toEqual(['connected', 'stopped', 'connected', 'stopped'])
})

test('a home that is gone costs the log of the session, and not the session', async () => {
  const guest = await guestWith()
  const script = ['sh', '-c', 'HOME=/nowhere exec "$0" 0022 echo', SESSION]
  expect(await guest.status(...script)).toBe(0)
})

test('what a killed screen left does not keep a browser from opening the session', async () => {
  const guest = await guestWith()
  await guest.inside(
    'sh',
    '-c',
    'mkdir -p -m 1777 /tmp/.X11-unix; touch /tmp/.X11-unix/X101; echo 1 > /tmp/.X101-lock',
  )
  expect(await start(guest, 'rfb')).toMatchObject({ ready: true })
})

test('a start that is given up does not wait for its hook, also when another one waits', async () => {
  const guest = await guestWith({
    config: ['vma.on_action.connect = /etc/record', 'log.level = DEBUG'],
    files: { '/etc/record': recorder('sleep 300') },
  })
  const first = expect(start(guest)).rejects.toMatchObject({ code: 'session.busy' })
  await until('the hook to run', () => guest.hookCalls().length > 0)
  const second = expect(start(guest, 'rfb')).rejects.toMatchObject({ code: 'session.busy' })
  const calls = (): number => guest.read('/var/log/ostler/qvd.log').split('"procedure":"x_start"').length - 1
  await until('the second start to wait', () => calls() === 2)
  await stop(guest)
  await Promise.all([first, second])
  expect(guest.hookCalls()).toHaveLength(1)
})

test('the plain protocol is not for programs of the desktop itself', async () => {
  const caller = [
    '#!/usr/bin/perl',
    'use IO::Socket::INET;',
    'my ($from, $to) = @ARGV;',
    'my $socket = IO::Socket::INET->new(LocalAddr => $from, PeerAddr => "$to:3030") or die "no connection";',
    '$SIG{PIPE} = "IGNORE";',
    'print $socket "GET /vma/ping HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n"; $socket->flush;',
    'print while <$socket>;',
  ]
  const guest = await guestWith({ plain: true, files: { '/etc/caller': `${caller.join('\n')}\n` } })
  expect(await guest.simple('ping')).toMatchObject({ status: 200 })
  for (const from of ['127.0.0.1', guest.address])
    for (const to of ['127.0.0.1', guest.address])
      expect(await guest.inside('/etc/caller', from, to)).toBe('')
})
