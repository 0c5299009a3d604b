import { upgradeApi } from '@ostler/contract/agent-api.ts'
import { consoleApi } from '@ostler/contract/console-frames.ts'
import { checkConsoleTicket, UsedNonces } from '@ostler/contract/console-ticket.ts'
import { Fault } from '@ostler/contract/fault.ts'
import { AGENT_PORT } from '@ostler/contract/identity.ts'
import { TICKET_PROTOCOL, TUNNEL_UPGRADE, type TunnelOffer } from '@ostler/contract/tunnel.ts'
import { selfSigned } from '@ostler/kit/certificate.ts'
import { isAlive, signalProcess } from '@ostler/kit/process-table.ts'
import { refuseUpgrade } from '@ostler/agent/rpc/http.ts'
import type { ApiClient } from '@ostler/qa/api-client.ts'
import { openTunnel as openAsQa } from '@ostler/qa/tunnel/open-tunnel.ts'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import WebSocket from 'ws'
import { digestOf } from '@ostler/proxy/model/ticket-text.ts'
import { get, signIn } from '../fixtures/door.ts'
import { askDoor, DoorConnection } from '../fixtures/door-connection.ts'
import { DoorRoom, type RoomDoor } from '../fixtures/door-room.ts'
import type { GuestScript } from '../fixtures/scripted-guest.ts'
import { askTunnel, openTunnel, ticketTo, type TunnelDesktop, tunnelLines } from '../fixtures/tunnel-room.ts'
import { PASSWORD, until } from '../fixtures/world.ts'

/** A deadline for what should take a moment, on any machine. */
const PATIENCE_MS = 30_000
const KINDS = ['console', 'support', 'serial', 'ssh', 'folder', 'usb'] as const
type Kind = (typeof KINDS)[number]
/** Those of the client that sits there: they go with it. */
const OF_CLIENT: ReadonlySet<Kind> = new Set(['folder', 'usb'])

let room: DoorRoom
let api: ApiClient
let desktops = 0
/** Console tickets as guests got them, and with them the sizes that were asked for. */
const shown: { ticket: string; size: unknown }[] = []

