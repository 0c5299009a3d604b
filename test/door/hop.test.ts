import { issueIdentity, makeAuthority } from '@ostler/kit/certificate.ts'
import { isAlive, signalProcess } from '@ostler/kit/process-table.ts'
import { Scope } from '@ostler/kit/scope.ts'
import { HOP_NAME, HOP_PROTOCOL } from '@ostler/proxy/l7r/hop/hop-words.ts'
import { digestOf } from '@ostler/proxy/model/ticket-text.ts'
import type { CallerIdentity } from '@ostler/proxy/guest/agent-link.ts'
import { registerHost } from '@ostler/proxy/store/hosts.ts'
import { displaySocket } from '@ostler/proxy/model/run-folder.ts'
import { addTicket, type NewTicket } from '@ostler/proxy/store/tickets.ts'
import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { connect, type ConnectionOptions, createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { get, UPGRADE } from '../fixtures/door.ts'
import { DoorConnection } from '../fixtures/door-connection.ts'
import { DoorRoom, type RoomDoor, type RoomNode } from '../fixtures/door-room.ts'
import { greet, KINDS, LABEL, PATIENCE_MS } from '../fixtures/seat-room.ts'
import { openViewer, type Pass, passOf, type Viewer, type ViewerKind } from '../fixtures/viewer.ts'
import { PASSWORD, until } from '../fixtures/world.ts'

/** Desktops of one node, `near`, seen through the door of another, `far`. */
let room: DoorRoom
let near: RoomDoor
let far: RoomNode
let pass: Pass
let marks = 0

beforeAll(async () => {
  room = await DoorRoom.open()
  near = room.door
  far = await room.openNode('n2')
  await room.addUsers(['ann'], PASSWORD)
  pass = await passOf(near, 'ann')
})
afterAll(() => room[Symbol.asyncDispose]())

const newDesktop = (display: (socket: Socket) => void = greet) =>
  room.addDesktop('ann', `desktop${++marks}`, { display })

async function untilAlive(viewer: Viewer): Promise<void> {
  const mark = `<${++marks}>`
  viewer.send(mark)
  await until('the display to answer', () => viewer.seen().includes(mark), PATIENCE_MS)
}

async function untilFree(desktop: number): Promise<void> {
  const row = () => room.db.selectFrom('seat').selectAll().where('vm_id', '=', desktop).executeTakeFirst()
  await until('the seat to be free', async () => (await row())?.state === 'disconnected', PATIENCE_MS)
}

describe('a display at another node', () => {
  test.each(KINDS)('is shown to %s, and its seat is free afterwards', async (kind) => {
    const { id } = await newDesktop()
    const viewer = openViewer(kind, far, pass, id)
    expect(await viewer.shown).toBeDefined()
    await untilAlive(viewer)
    await viewer.leave()
    await untilFree(id)
    const said = near.log().find(({ message, vm }) => message === 'hop ended' && vm === id)
    expect(said).toMatchObject({ display: kind === 'nx' ? 'nx' : 'rfb', by: 'client' })
    expect(said?.['for']).toMatch(/^n2\/\d+$/)
  })

  test('hears the end of what a client says, and its last words arrive', async () => {
    const { id } = await newDesktop((socket) => {
      let heard = ''
      socket.on('data', (bytes: Buffer) => (heard += bytes.toString()))
      socket.on('end', () => socket.end(`heard ${heard}`))
    })
    using client = await DoorConnection.open(far)
    const request = get(`/qvd/connect_to_vm?id=${id}`, undefined, [
      `Authorization: Bearer ${pass.token}`,
      ...UPGRADE,
    ])
    expect((await client.ask(request)).status).toBe(101)
    client.socket.end('all of it')
    await client.untilClosed()
    expect(client.pending).toBe('heard all of it')
  })

  test('that ends at once has said all it had to', async () => {
    const words = randomBytes(100_000).toString('hex')
    const { id } = await newDesktop((socket) => socket.resume().end(words))
    for (let round = 0; round < 5; round++) {
      using client = await DoorConnection.open(far)
      const request = get(`/qvd/connect_to_vm?id=${id}`, undefined, [
        `Authorization: Bearer ${pass.token}`,
        ...UPGRADE,
      ])
      expect((await client.ask(request)).status).toBe(101)
      await client.untilClosed()
      expect(client.pending === words).toBe(true)
    }
  })
})

const PAIRS = KINDS.flatMap((first) => KINDS.map((second): [ViewerKind, ViewerKind] => [first, second]))

describe.each(['near', 'far'] as const)('the second comes to the %s door', (second) => {
  test.each(PAIRS)('%s, then %s: she wins, the first is cut and told', async (was, comes) => {
    const { id } = await newDesktop()
    const [from, to] = second === 'far' ? [near, far] : [far, near]
    const loser = openViewer(was, from, pass, id)
    await loser.shown
    const winner = openViewer(comes, to, pass, id)
    const { status, text } = await loser.ended
    const told = `the desktop was opened somewhere else (${LABEL[comes]})`
    expect({ status, text }).toEqual(
      was === 'browser' ? { status: 4409, text: told } : { status: 101, text: '' },
    )
    expect(await winner.shown).toBeDefined()
    await untilAlive(winner)
    await winner.leave()
    await untilFree(id)
  })
})

test('new workers at both doors leave sessions with the old ones', async () => {
  const { id } = await newDesktop()
  const viewer = openViewer('nx', far, pass, id)
  await viewer.shown
  const before = [near.process, far.process]
  for (const door of [near, far]) {
    signalProcess(door.first, 'SIGHUP')
    await until('the old worker to let go', () =>
      door.log().some(({ message }) => message === 'taking nobody in any more'),
    )
    await untilAlive(viewer)
  }
  const next = await newDesktop()
  const other = openViewer('browser', far, pass, next.id)
  expect(await other.shown).toBeDefined()
  await untilAlive(viewer)
  await viewer.leave()
  await other.leave()
  await until('the old workers to end', () => !before.some(isAlive))
})

test('identities are renewed, also by a node whose clock is a day ahead, while people come and stay', async () => {
  const staying = await newDesktop()
  const first = openViewer('nx', far, pass, staying.id)
  await first.shown
  const { id } = await newDesktop()
  for (let round = 0; round < 6; round++) {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 86_400_000 })
    try {
      await (round % 2 === 0 ? far.issueIdentity() : room.issueIdentity())
    } finally {
      vi.useRealTimers()
    }
    const viewer = openViewer('nx', far, pass, id)
    expect(await viewer.shown).toBeDefined()
    await untilAlive(viewer)
    await viewer.leave()
  }
  await untilAlive(first)
  await first.leave()
})

