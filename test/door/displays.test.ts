import { DISPLAY_KINDS, type DisplayKind } from '@ostler/contract/identity.ts'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { addFlavour } from '../../proxy/src/store/admin.ts'
import { addPolicyRule } from '../../proxy/src/store/policy-rules.ts'
import { DoorConnection } from '../fixtures/door-connection.ts'
import { SeatRoom, type RoomDesktop } from '../fixtures/seat-room.ts'
import { get, signIn } from '../fixtures/door.ts'
import { PASSWORD, until } from '../fixtures/world.ts'

/** Displays for clients of VNC, SPICE and RDP, at two doors with scripted desktops behind them. */

let seats: SeatRoom
let open: DoorConnection[] = []
const MACHINE: readonly DisplayKind[] = ['spice', 'vnc']

beforeAll(async () => {
  seats = await SeatRoom.open()
  const size = { memoryMb: 1024, cpuPercent: 100, isApplication: false }
  await addFlavour(seats.room.db, { ...size, name: 'machine', displays: MACHINE })
  await addFlavour(seats.room.db, { ...size, name: 'everything', displays: DISPLAY_KINDS })
})
afterAll(async () => await seats[Symbol.asyncDispose]())
beforeEach(() => {
  open = []
})
afterEach(() => {
  for (const connection of open) connection[Symbol.dispose]()
})

/** A desktop that says which of its displays was reached, and then sends back what it gets. */
async function desktopOf(flavour: 'container' | 'machine' | 'everything'): Promise<RoomDesktop> {
  const desktop = await seats.newDesktop({
    display: (socket, kind) => {
      socket.write(`<${kind}>`)
      socket.pipe(socket)
    },
  })
  if (flavour === 'container') return desktop
  const { db } = seats.room
  const row = await db
    .selectFrom('flavour')
    .select('id')
    .where('name', '=', flavour)
    .executeTakeFirstOrThrow()
  await db.updateTable('vm').set({ flavour_id: row.id }).where('id', '=', desktop.id).execute()
  return desktop
}

async function connection(door: 0 | 1 = 0): Promise<DoorConnection> {
  const made = await DoorConnection.open(seats.doors[door])
  open.push(made)
  return made
}

const upgrade = (token: string): string[] => ['Connection: Upgrade', `Upgrade: ${token}`]

/** Opens a desktop with a password. */
async function enter({ id }: RoomDesktop, token: string, door: 0 | 1 = 0) {
  const made = await connection(door)
  const answer = await made.ask(get(`/qvd/connect_to_vm?id=${id}`, 'ann', upgrade(token)))
  return { made, answer, ticket: answer.headers.get('X-Ostler-Ticket') ?? '' }
}

/** Opens a display with a ticket. */
async function enterWith(ticket: string, token = 'spice', door: 0 | 1 = 0) {
  const made = await connection(door)
  const headers = [`Authorization: Bearer ${ticket}`, ...upgrade(token)]
  return { made, answer: await made.ask(get('/ostler/display', undefined, headers).replaceAll('\n', '\r\n')) }
}

/** What a SPICE client says first on a channel. */
function link(session: number, channel: number): Buffer {
  const bytes = Buffer.alloc(34)
  bytes.write('REDQ')
  bytes.writeUInt32LE(session, 16)
  bytes.writeUInt8(channel, 20)
  return bytes
}

async function untilShown(made: DoorConnection, kind: string): Promise<void> {
  await made.bytes((text) => text.includes(`<${kind}>`))
  made.send('echo')
  await made.bytes((text) => text.endsWith('echo'))
}

