import { run } from '@ostler/kit/run.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import WebSocket from 'ws'
import { signIn } from '../fixtures/door.ts'
import { DoorRoom } from '../fixtures/door-room.ts'
import type { ScriptedGuest } from '../fixtures/scripted-guest.ts'
import { freeSubnet, until } from '../fixtures/world.ts'

/** Clients that are gone without a word, behind a NAT or a closed lid, and how long their door believes in them. */
let room: DoorRoom
let desktop: number
let guest: ScriptedGuest
const scope = new Scope()
const subnet = freeSubnet()
let cables = 0

beforeAll(async () => {
  room = scope.own(await DoorRoom.open({ 'l7r.keepalive': '1', 'l7r.address': '*' }))
  await room.addUsers(['ann'], 'hush')
  ;({ id: desktop, guest } = await room.addDesktop('ann', 'ann-office'))
})
afterAll(() => scope.close())

async function openBrowser(answersPings: boolean): Promise<WebSocket> {
  const cookie = await signIn(room, 'ann', 'hush')
  const socket = new WebSocket(`wss://127.0.0.1:${room.port}/portal/desktops/${desktop}/display`, 'binary', {
    rejectUnauthorized: false,
    autoPong: answersPings,
    headers: { Cookie: cookie, Origin: `https://127.0.0.1:${room.port}` },
  })
  socket.on('error', () => {})
  await once(socket, 'open')
  return socket
}

test('a browser that answers nothing is closed with the reason, and the log has it', async () => {
  const silent = await openBrowser(false)
  const [code, reason] = (await once(silent, 'close')) as [number, Buffer]
  expect(code).toBe(4_408)
  expect(reason.toString()).toBe('the browser has not answered for 1 s')
  await until('the end in the log', () =>
    room.door
      .log()
      .some(
        (line) =>
          line.message === 'stream ended' && line['because'] === 'the browser has not answered for 1 s',
      ),
  )
})

test('a browser that answers stays, though nobody touches it', async () => {
  const quiet = await openBrowser(true)
  let pings = 0
  quiet.on('ping', () => pings++)
  await until('five questions', () => pings >= 5)
  expect(quiet.readyState).toBe(quiet.OPEN)
  quiet.close()
  await once(quiet, 'close')
})

/** A client in a network of its own, whose cable can be pulled. */
async function openFarClient(): Promise<{ pullCable: () => Promise<void> }> {
  // A network of its own each: all of them are taken away at the end.
  const cable = cables++
  const [ours, theirs] = [1, 2].map((host) => `10.99.${subnet}.${4 * cable + host}`) as [string, string]
  const [here, there] = ['a', 'b'].map((end) => `ow${process.pid}${cable}${end}`.slice(-15)) as [
    string,
    string,
  ]
  const far = spawn(
    'setpriv',
    ['--pdeathsig=KILL', 'unshare', '--net', 'sh', '-c', 'echo up; exec sleep 600'],
    {
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  )
  scope.defer(async () => {
    const gone = once(far, 'exit')
    if (far.kill('SIGKILL')) await gone
  })
  await once(far.stdout, 'data')
  const pid = String(far.pid)
  const inside = (...argv: string[]) => run('nsenter', ['--target', pid, '--net', '--', ...argv])
  await run('ip', ['link', 'add', here, 'type', 'veth', 'peer', 'name', there, 'netns', pid])
  scope.defer(async () => void (await run('ip', ['link', 'del', here]).catch(() => {})))
  await run('ip', ['address', 'add', `${ours}/30`, 'dev', here])
  await run('ip', ['link', 'set', here, 'up'])
  await inside('ip', 'address', 'add', `${theirs}/30`, 'dev', there)
  await inside('ip', 'link', 'set', there, 'up')
  const key = Buffer.from('ann:hush').toString('base64')
  const request =
    `GET /qvd/connect_to_vm?id=${desktop} HTTP/1.1\\nAuthorization: Basic ${key}\\n` +
    'Connection: Upgrade\\nUpgrade: QVD/1.0\\n\\n'
  const client = spawn(
    'nsenter',
    [
      '--target',
      pid,
      '--net',
      '--',
      'sh',
      '-c',
      `(printf '${request}'; sleep 600) | openssl s_client -quiet -connect ${ours}:${room.port}`,
    ],
    { stdio: 'ignore', detached: true },
  )
  scope.defer(() => {
    if (client.pid !== undefined) process.kill(-client.pid, 'SIGKILL')
  })
  return { pullCable: async () => void (await inside('ip', 'link', 'set', there, 'down')) }
}

/** A native client in a far network, from her stream on. */
async function openNative(): Promise<{ pullCable: () => Promise<void>; untilEnded: () => Promise<void> }> {
  const count = (what: string): number =>
    room.door.log().filter(({ message, display }) => message === what && display === 'nx').length
  const [opened, ended] = [count('stream opens'), count('stream ended')]
  const { pullCable } = await openFarClient()
  await until('her stream', () => count('stream opens') > opened)
  return {
    pullCable,
    // One second of silence, then ten questions, one each second.
    untilEnded: () => until('her stream to end', () => count('stream ended') > ended, 60_000),
  }
}

test('a native client whose network is gone is found by her silence', async () => {
  const { pullCable, untilEnded } = await openNative()
  await pullCable()
  await untilEnded()
})

test('a native client whose network is gone is found while pictures are on their way to her', async () => {
  const shown = Promise.withResolvers<Socket>()
  guest.script = { display: (socket) => shown.resolve(socket) }
  const { pullCable, untilEnded } = await openNative()
  const display = await shown.promise
  await pullCable()
  display.write('a picture')
  await untilEnded()
})