describe('the door of a node, called for a display', () => {
  /** What it answers: `yes`, the reason of its no, or that it closed the connection. */
  async function call(ticket: Buffer, tls: ConnectionOptions | CallerIdentity): Promise<string> {
    const options = 'certificate' in tls ? shown(tls) : tls
    const socket = connect({
      host: '127.0.0.1',
      port: near.port,
      rejectUnauthorized: false,
      servername: HOP_NAME,
      ALPNProtocols: [HOP_PROTOCOL],
      ...options,
    })
    socket.on('error', () => {})
    socket.write(ticket)
    let text = ''
    let closed = false
    socket.on('data', (bytes: Buffer) => (text += bytes.toString('latin1')))
    socket.on('close', () => (closed = true))
    const whole = (): boolean => text.startsWith('\0\0') || text.endsWith('}')
    await until('an answer', () => closed || whole(), PATIENCE_MS)
    socket.destroy()
    if (text.startsWith('\0\0')) return 'yes'
    return text === ''
      ? 'closed'
      : (JSON.parse(text.slice(2)) as { detail: { reason: string } }).detail.reason
  }
  const shown = ({ key, certificate: cert }: CallerIdentity): ConnectionOptions => ({ key, cert })

  async function newTicket(vmId: number, options: Partial<NewTicket> = {}): Promise<Buffer> {
    const ticket = randomBytes(32)
    await addTicket(room.db, {
      digest: digestOf(ticket),
      kind: 'hop',
      vmId,
      epoch: 1,
      by: 'n2/1',
      detail: { socket: 'nx' },
      seconds: 30,
      ...options,
    })
    return ticket
  }
  const lastRefusal = () => near.log().findLast(({ message }) => message === 'hop refused')

  test('opens it once for a good ticket of a door', async () => {
    const { id } = await newDesktop()
    const ticket = await newTicket(id)
    expect(await call(ticket, room.doorIdentity())).toBe('yes')
    expect(await call(ticket, room.doorIdentity())).toBe('the ticket is not good')
  })

  test('refuses who is no door of this installation, and leaves the ticket as it was', async () => {
    const { id } = await newDesktop()
    const ticket = await newTicket(id)
    const stranger = await issueIdentity(await makeAuthority('Ostler', 30), {
      commonName: 'l7r',
      uri: 'ostler://l7r',
      days: 30,
    })
    const refusals: unknown[] = []
    for (const tls of [{}, shown(await room.agentIdentity(id)), shown({ ...stranger, authority: '' })]) {
      expect(await call(ticket, tls)).toBe('closed')
      refusals.push(lastRefusal()?.['reason'])
    }
    expect(refusals).toEqual(['no certificate', 'a certificate for vma', 'CERT_SIGNATURE_FAILURE'])
    expect(await call(ticket, room.doorIdentity())).toBe('yes')
  })

  test.each([['http/1.1'], ['ostler-hop2'], []])(
    'does not take protocol %s for a hop, whatever the certificate',
    async (...protocols) => {
      const { id } = await newDesktop()
      const ticket = await newTicket(id)
      const socketEnds = call(ticket, { ...shown(room.doorIdentity()), ALPNProtocols: protocols })
      await expect(socketEnds.catch(() => 'closed')).resolves.not.toBe('yes')
      expect(await call(ticket, room.doorIdentity())).toBe('yes')
    },
  )

  test('refuses tickets that are old, for another boot, for something else, or for a desktop of another node', async () => {
    const { id } = await newDesktop()
    const answer = async (options: Partial<NewTicket>) =>
      await call(await newTicket(id, options), room.doorIdentity())
    expect(await call(randomBytes(32), room.doorIdentity())).toBe('the ticket is not good')
    expect(await answer({ seconds: -1 })).toBe('the ticket is not good')
    expect(await answer({ epoch: 2 })).toBe('the ticket is not good')
    expect(await answer({ kind: 'console' })).toBe('the ticket is not good')
    expect(await answer({ detail: { socket: '../../1/display/nx' } })).toBe('the ticket names no display')
    rmSync(displaySocket(join(room.node.settings.folder, 'run'), id, 'serial'))
    expect(await answer({ detail: { socket: 'serial' } })).toMatch(/ENOENT/)
    await room.db.updateTable('vm').set({ host_id: far.hostId }).where('id', '=', id).execute()
    expect(await answer({})).toBe('the desktop does not run there')
  })

  test('closes a caller that says nothing, or not enough', async () => {
    const answers = await Promise.all(
      [0, 31].map((length) => call(Buffer.alloc(length), room.doorIdentity())),
    )
    expect(answers).toEqual(['closed', 'closed'])
  })

  test('does not let those who are no doors fill the log', async () => {
    const lines = () => near.log().filter(({ message }) => message === 'hop refused').length
    const before = lines()
    const STRANGERS = 80
    for (let number = 0; number < STRANGERS; number++) expect(await call(randomBytes(32), {})).toBe('closed')
    // Twenty in a minute, and a slow machine may see a second minute begin.
    expect(lines() - before).toBeLessThanOrEqual(60)
    expect(lines()).toBeGreaterThan(0)
  })
})