describe('which display a token opens', () => {
  test.each([
    ['container', 'vnc', 'rfb', [{ display: 'rfb' }]],
    ['container', 'rdp', 'rdp', [{ display: 'rdp' }]],
    ['container', 'QVD/1.0', 'nx', [{ display: 'nx' }]],
    ['machine', 'vnc', 'vnc', []],
    ['machine', 'spice', 'spice', []],
    ['everything', 'vnc', 'rfb', [{ display: 'rfb' }]],
  ] as const)('of a %s, %s is its %s', async (flavour, token, kind, starts) => {
    const desktop = await desktopOf(flavour)
    const { made, answer } = await enter(desktop, token)
    expect([answer.status, answer.headers.get('Upgrade')]).toEqual([101, token])
    await untilShown(made, kind)
    expect(desktop.guest.starts).toMatchObject(starts)
    expect(answer.headers.has('X-Ostler-Ticket')).toBe(token === 'spice')
    expect(answer.headers.has('X-QVD-Slave-Key')).toBe(token === 'QVD/1.0')
  })

  test.each([
    ['container', 'spice', 'this desktop cannot be shown by spice: it has nx, rfb, vnc, rdp'],
    ['machine', 'rdp', 'this desktop cannot be shown by rdp: it has spice, vnc'],
    ['machine', 'QVD/1.0', 'this desktop cannot be shown by nx: it has spice, vnc'],
  ] as const)(
    'a %s has no %s: 422 with what it has, and nobody is displaced',
    async (flavour, token, text) => {
      const desktop = await desktopOf(flavour)
      const { answer } = await enter(desktop, token)
      expect([answer.status, answer.body.trim()]).toEqual([422, text])
      expect(await seats.rowOf(desktop)).toBeUndefined()
      expect(desktop.guest.starts).toEqual([])
    },
  )

  test.each(['rfb', 'VNC/1.0', 'websocket', 'Spice'])('%s is no token of a display: 426', async (token) => {
    const { answer } = await enter(await desktopOf('everything'), token)
    expect(answer.status).toBe(426)
  })
})

describe('one desktop, one client', () => {
  test('nx, spice and rdp take over from each other, at either door', async () => {
    const desktop = await desktopOf('everything')
    const nx = await enter(desktop, 'QVD/1.0')
    await untilShown(nx.made, 'nx')
    const spice = await enter(desktop, 'spice', 1)
    await nx.made.untilClosed()
    await untilShown(spice.made, 'spice')
    expect(await seats.rowOf(desktop)).toMatchObject({
      label: 'ann, in a SPICE viewer',
      displaced: 'ann, in a native client',
    })
    const channels = [await enterWith(spice.ticket), await enterWith(spice.ticket, 'spice', 1)]
    for (const { made } of channels) {
      made.send(link(7, 2))
      await made.bytes((text) => text.includes('REDQ'))
    }
    const rdp = await enter(desktop, 'rdp')
    for (const { made } of [spice, ...channels]) await made.untilClosed()
    await untilShown(rdp.made, 'rdp')
    expect(await seats.rowOf(desktop)).toMatchObject({ epoch: 3, label: 'ann, in an RDP client' })
    const browser = seats.view('browser', seats.doors[1], desktop)
    await browser.shown
    await rdp.made.untilClosed()
    await browser.leave()
  })

  test.each([0, 1] as const)(
    'when a SPICE client leaves, her further channels at door %i end',
    async (door) => {
      const desktop = await desktopOf('machine')
      const spice = await enter(desktop, 'spice')
      const further = await enterWith(spice.ticket, 'spice', door)
      further.made.send(link(7, 2))
      await further.made.bytes((text) => text.includes('REDQ'))
      spice.made[Symbol.dispose]()
      await further.made.untilClosed()
      await seats.untilState(desktop, 'disconnected')
      expect((await enterWith(spice.ticket, 'spice', door)).answer).toMatchObject({ status: 403 })
    },
  )

  test('an administrator ends a client with all her channels', async () => {
    const desktop = await desktopOf('machine')
    const spice = await enter(desktop, 'spice')
    const further = await enterWith(spice.ticket, 'spice', 1)
    further.made.send(link(7, 3))
    await further.made.bytes((text) => text.includes('REDQ'))
    await seats.qa(`vm disconnect -f name=${desktop.name}`)
    await spice.made.untilClosed()
    await further.made.untilClosed()
  })

  test('a channel that ends takes no other with it', async () => {
    const desktop = await desktopOf('machine')
    const spice = await enter(desktop, 'spice')
    const further = await enterWith(spice.ticket)
    further.made[Symbol.dispose]()
    const another = await enterWith(spice.ticket)
    another.made.send(link(7, 3))
    await another.made.bytes((text) => text.includes('REDQ'))
    await untilShown(spice.made, 'spice')
    expect(await seats.rowOf(desktop)).toMatchObject({ state: 'connected', epoch: 1 })
  })
})

