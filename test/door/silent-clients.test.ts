import { run } from '@ostler/kit/run.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import WebSocket from 'ws'
import { signIn } from '../fixtures/door.ts'
import { DoorRoom } from '../fixtures/door-room.ts'
import { freeSubnet, until } from '../fixtures/world.ts'

/** Clients that are gone without a word, behind a NAT or a closed lid, and how long their door believes in them. */
let room: DoorRoom
let desktop: number
const scope = new Scope()

beforeAll(async () => {
  room = scope.own(await DoorRoom.open({ 'l7r.keepalive': '1', 'l7r.address': '*' }))
  await room.addUsers(['ann'], 'hush')
  desktop = (await room.addDesktop('ann', 'ann-office')).id
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
  const subnet = freeSubnet()
  const [here, there] = [`ow${process.pid}a`.slice(-15), `ow${process.pid}b`.slice(-15)]
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
  await run('ip', ['address', 'add', `10.99.${subnet}.1/30`, 'dev', here])
  await run('ip', ['link', 'set', here, 'up'])
  await inside('ip', 'address', 'add', `10.99.${subnet}.2/30`, 'dev', there)
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
      `(printf '${request}'; sleep 600) | openssl s_client -quiet -connect 10.99.${subnet}.1:${room.port}`,
    ],
    { stdio: 'ignore', detached: true },
  )
  scope.defer(() => {
    if (client.pid !== undefined) process.kill(-client.pid, 'SIGKILL')
  })
  return { pullCable: async () => void (await inside('ip', 'link', 'set', there, 'down')) }
}

test('a native client whose network is gone is found by its silence', async () => {
  const opened = (): number => room.door.log().filter(({ message }) => message === 'stream opens').length
  const before = opened()
  const { pullCable } = await openFarClient()
  await until('her stream', () => opened() > before)
  await pullCable()
  // One second of silence, then ten questions, one each second.
  await until(
    'her stream to end',
    () => room.door.log().some((line) => line.message === 'stream ended' && line['display'] === 'nx'),
    60_000,
  )
})