describe('the other door', () => {
  const scope = new Scope()
  afterAll(() => scope.close())

  async function listening(server: Server): Promise<number> {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const open = new Set<Socket>()
    server.on('connection', (socket: Socket) => {
      open.add(socket)
      socket.on('error', () => {})
    })
    scope.defer(async () => {
      for (const socket of open) socket.destroy()
      await new Promise((closed) => server.close(closed))
    })
    return (server.address() as AddressInfo).port
  }
  const tlsOf = ({ key, certificate: cert, authority: ca }: CallerIdentity): TlsOptions => ({
    ...{ key, cert, ca, requestCert: true, rejectUnauthorized: false, ALPNProtocols: [HOP_PROTOCOL] },
  })
  /** A door that gets in order as far as the answer to a ticket. */
  const answering = (identity: CallerIdentity, answer: (socket: Socket) => void, tls: TlsOptions = {}) => {
    const server = createTlsServer({ ...tlsOf(identity), ...tls }, (socket) => {
      socket.on('error', () => {})
      socket.once('data', () => answer(socket))
    })
    return listening(server.on('tlsClientError', () => {}))
  }

  test('is dead, stalls, talks nonsense, or is none: whoever waits is told so by name, and the seat is free', async () => {
    const identity = room.doorIdentity()
    const stranger = await issueIdentity(await makeAuthority('Ostler', 30), {
      commonName: 'l7r',
      uri: 'ostler://l7r',
      days: 30,
    })
    const yes = (socket: Socket) => void socket.write('\0\0')
    const closed = await listening(createServer())
    const doors: Record<string, readonly [number | null, RegExp]> = {
      unsaid: [null, /it has not said where it is/],
      dead: [1, /ECONNREFUSED/],
      silent: [await listening(createServer()), /it does not answer in time/],
      hanging: [await listening(createServer((socket) => socket.destroy())), /disconnected|ECONNRESET/],
      nonsense: [
        await listening(createServer((socket) => socket.end('SSH-2.0\r\n'))),
        /wrong version|packet/i,
      ],
      stalled: [await answering(identity, () => {}), /it does not answer in time/],
      mute: [await answering(identity, (socket) => socket.end()), /without an answer/],
      garbled: [await answering(identity, (socket) => socket.end('HTTP/1.1 400 Bad')), /its answer is none/],
      long: [await answering(identity, (socket) => socket.end('\0\x05whoam')), /its answer is none/],
      agent: [await answering(await room.agentIdentity(1), yes), /not that of a door/],
      stranger: [await answering({ ...stranger, authority: '' }, yes), /certificate signature failure/],
      http: [await answering(identity, yes, { ALPNProtocols: ['http/1.1'] }), /no application protocol/],
      silentAlpn: [await answering(identity, yes, { ALPNProtocols: [] }), /it speaks another protocol/],
      elsewhere: [near.port, /the desktop does not run there/],
    }
    expect(closed).toBeGreaterThan(0)
    const cases = Object.entries(doors).map(async ([name, [port, reason]], index) => {
      const hostId = await registerHost(room.db, name, 1_000, 6)
      const place = port === null ? {} : { door_address: '127.0.0.1', door_port: port }
      await room.db
        .updateTable('host')
        .set({ memory_mb: 1, ...place })
        .where('id', '=', hostId)
        .execute()
      const { id } = await newDesktop()
      await room.db.updateTable('vm').set({ host_id: hostId }).where('id', '=', id).execute()
      const viewer = openViewer(KINDS[index % 2] ?? 'nx', far, pass, id)
      const { status, text } = await viewer.ended
      expect(text).toContain(`hop to the door of node ${name}`)
      if (viewer.kind === 'nx') expect(text).toMatch(reason)
      expect(status).toBe(viewer.kind === 'nx' ? 503 : 4503)
      await untilFree(id)
    })
    const failed = (await Promise.allSettled(cases)).filter(({ status }) => status === 'rejected')
    expect(failed).toEqual([])
  }, 120_000)
})