describe('tickets', () => {
  test('of further channels open 31, and then nothing', async () => {
    const { ticket } = await enter(await desktopOf('machine'), 'spice')
    const statuses: number[] = []
    for (let i = 0; i < 33; i++) statuses.push((await enterWith(ticket)).answer.status)
    expect(statuses).toEqual([...new Array<number>(31).fill(101), 401, 401])
  })

  test.each([
    ['another session', link(0, 1)],
    ['something else', Buffer.from('RFB 003.008\nand so on and so forth')],
  ])('%s does not come in by the ticket of further channels', async (_, bytes) => {
    const desktop = await desktopOf('machine')
    const spice = await enter(desktop, 'spice')
    const { made } = await enterWith(spice.ticket)
    made.send(bytes)
    await made.untilClosed()
    expect(made.pending).toBe('')
    await untilShown(spice.made, 'spice')
  })

  test.each([
    ['none', ''],
    ['a wrong one', 'a'.repeat(40)],
    ['no text of one', 'XY'],
  ])('%s opens nothing', async (_, ticket) => {
    const { answer } = await enterWith(ticket)
    expect(answer.status).toBe(401)
    const made = await connection()
    expect((await made.ask(`CONNECT ${ticket || 'x'}:1 HTTP/1.0\r\n\r\n`)).status).toBe(401)
  })

  test('that nobody can look up is answered with 503, not as a bad one, and it is not used up', async () => {
    const desktop = await desktopOf('machine')
    const { ticket } = await enter(desktop, 'spice')
    {
      await using _ = await seats.room.takeDatabaseAway()
      expect((await enterWith(ticket)).answer.status).toBe(503)
    }
    await until('the ticket to open', async () => (await enterWith(ticket)).answer.status === 101)
  })

  test('of SPICE opens no other display, and one of an earlier boot nothing', async () => {
    const desktop = await desktopOf('everything')
    const spice = await enter(desktop, 'spice')
    expect((await enterWith(spice.ticket, 'rdp')).answer.status).toBe(401)
    expect((await enterWith(spice.ticket, 'nx')).answer.status).toBe(426)
    await seats.room.db.updateTable('vm').set({ epoch: 2 }).where('id', '=', desktop.id).execute()
    expect((await enterWith(spice.ticket)).answer.status).toBe(401)
  })
})

describe('a file for remote-viewer', () => {
  async function fetchFile({ id }: RoomDesktop, headers: readonly string[] = [], login = 'ann') {
    const cookie = await signIn(seats.doors[0], login, PASSWORD)
    const made = await connection()
    const lines = [`Host: 127.0.0.1:${seats.doors[0].port}`, `Cookie: ${cookie}`, ...headers]
    const request = get(`/portal/desktops/${id}/display.vv`, undefined, lines).replaceAll('\n', '\r\n')
    made.send(request)
    const text = await made.bytes((said) => /^HTTP\/1.1 [45]|\r\n\r\n./s.test(said))
    return { text, ticket: /^host=(\S+)$/m.exec(text)?.[1] ?? '' }
  }

  async function tunnel(ticket: string, door: 0 | 1 = 0) {
    const made = await connection(door)
    made.send(`CONNECT ${ticket}:1 HTTP/1.0\r\nHost: ${ticket}:1\r\nProxy-Connection: keep-alive\r\n\r\n`)
    return { made, status: (await made.bytes((said) => said.includes('\r\n\r\n'))).slice(9, 12) }
  }

  test('names the door as proxy and a ticket as host, and is kept nowhere', async () => {
    const { text, ticket } = await fetchFile(await desktopOf('machine'))
    expect(text).toContain(`proxy=https://127.0.0.1:${seats.doors[0].port}\n`)
    expect(text).toContain('delete-this-file=1\n')
    expect(text.toLowerCase()).toContain('cache-control: no-store')
    expect(text).toMatch(/content-disposition: attachment; filename="desktop\d+\.vv"/i)
    expect(ticket).toMatch(/^[0-9a-f]{40}$/)
  })

  test('is followed in the log by the id of its connection, to the loss of its seat', async () => {
    const desktop = await desktopOf('machine')
    const main = await tunnel((await fetchFile(desktop)).ticket)
    await untilShown(main.made, 'spice')
    await enter(desktop, 'spice')
    await main.made.untilClosed()
    const lines = seats.doors[0].log().filter((line) => line['vm'] === desktop.id)
    const named = (message: string) => lines.find((line) => line.message === message)?.['connection']
    expect(named('seat claimed')).toMatch(/^[a-z0-9]{12}$/)
    expect(named('seat lost')).toBe(named('seat claimed'))
  })

  test('opens the screen with all its channels, at any door, and a second time nothing', async () => {
    const desktop = await desktopOf('machine')
    const { ticket } = await fetchFile(desktop)
    const main = await tunnel(ticket)
    expect(main.status).toBe('200')
    await untilShown(main.made, 'spice')
    expect(await seats.rowOf(desktop)).toMatchObject({ epoch: 1, label: 'ann, in a SPICE viewer' })
    const further = await tunnel(ticket, 1)
    further.made.send(link(7, 2))
    await further.made.bytes((said) => said.includes('REDQ'))
    const replayed = await tunnel(ticket)
    replayed.made.send(link(0, 1))
    await replayed.made.untilClosed()
    expect(replayed.made.pending).not.toContain('REDQ')
    expect(await seats.rowOf(desktop)).toMatchObject({ epoch: 1, state: 'connected' })
    main.made[Symbol.dispose]()
    await further.made.untilClosed()
    expect((await tunnel(ticket)).status).toBe('403')
  })

  test('of two who come with it at once, one gets in', async () => {
    const { ticket } = await fetchFile(await desktopOf('machine'))
    const both = await Promise.all([tunnel(ticket), tunnel(ticket, 1)])
    const main = both.map(({ made, status }) =>
      status === '200' && made.pending.includes('<spice>') ? 1 : 0,
    )
    expect(main.reduce<number>((sum, one) => sum + one, 0)).toBeLessThanOrEqual(1)
    expect(both.some(({ status }) => status === '200')).toBe(true)
  })

  test('is refused for a desktop without such a screen, and for somebody else', async () => {
    expect((await fetchFile(await desktopOf('container'))).text).toMatch(/^HTTP\/1.1 422 /)
    const machine = await desktopOf('machine')
    await seats.room.addUsers(['bob'], PASSWORD)
    expect((await fetchFile(machine, [], 'bob')).text).toMatch(/^HTTP\/1.1 40[34] /)
  })
})

