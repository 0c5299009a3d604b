import { sql } from 'kysely'
import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { DoorConnection } from '../fixtures/door-connection.ts'
import { DoorRoom } from '../fixtures/door-room.ts'
import type { ScriptedGuest } from '../fixtures/scripted-guest.ts'
import { until } from '../fixtures/world.ts'

let room: DoorRoom
let id: number
let guest: ScriptedGuest
/** The display's end of the newest stream, and what has reached it. */
let display: { readonly socket: Socket; heard: string; closed: boolean }
const open: DoorConnection[] = []

beforeAll(async () => {
  room = await DoorRoom.open()
  await room.addUsers(['ann'], 'hush')
  const added = await room.addDesktop('ann', 'ann-office', {
    display: (socket) => {
      const end = { socket, heard: '', closed: false }
      display = end
      socket.on('data', (chunk: Buffer) => (end.heard += chunk.toString('latin1')))
      // A display whose client has finished has nothing more to show.
      socket.once('end', () => socket.end())
      socket.once('close', () => (end.closed = true))
    },
  })
  ;({ id, guest } = added)
})
afterAll(() => room[Symbol.asyncDispose]())
afterEach(() => {
  for (const connection of open.splice(0)) connection[Symbol.dispose]()
})

async function connect(
  more = '',
): Promise<{ connection: DoorConnection; key: string; interims: readonly string[] }> {
  const connection = await DoorConnection.open(room)
  open.push(connection)
  const { status, headers, interims, body } = await connection.ask(
    `GET /qvd/connect_to_vm?id=${id}${more} HTTP/1.1\nAuthorization: Basic ${Buffer.from('ann:hush').toString('base64')}\n` +
      'Connection: Upgrade\nUpgrade: QVD/1.0\n\n',
  )
  expect([status, body]).toEqual([101, ''])
  return { connection, key: headers.get('X-QVD-Slave-Key') ?? '', interims }
}

const counters = async (): Promise<number[]> => {
  const { rows } = await sql<{ counts: number[] }>`
    SELECT ARRAY[nx_attempts, nx_ok, short_sessions]::int[] AS counts FROM ostler.host_counters`.execute(
    room.db,
  )
  return rows[0]?.counts ?? [0, 0, 0]
}

test('C-40 success is a 101 whose slave key has 64 letters and digits, and the guest has the same (C-46)', async () => {
  const { key } = await connect('&qvd.client.link=lan&custom.note=hello')
  expect(key).toMatch(/^[A-Za-z0-9]{64}$/)
  expect(guest.starts.at(-1)).toMatchObject({
    display: 'nx',
    parameters: {
      'qvd.slave.key': key,
      'qvd.client.link': 'lan',
      'custom.note': 'hello',
      'qvd.vm.user.name': 'ann',
    },
  })
})

test('C-41 after the 101 the door says nothing of its own, and bytes pass unchanged both ways', async () => {
  const { connection } = await connect()
  await until('the display to be reached', () => !display.closed && display.socket.readyState === 'open')
  const [up, down] = [randomBytes(300_000), randomBytes(300_000)]
  connection.send(up)
  await until('all of it to arrive', () => display.heard.length === up.length)
  expect(Buffer.from(display.heard, 'latin1').equals(up)).toBe(true)
  display.socket.write(down)
  const came = await connection.bytes((text) => text.length >= down.length)
  expect(Buffer.from(came, 'latin1').equals(down)).toBe(true)
})

test('C-42 when either side closes, the other is closed and nobody is shown as sitting there', async () => {
  const stateOf = async (): Promise<string | undefined> =>
    (await room.db.selectFrom('seat').select('state').where('vm_id', '=', id).executeTakeFirst())?.state
  const first = await connect()
  const { socket } = display
  first.connection.socket.end()
  await until('the display to be closed', () => socket.destroyed)
  await until('the seat to be free', async () => (await stateOf()) === 'disconnected')
  const second = await connect()
  display.socket.end()
  await until('the client to be closed', () => second.connection.closed)
  await until('the seat to be free', async () => (await stateOf()) === 'disconnected')
})

test('C-43 attempts, streams and short sessions are counted', async () => {
  const before = await counters()
  const { connection } = await connect()
  connection[Symbol.dispose]()
  await until('all three to be counted', async () =>
    (await counters()).every((count, at) => count > (before[at] ?? 0)),
  )
})
