import { run } from '@ostler/kit/run.ts'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { askDoor, DoorConnection } from '../fixtures/door-connection.ts'
import { DoorRoom } from '../fixtures/door-room.ts'
import { until } from '../fixtures/world.ts'

/** A door of two workers that an administrator empties. */
let room: DoorRoom
let desktop: number

beforeAll(async () => {
  room = await DoorRoom.open({ 'l7r.workers': '2' })
  await room.addUsers(['ann'], 'hush')
  desktop = (await room.addDesktop('ann', 'ann-office')).id
})
afterAll(() => room[Symbol.asyncDispose]())

const AUTHORIZATION = `Authorization: Basic ${Buffer.from('ann:hush').toString('base64')}`
const CONNECT = (): string =>
  `GET /qvd/connect_to_vm?id=${desktop} HTTP/1.1\n${AUTHORIZATION}\nConnection: Upgrade\nUpgrade: QVD/1.0\n\n`

async function command(...words: string[]): Promise<string> {
  const { folder } = room.node.settings
  const program = [join(folder, 'lib/l7r.cjs'), '--config', room.node.config, ...words]
  return (await run(join(folder, 'lib/node'), program)).stdout.trim()
}

const ping = async (): Promise<number> => (await askDoor(room, 'GET /qvd/ping HTTP/1.1\n\n')).status

test('drain: every worker says 503 to newcomers, who is in stays in, and status counts them down', async () => {
  const session = await DoorConnection.open(room)
  expect((await session.ask(CONNECT())).status).toBe(101)
  expect(await command('status')).toMatch(/^the door is open: 1 sessions,/)

  expect(await command('drain')).toMatch(/^the door is draining: 1 sessions,/)
  // Connections go to the workers in turn: all of them know.
  for (let round = 0; round < 4; round++) expect(await ping()).toBe(503)
  const refused = await askDoor(room, CONNECT())
  expect(refused).toMatchObject({ status: 503, body: 'Server takes nobody in any more\r\n' })
  expect((await askDoor(room, `GET /qvd/list_of_vm HTTP/1.1\n${AUTHORIZATION}\n\n`)).status).toBe(503)
  const body = '{"login":"ann","password":"hush"}'
  const origin = `Host: 127.0.0.1:${room.port}\r\nOrigin: https://127.0.0.1:${room.port}`
  const signIn = await askDoor(
    room,
    `POST /portal/api/sign-in HTTP/1.1\r\n${origin}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${body.length}\r\n\r\n${body}`,
  )
  expect(signIn.status).toBe(503)
  session.send('still here')
  await session.bytes((all) => all.endsWith('still here'))

  session[Symbol.dispose]()
  await until('nobody to be left', async () =>
    (await command('status')).startsWith('the door is draining: 0 sessions'),
  )
})

test('a worker that takes the place of another while the door is shut lets nobody in either', async () => {
  const workers = (): number[] => {
    const pid = room.doorPid
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  }
  const before = workers()
  process.kill(room.doorPid, 'SIGHUP')
  await until(
    'two new workers',
    () => workers().length === 2 && workers().every((pid) => !before.includes(pid)),
  )
  for (let round = 0; round < 4; round++) expect(await ping()).toBe(503)
})

test('open: everybody is let in again', async () => {
  expect(await command('open')).toMatch(/^the door is open: 0 sessions/)
  await until('every worker to hear it', async () => (await ping()) === 200 && (await ping()) === 200)
  using session = await DoorConnection.open(room)
  expect((await session.ask(CONNECT())).status).toBe(101)
})

test('where no door is, the command says so and fails', async () => {
  const { folder } = room.node.settings
  const elsewhere = join(folder, 'elsewhere.conf')
  writeFileSync(elsewhere, `${readFileSync(room.node.config, 'utf8')}l7r.port = 1\n`)
  const program = [join(folder, 'lib/l7r.cjs'), '--config', elsewhere, 'drain']
  await expect(run(join(folder, 'lib/node'), program)).rejects.toThrow(
    /ostler-l7r does not answer at .*door-1\.sock/,
  )
  expect(await ping()).toBe(200)
})
