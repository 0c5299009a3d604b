import { Fault } from '@ostler/contract/fault.ts'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import WebSocket from 'ws'
import { askDoor, DoorConnection } from '../fixtures/door-connection.ts'
import { get, type LogLine, sendRaw, signIn, UPGRADE } from '../fixtures/door.ts'
import { DoorRoom } from '../fixtures/door-room.ts'
import type { ScriptedGuest } from '../fixtures/scripted-guest.ts'
import { until } from '../fixtures/world.ts'

/** One line for each request, one id for each connection, and no secret anywhere. */
let room: DoorRoom
let desktop: number
let guest: ScriptedGuest

const PASSWORD = 'correct-horse-battery'

beforeAll(async () => {
  room = await DoorRoom.open({ 'log.level': 'DEBUG' })
  await room.addUsers(['ann'], PASSWORD)
  ;({ id: desktop, guest } = await room.addDesktop('ann', 'ann-office'))
})
afterAll(() => room[Symbol.asyncDispose]())

/** Waits for a line of the door's log. */
async function line(message: string, holds: (line: LogLine) => boolean): Promise<LogLine> {
  let found: LogLine | undefined
  await until(`"${message}" in the log`, () => {
    found = room.door.log().find((each) => each.message === message && holds(each))
    return found !== undefined
  })
  if (found === undefined) throw new Error('impossible')
  return found
}

test('each request has a line: method, path without its query, status, time, bytes, address, user, connection', async () => {
  const answer = await askDoor(
    room,
    get('/qvd/list_of_vm?secret=in-the-query', 'ann', [], PASSWORD),
    '127.0.0.9',
  )
  const id = answer.headers.get('X-Ostler-Connection') ?? ''
  expect(id).toMatch(/^[a-z0-9]{12}$/)
  const said = await line('request', ({ connection }) => connection === id)
  expect(said).toMatchObject({
    level: 'info',
    method: 'GET',
    path: '/qvd/list_of_vm',
    status: 200,
    bytes: answer.body.length,
    address: '127.0.0.9',
    user: 'ann',
  })
  expect(said['ms']).toBeGreaterThanOrEqual(0)
})

test('requests of one connection share their id, those of two do not; a page is logged like all others', async () => {
  using connection = await DoorConnection.open(room)
  const first = await connection.ask(get('/qvd/list_of_vm', 'ann', [], PASSWORD))
  const second = await connection.ask(get('/qvd/nothing-here'))
  const other = await askDoor(room, get('/qvd/ping'))
  const page = await askDoor(room, 'GET /portal/api/desktops HTTP/1.1\r\nHost: door\r\n\r\n')
  const ids = [first, second, other, page].map(
    ({ headers }) => headers.get('X-Ostler-Connection') ?? headers.get('x-ostler-connection'),
  )
  expect(ids[0]).toBe(ids[1])
  expect(new Set(ids).size).toBe(3)
  expect(await line('request', (each) => each['connection'] === ids[3])).toMatchObject({
    path: '/portal/api/desktops',
    status: 401,
  })
  // A balancer asks every second: its line is for those who look closely.
  expect(await line('request', (each) => each['connection'] === ids[2])).toMatchObject({ level: 'debug' })
})

test('a stream: its 101, its agent and its end bear one id, and so does the browser', async () => {
  using connection = await DoorConnection.open(room)
  const answer = await connection.ask(get(`/qvd/connect_to_vm?id=${desktop}`, 'ann', UPGRADE, PASSWORD))
  expect(answer.status).toBe(101)
  // Interim responses have one header, as clients know them (C-38).
  const id = answer.headers.get('X-Ostler-Connection') ?? ''
  expect(answer.raw.split('HTTP/1.1 101')[0]).not.toContain('X-Ostler')
  expect(guest.connections.at(-1)).toBe(id)
  connection.send('hello')
  await connection.bytes((all) => all.endsWith('hello'))
  connection[Symbol.dispose]()
  const ended = await line('stream ended', (each) => each['connection'] === id)
  expect(ended).toMatchObject({
    by: 'client',
    bytesToClient: 5,
    bytesToDisplay: 5,
    address: '127.0.0.1',
    user: 'ann',
    vm: desktop,
  })
  for (const message of ['seat claimed', 'stream opens', 'stream shows', 'request'])
    await line(message, (each) => each['connection'] === id)

  const cookie = await signIn(room, 'ann', PASSWORD)
  const socket = new WebSocket(`wss://127.0.0.1:${room.port}/portal/desktops/${desktop}/display`, 'binary', {
    rejectUnauthorized: false,
    headers: { Cookie: cookie, Origin: `https://127.0.0.1:${room.port}` },
  })
  const header = await new Promise<string>((resolve, reject) => {
    socket.once('upgrade', (response) => resolve(String(response.headers['x-ostler-connection'])))
    socket.once('error', reject)
  })
  await line('stream opens', (each) => each['connection'] === header)
  expect(guest.connections.at(-1)).toBe(header)
  socket.close()
  await line('stream ended', (each) => each['connection'] === header)
})