/** Switches protocols as the agent does, and plays the far end. */
function switching(protocol: string, play: (socket: Duplex) => void) {
  return (request: IncomingMessage, socket: Duplex): void => {
    if (request.url === consoleApi.path)
      shown.push({
        ticket: String(request.headers[consoleApi.ticketHeader]),
        size: request.headers[consoleApi.sizeHeader],
      })
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`)
    play(socket)
  }
}

/** A far end that greets, then sends back what it gets until it gets no more. */
function greet(socket: Duplex): void {
  socket.write('hello ')
  socket.on('data', (bytes: Buffer) => socket.write(bytes))
  socket.on('end', () => socket.end('bye'))
}

const agentWith = (play: (socket: Duplex) => void): GuestScript['upgrades'] => ({
  [consoleApi.path]: switching(consoleApi.upgrade, play),
  [upgradeApi.vnc_connect.path]: switching(upgradeApi.vnc_connect.protocol, play),
  [upgradeApi.folders.path]: switching(upgradeApi.folders.protocol, play),
  [upgradeApi.usb.path]: switching(upgradeApi.usb.protocol, play),
})

/** Adds a running desktop all of whose far ends play the same: a virtual machine, for no other has them all. */
async function newDesktop(
  play: (socket: Duplex) => void = greet,
  script: GuestScript = {},
): Promise<TunnelDesktop & { name: string }> {
  const name = `desk${++desktops}`
  const upgrades = agentWith(play)
  const desktop = await room.addDesktop('ann', name, {
    display: play,
    ...(upgrades === undefined ? {} : { upgrades }),
    ...script,
  })
  const place = { host_id: room.hostId, hypervisor: 'kvm' } as const
  await room.db.updateTable('vm').set(place).where('id', '=', desktop.id).execute()
  return { name, ...desktop }
}

/** Listens at the ssh port of a desktop. */
async function serveSsh(desktop: TunnelDesktop, play: (socket: Socket) => void = greet) {
  const { address } = await room.db
    .selectFrom('vm')
    .select('address')
    .where('id', '=', desktop.id)
    .executeTakeFirstOrThrow()
  const sockets: Socket[] = []
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket.on('error', () => socket.destroy()))
    play(socket)
  })
  await once(server.listen(22, address), 'listening')
  return {
    sockets,
    [Symbol.dispose]: () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

/** A ticket as its kind is issued: a console's is ordered at the api and signed. */
async function goodTicket(desktop: TunnelDesktop & { name: string }, kind: Kind): Promise<string> {
  if (kind !== 'console') return await ticketTo(room, desktop, kind)
  const asked = { kind, account: 'root', person: 'eve' }
  const { ticket } = (await api.post(`/v1/desktops/${desktop.name}/tunnels`, asked)) as TunnelOffer
  await using _signer = room.signConsoles()
  await until('the console to be signed', async () => {
    const orders = room.db.selectFrom('console_order').select('signed')
    return (await orders.where('digest', '=', digestOf(ticket)).executeTakeFirst())?.signed != null
  })
  return ticket
}

/** Opens a tunnel that is expected to open. */
async function open(ticket: string, door: RoomDoor = room.door): Promise<DoorConnection> {
  const { connection, answer } = await openTunnel(door, ticket)
  expect(answer).toMatchObject({ status: 101 })
  return connection
}

/** Asks for a tunnel that is expected to be refused; the fault's code and the answer. */
async function refused(ticket: string | undefined, headers: readonly string[] = []) {
  const { connection, answer } = await openTunnel(room, ticket, headers)
  await connection.untilClosed()
  const { fault } = JSON.parse(answer.body) as { fault: string }
  return { status: answer.status, fault, raw: answer.raw }
}

const includes = (text: string) => (said: string) => said.includes(text)

beforeAll(async () => {
  room = await DoorRoom.open()
  api = await room.openApi()
  await room.addUsers(['ann', 'bob', 'sue'], PASSWORD)
  await room.db.updateTable('users').set({ role: 'support' }).where('login', '=', 'sue').execute()
})
afterAll(async () => await room[Symbol.asyncDispose]())

test.each(KINDS)(
  'a ticket for %s opens its far end, and the log says who and how much, and not the ticket',
  async (kind) => {
    const desktop = await newDesktop()
    using _ssh = await serveSsh(desktop)
    const ticket = await goodTicket(desktop, kind)
    using connection = await open(ticket)
    connection.send('to and fro')
    expect(await connection.bytes(includes('fro'))).toBe('hello to and fro')
    connection.socket.end()
    expect(await connection.bytes(includes('bye'))).toBe('hello to and frobye')
    await connection.untilClosed()
    await until(
      'the end to be logged',
      () => tunnelLines(room.door.log(), desktop.id).length === (kind === 'console' ? 2 : 2),
    )
    const by = kind === 'console' ? 'eve' : 'ann'
    expect(tunnelLines(room.door.log(), desktop.id)).toMatchObject([
      { message: 'tunnel opens', audit: true, kind, by, from: '127.0.0.1' },
      { message: 'tunnel ended', audit: true, kind, by, bytesToClient: 19, bytesToDesktop: 10 },
    ])
    expect(room.node.output('l7r') + room.node.output('api')).not.toContain(ticket)
  },
)

test('a console reaches the agent with what the authority signed for this person, account and boot', async () => {
  const desktop = await newDesktop()
  const asked = { kind: 'console', account: 'ann', person: 'eve' }
  const { ticket } = (await api.post(`/v1/desktops/${desktop.id}/tunnels`, asked)) as TunnelOffer
  await using signer = room.signConsoles()
  signer.look()
  const { connection, answer } = await openTunnel(room, ticket, ['X-Ostler-Console-Size: 120x40'])
  using _ = connection
  expect(answer.status).toBe(101)
  const got = shown.at(-1)
  expect(got?.size).toBe('120x40')
  const expected = { authorityPem: desktop.guest.authority, desktop: desktop.id, epoch: 1, now: Date.now() }
  expect(checkConsoleTicket(got?.ticket ?? '', expected, new UsedNonces())).toMatchObject({
    by: 'eve',
    user: 'ann',
    desktop: desktop.id,
    epoch: 1,
  })
})

test('a console waits for its signature, and the client hears that it waits', async () => {
  const desktop = await newDesktop()
  const asked = { kind: 'console' }
  const { ticket } = (await api.post(`/v1/desktops/${desktop.name}/tunnels`, asked)) as TunnelOffer
  using connection = await DoorConnection.open(room)
  connection.send(askTunnel(ticket))
  await connection.bytes(includes('102 Processing'))
  await using _signer = room.signConsoles() // by its tick: no hint reaches it here
  const answer = await connection.answer()
  expect(answer).toMatchObject({ status: 101 })
  expect(answer.interims[0]).toBe('Opening the tunnel')
})

test('a console that nobody signs is refused with advice, and a ticket that the door made itself is never signed', async () => {
  const desktop = await newDesktop()
  await using signer = room.signConsoles()
  const own = await ticketTo(room, desktop, 'console')
  signer.look()
  const answer = await refused(own)
  expect(answer).toMatchObject({ status: 503, fault: 'tunnel.unsigned' })
})

test('a ticket that opens nothing is told nothing: used, unknown, old, of another boot or kind, or none', async () => {
  const desktop = await newDesktop()
  const used = await ticketTo(room, desktop, 'serial')
  ;(await open(used))[Symbol.dispose]()
  const answers = [
    await refused(used),
    await refused(randomBytes(32).toString('base64url')),
    await refused(await ticketTo(room, desktop, 'serial', { seconds: -1 })),
    await refused(await ticketTo(room, desktop, 'serial', { epoch: 2 })),
    await refused(await ticketTo(room, desktop, 'hop')),
    await refused(await ticketTo(room, desktop, 'vnc')),
    await refused('short'),
    await refused('x'.repeat(4_000)),
    await refused(undefined),
  ]
  expect(answers[0]).toMatchObject({ status: 401, fault: 'tunnel.ticket' })
  // But for the name of the connection.
  const said = answers.map(({ raw }) => raw.replace(/^X-Ostler-Connection: \w+/im, ''))
  expect(new Set(said).size).toBe(1)
  expect(answers[0]?.raw).not.toMatch(/WWW-Authenticate/i)
})

test('a password is no ticket, and a ticket in the address is none either', async () => {
  const desktop = await newDesktop()
  const ticket = await ticketTo(room, desktop, 'serial')
  const basic = `Authorization: Basic ${Buffer.from(`ann:${PASSWORD}`).toString('base64')}`
  expect(await refused(undefined, [basic])).toMatchObject({ status: 401 })
  const inAddress = askTunnel(undefined).replace('/qvd/tunnel', `/qvd/tunnel?ticket=${ticket}`)
  expect(await askDoor(room, inAddress)).toMatchObject({ status: 401 })
})

test('of two that come at once with one ticket, one gets in', async () => {
  const desktop = await newDesktop()
  const ticket = await ticketTo(room, desktop, 'serial')
  const both = await Promise.all([1, 2, 3, 4].map(() => openTunnel(room, ticket)))
  expect(both.map(({ answer }) => answer.status).sort()).toEqual([101, 401, 401, 401])
  for (const { connection } of both) connection[Symbol.dispose]()
})

test('another upgrade, or none, is 426, and the ticket stays good', async () => {
  const desktop = await newDesktop()
  const ticket = await ticketTo(room, desktop, 'serial')
  const foreign = askTunnel(ticket).replace('Upgrade: ostler-tunnel', 'Upgrade: QVD/1.0')
  expect(await askDoor(room, foreign)).toMatchObject({ status: 426 })
  const plain = get('/qvd/tunnel', undefined, [`Authorization: Bearer ${ticket}`])
  expect(await askDoor(room, plain)).toMatchObject({ status: 426 })
  ;(await open(ticket))[Symbol.dispose]()
})

test('a request with a body is refused before the ticket is looked at', async () => {
  const desktop = await newDesktop()
  const ticket = await ticketTo(room, desktop, 'serial')
  expect(await askDoor(room, askTunnel(ticket, ['Content-Length: 3']))).toMatchObject({ status: 400 })
  ;(await open(ticket))[Symbol.dispose]()
})

test('a far end that cannot be reached is 503 with its reason', async () => {
  const desktop = await newDesktop(greet, { upgrades: {} })
  expect(await refused(await ticketTo(room, desktop, 'ssh'))).toMatchObject({
    status: 503,
    fault: 'tunnel.unreachable',
  })
  for (const kind of OF_CLIENT)
    expect(await refused(await ticketTo(room, desktop, kind))).toMatchObject({
      status: 503,
      fault: 'tunnel.unsupported',
    })
  await desktop.guest[Symbol.asyncDispose]()
  for (const kind of ['support', ...OF_CLIENT] as const)
    expect(await refused(await ticketTo(room, desktop, kind))).toMatchObject({
      status: 503,
      fault: 'agent.unreachable',
    })
  expect(await refused(await ticketTo(room, desktop, 'serial'))).toMatchObject({
    status: 503,
    fault: 'display.unreachable',
  })
})

test('a desktop in a sandbox has no network: ssh says so, and nobody at its address is asked', async () => {
  const desktop = await newDesktop()
  using _ssh = await serveSsh(desktop)
  await room.db.updateTable('vm').set({ hypervisor: 'process' }).where('id', '=', desktop.id).execute()
  expect(await refused(await ticketTo(room, desktop, 'ssh'))).toMatchObject({
    status: 503,
    fault: 'tunnel.noNetwork',
  })
})

test('what the agent answers instead of switching is told, and a protocol that nobody asked for is refused', async () => {
  const busy = (_: IncomingMessage, socket: Duplex): void =>
    refuseUpgrade(socket, new Fault('session.busy', { state: 'stopped' }))
  const path = upgradeApi.vnc_connect.path
  const desktop = await newDesktop(greet, { upgrades: { [path]: busy } })
  expect(await refused(await ticketTo(room, desktop, 'support'))).toMatchObject({
    status: 503,
    fault: 'session.busy',
  })
  const answers: readonly ((socket: Duplex) => void)[] = [
    (socket) =>
      void socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n'),
    (socket) => void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}'),
    (socket) => void socket.end('no http\r\n\r\n'),
    (socket) => void socket.destroy(),
  ]
  for (const answer of answers) {
    desktop.guest.script = { upgrades: { [path]: (_, socket) => answer(socket) } }
    expect(await refused(await ticketTo(room, desktop, 'support'))).toMatchObject({
      status: 503,
      fault: 'agent.unreachable',
    })
  }
})

test('an agent that proves another boot than that of the ticket gets nothing', async () => {
  const desktop = await newDesktop()
  await room.db.updateTable('vm').set({ epoch: 2 }).where('id', '=', desktop.id).execute()
  const ticket = await ticketTo(room, desktop, 'support', { epoch: 2 })
  expect(await refused(ticket)).toMatchObject({ status: 503, fault: 'agent.unreachable' })
})

test('a client that leaves while the agent is silent leaves nothing behind', async () => {
  const asked = Promise.withResolvers<Duplex>()
  const upgrades = {
    [upgradeApi.vnc_connect.path]: (_: IncomingMessage, socket: Duplex) => asked.resolve(socket),
  }
  const desktop = await newDesktop(greet, { upgrades })
  const connection = await DoorConnection.open(room)
  connection.send(askTunnel(await ticketTo(room, desktop, 'support')))
  const socket = await asked.promise
  const closed = once(socket.resume(), 'close')
  connection[Symbol.dispose]()
  await closed
})

test('a half-close goes on to the other side, both ways, and the answer still comes', async () => {
  const desktop = await newDesktop()
  using _ssh = await serveSsh(desktop, (socket) => {
    let said = ''
    socket.on('data', (bytes: Buffer) => (said += bytes.toString()))
    socket.on('end', () => socket.end(`heard ${said}`))
  })
  for (const kind of ['ssh', 'support'] as const) {
    desktop.guest.script = {
      upgrades:
        agentWith((socket) => {
          let said = ''
          socket.on('data', (bytes: Buffer) => (said += bytes.toString()))
          socket.on('end', () => socket.end(`heard ${said}`))
        }) ?? {},
    }
    using connection = await open(await ticketTo(room, desktop, kind))
    connection.socket.end('all of it')
    await connection.untilClosed()
    expect(connection.pending).toBe('heard all of it')
  }
})

test('many bytes arrive unchanged, also those that came with the request', async () => {
  const desktop = await newDesktop((socket) => socket.pipe(socket))
  const bytes = randomBytes(3_000_000).toString('base64')
  using connection = await DoorConnection.open(room)
  connection.send(`${askTunnel(await ticketTo(room, desktop, 'folder'))}early `)
  expect(await connection.answer()).toMatchObject({ status: 101 })
  connection.send(bytes)
  const said = await connection.bytes((text) => text.length >= bytes.length + 6)
  expect(said === `early ${bytes}`).toBe(true)
})

test('who does not read holds back her own far end and nobody else', async () => {
  let written = 0
  const flood = (socket: Duplex): void => {
    const chunk = Buffer.alloc(65_536)
    const more = (): void => {
      while (!socket.destroyed && socket.write(chunk)) written += chunk.length
    }
    socket.on('drain', more)
    more()
  }
  const desktop = await newDesktop(flood)
  using stalled = await open(await ticketTo(room, desktop, 'support'))
  stalled.socket.pause()
  let before = -1
  await until('the flood to stand still', async () => {
    const still = written === before
    before = written
    await new Promise((resolve) => setTimeout(resolve, 300))
    return still
  })
  expect(written).toBeLessThan(64_000_000)
  using other = await open(await ticketTo(room, await newDesktop(), 'support'))
  other.send('alive')
  await other.bytes(includes('alive'))
})

/** One tunnel of every kind that is open. */
async function openAll(desktop: TunnelDesktop & { name: string }, kinds: readonly Kind[] = KINDS) {
  const seat = { detail: { seat: 0 } }
  return await Promise.all(
    kinds.map(async (kind) => {
      const ticket = OF_CLIENT.has(kind)
        ? await ticketTo(room, desktop, kind, seat)
        : await goodTicket(desktop, kind)
      return { kind, connection: await open(ticket) }
    }),
  )
}

/** Claims a desktop, as a door would that is not here. */
async function sitAt(desktop: TunnelDesktop, epoch: number): Promise<void> {
  const lease_until = new Date(Date.now() + 60_000)
  const who = { state: 'connected', door: 'x/1', label: 'ann', ended_by: null, displaced: null } as const
  await room.db
    .insertInto('seat')
    .values({ vm_id: desktop.id, epoch, lease_until, ...who })
    .execute()
}

test('a desktop that stops ends its tunnels; the serial line goes on until it has stopped', async () => {
  const desktop = await newDesktop()
  using _ssh = await serveSsh(desktop)
  const all = await openAll(desktop)
  const move = async (state: 'stopping' | 'stopped'): Promise<void> => {
    const prior = state === 'stopping' ? 'running' : 'stopping'
    await room.db.updateTable('vm').set({ prior, state }).where('id', '=', desktop.id).execute()
  }
  await move('stopping')
  for (const { kind, connection } of all) if (kind !== 'serial') await connection.untilClosed()
  const serial = all.find(({ kind }) => kind === 'serial')?.connection
  serial?.send('still here')
  await serial?.bytes(includes('still here'))
  await move('stopped')
  await serial?.untilClosed()
  const ends = () =>
    tunnelLines(room.door.log(), desktop.id).filter(({ message }) => message === 'tunnel ended')
  await until('every end to be logged', () => ends().length === KINDS.length)
  expect(ends().map(({ end, because }) => `${String(end)}: ${String(because)}`)).toEqual(
    KINDS.map(() => 'cut: the desktop is not running'),
  )
})

test('an administrator who disconnects the user ends every tunnel, also when somebody has come back since', async () => {
  const desktop = await newDesktop()
  using _ssh = await serveSsh(desktop)
  await sitAt(desktop, 0)
  const all = await openAll(desktop)
  using _ = await room.swallowHints()
  await api.post(`/v1/desktops/${desktop.name}/disconnect`, {})
  const back = { ended_by: null, door: 'x/1' }
  await room.db.updateTable('seat').set(back).where('vm_id', '=', desktop.id).execute()
  for (const { connection } of all) await connection.untilClosed()
})

test('she does so, too, when nobody sits there', async () => {
  const desktop = await newDesktop()
  using connection = await open(await ticketTo(room, desktop, 'support'))
  expect(await api.post(`/v1/desktops/${desktop.name}/disconnect`, {})).toEqual({ was: null })
  await connection.untilClosed()
})

test('folders and USB devices end with the claim that they belong to, other tunnels do not', async () => {
  const desktop = await newDesktop()
  using _ssh = await serveSsh(desktop)
  const all = await openAll(desktop)
  await sitAt(desktop, 1)
  for (const { kind, connection } of all) if (OF_CLIENT.has(kind)) await connection.untilClosed()
  for (const { kind, connection } of all) {
    if (OF_CLIENT.has(kind)) continue
    connection.send('on and on')
    await connection.bytes(includes('on and on'))
    connection[Symbol.dispose]()
  }
  for (const kind of OF_CLIENT) {
    const late = await ticketTo(room, desktop, kind, { detail: { seat: 0 } })
    expect(await refused(late)).toMatchObject({ status: 409, fault: 'desktop.moved' })
  }
})

test('tunnels go on while the database is away', async () => {
  const desktop = await newDesktop()
  using connection = await open(await ticketTo(room, desktop, 'serial'))
  {
    await using _ = await room.takeDatabaseAway()
    await until('the door to say so', () =>
      room.node.output('l7r').includes('tunnels cannot be looked after'),
    )
    connection.send('alive')
    await connection.bytes(includes('alive'))
    const unknown = randomBytes(32).toString('base64url')
    expect(await refused(unknown)).toMatchObject({ status: 503, fault: 'database.unavailable' })
  }
  await until('the door to have its database again', async () => {
    const { answer, connection: again } = await openTunnel(room, await ticketTo(room, desktop, 'serial'))
    again[Symbol.dispose]()
    return answer.status === 101
  })
})

test('a door that dies ends its tunnels at both ends', async () => {
  const door = await room.openDoor()
  const far = Promise.withResolvers<Duplex>()
  const desktop = await newDesktop((socket) => far.resolve(socket))
  using connection = await open(await ticketTo(room, desktop, 'support'), door)
  const closed = once((await far.promise).resume(), 'close')
  await door.crash()
  await Promise.all([connection.untilClosed(), closed])
})

test('a door that is replaced lets its tunnels go on', async () => {
  const door = await room.openDoor()
  const desktop = await newDesktop()
  using connection = await open(await ticketTo(room, desktop, 'support'), door)
  const worker = door.process
  using waiting = await DoorConnection.open(door)
  expect((await waiting.ask(get('/qvd/ping'))).status).toBe(200)
  signalProcess(door.first, 'SIGHUP')
  await until('the old worker to take nobody any more', () => waiting.closed, PATIENCE_MS)
  ;(await open(await ticketTo(room, desktop, 'support'), door))[Symbol.dispose]()
  expect(isAlive(worker)).toBe(true)
  connection.send('still here')
  await connection.bytes(includes('still here'))
  connection[Symbol.dispose]()
  await until('the old worker to end', () => !isAlive(worker), PATIENCE_MS)
})

test("an agent is called where the desktop's row says that it is, which need not be the desktop's address", async () => {
  const desktop = await newDesktop()
  const ofDesktop = room.db.updateTable('vm').where('id', '=', desktop.id)
  const { address } = await room.db
    .selectFrom('vm')
    .select('address')
    .where('id', '=', desktop.id)
    .executeTakeFirstOrThrow()
  await ofDesktop.set({ address: '127.0.0.77', agent_at: `${address}:${AGENT_PORT}` }).execute()
  using connection = await open(await ticketTo(room, desktop, 'support'))
  await connection.bytes(includes('hello '))
  await ofDesktop.set({ agent_at: 'nowhere' }).execute()
  const answer = await refused(await ticketTo(room, desktop, 'folder'))
  // Its guest is still there: nobody else may get the address.
  await ofDesktop.set({ address, agent_at: null }).execute()
  expect(answer).toMatchObject({ status: 503, fault: 'agent.unreachable' })
})

/** A browser's tunnel; what it was told and how it ended. */
function openSocket(protocols: readonly string[], origin = `https://127.0.0.1:${room.port}`) {
  const socket = new WebSocket(`wss://127.0.0.1:${room.port}/portal/tunnel`, [...protocols], {
    rejectUnauthorized: false,
    headers: { Origin: origin },
  })
  let said = ''
  socket.on('message', (bytes: Buffer) => (said += bytes.toString('latin1')))
  const ended = new Promise<{ code: number; reason: string; status?: number | undefined }>((resolve) => {
    socket.on('error', () => {})
    socket.once('unexpected-response', (_, response) => {
      resolve({ code: 0, reason: '', status: response.statusCode })
      response.destroy()
    })
    socket.once('close', (code, reason) => resolve({ code, reason: reason.toString() }))
  })
  return { socket, said: () => said, ended }
}

test('a browser shows its ticket as a subprotocol, which is not said back, and is told how it ended', async () => {
  const desktop = await newDesktop()
  const ticket = await ticketTo(room, desktop, 'support')
  const { socket, said, ended } = openSocket([TUNNEL_UPGRADE, TICKET_PROTOCOL + ticket])
  await once(socket, 'open')
  expect(socket.protocol).toBe(TUNNEL_UPGRADE)
  socket.send(Buffer.from('typed'))
  await until('the echo', () => said() === 'hello typed')
  await room.db
    .updateTable('vm')
    .set({ prior: 'running', state: 'stopping' })
    .where('id', '=', desktop.id)
    .execute()
  expect(await ended).toEqual({ code: 4409, reason: 'the desktop is not running' })
  const again = openSocket([TUNNEL_UPGRADE, TICKET_PROTOCOL + ticket])
  expect(await again.ended).toEqual({ code: 4401, reason: 'this ticket opens nothing' })
})

test('a page of another site, or without the word for tunnels, opens none and uses no ticket up', async () => {
  const desktop = await newDesktop()
  const ticket = await ticketTo(room, desktop, 'support')
  const words = [TUNNEL_UPGRADE, TICKET_PROTOCOL + ticket]
  expect(await openSocket(words, 'https://elsewhere.example').ended).toMatchObject({ status: 400 })
  expect(await openSocket([TICKET_PROTOCOL + ticket]).ended).toMatchObject({ status: 426 })
  ;(await open(ticket))[Symbol.dispose]()
})

const askTicket = (login: string, id: number, kind: string) =>
  askDoor(room, get(`/qvd/create_tunnel_ticket?id=${id}&kind=${kind}`, login))

test('a user gets a ticket for folders of hers into her own running desktop', async () => {
  const desktop = await newDesktop()
  const answer = await askTicket('ann', desktop.id, 'folder')
  const { ticket, seconds } = JSON.parse(answer.body) as { ticket: string; seconds: number }
  expect(seconds).toBe(30)
  using connection = await open(ticket)
  await connection.bytes(includes('hello'))
  expect(room.node.output('l7r')).not.toContain(ticket)
  expect(tunnelLines(room.door.log(), desktop.id)[0]).toMatchObject({
    message: 'tunnel ticket given',
    by: 'ann',
  })
})

test.each([
  ['of somebody else', 'bob', 'folder', 403],
  ['of somebody else, also as support', 'sue', 'folder', 403],
  ['to look on, without the role', 'ann', 'support', 403],
  ['for USB devices of somebody else', 'bob', 'usb', 403],
  ['for a console', 'sue', 'console', 400],
  ['for an ssh port', 'ann', 'ssh', 400],
  ['for nothing', 'ann', '', 400],
])('no ticket %s', async (_, login, kind, status) => {
  const desktop = await newDesktop()
  expect((await askTicket(login, desktop.id, kind)).status).toBe(status)
})

test('no ticket without a sign-in, for a desktop that does not run, is blocked, or does not exist', async () => {
  const desktop = await newDesktop()
  const path = `/qvd/create_tunnel_ticket?id=${desktop.id}&kind=folder`
  expect((await askDoor(room, get(path))).status).toBe(401)
  const change = room.db.updateTable('vm').where('id', '=', desktop.id)
  await change.set({ blocked: true }).execute()
  expect((await askTicket('ann', desktop.id, 'folder')).status).toBe(403)
  await change.set({ blocked: false, prior: 'running', state: 'stopping' }).execute()
  expect((await askTicket('ann', desktop.id, 'folder')).status).toBe(409)
  expect((await askTicket('ann', 99_999, 'folder')).status).toBe(404)
})

test('a rule that forbids USB gives no ticket for devices, and a desktop that is no virtual machine gets none', async () => {
  const desktop = await newDesktop()
  await room.db.updateTable('vm').set({ hypervisor: 'lxc' }).where('id', '=', desktop.id).execute()
  const { ticket } = JSON.parse((await askTicket('ann', desktop.id, 'usb')).body) as { ticket: string }
  expect(await refused(ticket)).toMatchObject({ status: 503, fault: 'usb.unavailable' })
  await api.post('/v1/policy', { name: 'no-usb', vm: desktop.name, usb: 'no' })
  await until('the rule to count', async () => (await askTicket('ann', desktop.id, 'usb')).status === 403)
})

test('a rule that forbids folders gives no ticket for them, and says which rule', async () => {
  const desktop = await newDesktop()
  await api.post('/v1/policy', { name: 'no-folders', vm: desktop.name, folders: 'off' })
  await until('the rule to count', async () => (await askTicket('ann', desktop.id, 'folder')).status === 403)
  expect((await askTicket('ann', desktop.id, 'folder')).body).toContain(
    'the rule no-folders does not allow you',
  )
})

test('support looks on at a desktop of her tenant, by the client and by the portal', async () => {
  const desktop = await newDesktop()
  const { ticket } = JSON.parse((await askTicket('sue', desktop.id, 'support')).body) as { ticket: string }
  using connection = await open(ticket)
  await connection.bytes(includes('hello'))
  expect(tunnelLines(room.door.log(), desktop.id)).toMatchObject([
    { message: 'tunnel ticket given', audit: true, kind: 'support', by: 'sue' },
    { message: 'tunnel opens', audit: true, kind: 'support', by: 'sue' },
  ])
  const origin = `https://127.0.0.1:${room.port}`
  const post = (cookie: string) =>
    askDoor(
      room,
      `POST /portal/api/desktops/${desktop.id}/tunnel?kind=support HTTP/1.1\r\nHost: 127.0.0.1:${room.port}\r\n` +
        `Origin: ${origin}\r\nCookie: ${cookie}\r\nContent-Length: 0\r\n\r\n`,
    )
  expect((await post(await signIn(room, 'ann', PASSWORD))).status).toBe(403)
  const answer = await post(await signIn(room, 'sue', PASSWORD))
  expect(answer.status).toBe(201)
  const given = (JSON.parse(answer.body) as { ticket: string }).ticket
  const browser = openSocket([TUNNEL_UPGRADE, TICKET_PROTOCOL + given])
  await until('the greeting', () => browser.said() === 'hello ')
  browser.socket.close()
})

test('the api gives tickets for desktops that run, by name or number, and writes down for whom', async () => {
  const desktop = await newDesktop()
  const tunnels = (word: string | number) => `/v1/desktops/${word}/tunnels`
  for (const word of [desktop.name, desktop.id]) {
    const offer = (await api.post(tunnels(word), { kind: 'serial', person: 'eve' })) as TunnelOffer
    expect(offer).toMatchObject({
      seconds: 30,
      desktop: { id: desktop.id, name: desktop.name },
      door: { host: '127.0.0.1', port: room.port },
    })
    expect(offer.door.certificate).toContain('BEGIN CERTIFICATE')
    ;(await open(offer.ticket))[Symbol.dispose]()
  }
  expect(room.node.output('api')).toContain('"by":"eve"')
  await expect(api.post(tunnels('nowhere'), { kind: 'ssh' })).rejects.toMatchObject({
    code: 'object.unknown',
  })
  for (const body of [
    {},
    { kind: 'folder' },
    { kind: 'console', account: '-c' },
    { kind: 'ssh', person: 'a\nb' },
  ])
    await expect(api.post(tunnels(desktop.name), body)).rejects.toMatchObject({ code: 'request.invalid' })
  await room.db
    .updateTable('vm')
    .set({ prior: 'running', state: 'stopping' })
    .where('id', '=', desktop.id)
    .execute()
  await expect(api.post(tunnels(desktop.name), { kind: 'ssh' })).rejects.toMatchObject({
    code: 'desktop.notRunning',
  })
})

test('qa shows its ticket to nobody but the door whose certificate the api names', async () => {
  const desktop = await newDesktop()
  const path = `/v1/desktops/${desktop.name}/tunnels`
  const offer = (await api.post(path, { kind: 'serial' })) as TunnelOffer
  const { certificate } = await selfSigned(['localhost'], 1)
  const liar = (door: TunnelOffer['door']) => ({ ...api, post: () => Promise.resolve({ ...offer, door }) })
  const asked = openAsQa(liar({ ...offer.door, certificate }), desktop.name, { kind: 'serial' })
  await expect(asked).rejects.toMatchObject({ code: 'client.unreachable' })
  // The ticket is as good as before.
  const { stream } = await openAsQa(liar(offer.door), desktop.name, { kind: 'serial' })
  stream.destroy()
  const again = openAsQa(liar(offer.door), desktop.name, { kind: 'serial' })
  await expect(again).rejects.toMatchObject({ code: 'tunnel.ticket' })
})

test('qa vm vnc shows the session to a viewer of the same person, and to no other', async () => {
  const desktop = await newDesktop()
  const qa = spawn(
    process.execPath,
    [join(import.meta.dirname, '../../qa/src/bin/qa.ts'), 'vm', 'vnc', desktop.name],
    {
      env: { OSTLER_API_SOCKET: room.node.apiSocket },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  )
  let said = ''
  qa.stderr.on('data', (bytes: Buffer) => (said += bytes.toString()))
  const ended = once(qa, 'close') as Promise<[number]>
  await until('the address', () => /127\.0\.0\.1:\d+\n/.test(said))
  const port = Number(/:(\d+)\n/.exec(said)?.[1])
  const nobody = spawn('setpriv', [
    '--reuid=65534',
    '--clear-groups',
    'socat',
    '-u',
    `TCP:127.0.0.1:${port}`,
    '-',
  ])
  let stolen = ''
  nobody.stdout.on('data', (bytes: Buffer) => (stolen += bytes.toString()))
  await once(nobody, 'close')
  expect(stolen).toBe('')
  const viewer = connect(port, '127.0.0.1')
  const [greeting] = (await once(viewer, 'data')) as [Buffer]
  expect(greeting.toString()).toBe('hello ')
  viewer.destroy()
  expect((await ended)[0]).toBe(0)
})