describe('policy', () => {
  const rules: string[] = []
  const rule = async (desktop: RoomDesktop, says: object): Promise<string> => {
    const name = `rule-${desktop.name}`
    rules.push(name)
    await addPolicyRule(seats.room.db, { name, position: undefined, about: { desktop: desktop.name }, says })
    return name
  }
  afterEach(async () => {
    await seats.room.db.deleteFrom('policy_rule').where('name', 'in', rules.splice(0)).execute()
  })

  test('names the displays that somebody may have', async () => {
    const desktop = await desktopOf('everything')
    const name = await rule(desktop, { displays: ['spice'] })
    await until('the rule to hold', async () => (await enter(desktop, 'rdp')).answer.status === 403)
    const { answer } = await enter(desktop, 'vnc')
    expect(answer.body).toContain(name)
    expect((await enter(desktop, 'spice')).answer.status).toBe(101)
  })

  test('that limits the clipboard closes the screen of a machine, which has a clipboard of its own', async () => {
    const desktop = await desktopOf('machine')
    await rule(desktop, { clipboard: 'in' })
    await until('the rule to hold', async () => (await enter(desktop, 'spice')).answer.status === 422)
    const { answer } = await enter(desktop, 'spice')
    expect(answer.body).toContain("a clipboard of 'in' cannot be kept there")
  })

  test('that forbids sound, USB devices and folders closes their channels', async () => {
    const desktop = await desktopOf('machine')
    await rule(desktop, { audio: false, usb: false, folders: { access: 'ro', roots: [] } })
    let closes = false
    await until('the rule to hold', async () => {
      const { ticket } = await enter(desktop, 'spice')
      const { made } = await enterWith(ticket)
      made.send(link(7, 9))
      await Promise.race([made.untilClosed(), made.bytes((text) => text.includes('REDQ'))]).catch(() => {})
      closes = made.closed
      return closes
    })
    const { ticket } = await enter(desktop, 'spice')
    for (const channel of [5, 6, 9, 11]) {
      const { made } = await enterWith(ticket)
      made.send(link(7, channel))
      await made.untilClosed()
      expect(made.pending).toBe('')
    }
    const { made } = await enterWith(ticket)
    made.send(link(7, 2))
    await made.bytes((text) => text.includes('REDQ'))
  })
})