test('a failure that an administrator must look into tells the id, and the log has it', async () => {
  const before = guest.script
  guest.script = {
    start: () => Promise.reject(new Fault('session.user', { user: 'ann', reason: 'no room' })),
  }
  try {
    const answer = await askDoor(room, get(`/qvd/connect_to_vm?id=${desktop}`, 'ann', UPGRADE, PASSWORD))
    const id = answer.headers.get('X-Ostler-Connection') ?? ''
    expect(answer.status).toBe(503)
    expect(answer.body).toContain(`retry later. (reference ${id})`)
    await line('request', (each) => each['connection'] === id && each['status'] === 503)
  } finally {
    guest.script = before
  }
})

test('no password, token, cookie or ticket is in the log after a story full of them', async () => {
  const secrets = [
    PASSWORD,
    'wrong-pass-phrase',
    'query-token-7f',
    'bearer-6b1d',
    'cookie-5a2c',
    'env-share-91',
  ]
  const tokenAnswer = await askDoor(room, get('/qvd/create_auth_token', 'ann', [], PASSWORD))
  const token = (JSON.parse(tokenAnswer.body) as { auth_token: string }).auth_token
  secrets.push(token, Buffer.from(token, 'base64').toString())
  const bearer = (text: string): string => `Authorization: Bearer ${text}`
  await askDoor(room, get('/qvd/list_of_vm', 'ann', [], 'wrong-pass-phrase'))
  await askDoor(
    room,
    get('/qvd/list_of_vm?token=query-token-7f&password=wrong-pass-phrase', 'ann', [], PASSWORD),
  )
  await askDoor(room, get('/qvd/list_of_vm', undefined, [bearer(token)]))
  await askDoor(room, get('/qvd/list_of_vm', undefined, [bearer('bearer-6b1d')]))
  const shared = `Auth-${Buffer.from('KEY').toString('hex')}: ${Buffer.from('env-share-91').toString('base64')}`
  await askDoor(room, get('/qvd/authenticate_user', 'ann', [shared], PASSWORD))
  secrets.push(
    Buffer.from('env-share-91').toString('base64'),
    Buffer.from(`ann:${PASSWORD}`).toString('base64'),
  )
  const cookie = await signIn(room, 'ann', PASSWORD)
  secrets.push(cookie.split('=')[1] ?? '')
  const asked = (headers: string): string =>
    `GET /portal/api/desktops?code=query-token-7f HTTP/1.1\r\nHost: door\r\n${headers}\r\n\r\n`
  await askDoor(room, asked(`Cookie: ${cookie}`))
  await askDoor(room, asked('Cookie: ostler-session=cookie-5a2c'))
  // Node writes the names of its headers in lower case, which `askDoor` does not take.
  await sendRaw(
    room,
    'GET /portal/api/oidc/callback?code=query-token-7f&state=query-token-7f HTTP/1.1\r\nHost: door\r\nConnection: close\r\n\r\n',
  )
  using connection = await DoorConnection.open(room)
  const opened = await connection.ask(
    get(`/qvd/connect_to_vm?id=${desktop}&custom.password=query-token-7f`, 'ann', UPGRADE, PASSWORD),
  )
  expect(opened.status).toBe(101)
  secrets.push(opened.headers.get('X-QVD-Slave-Key') ?? '')
  connection[Symbol.dispose]()
  const id = opened.headers.get('X-Ostler-Connection')
  await line('stream ended', (each) => each['connection'] === id)

  const log = readFileSync(`${room.node.settings.folder}/l7r.out`, 'utf8')
  expect(log).toContain('"path":"/portal/api/oidc/callback"')
  for (const secret of secrets) {
    expect(secret.length).toBeGreaterThan(8)
    expect(log, secret).not.toContain(secret)
  }
})
