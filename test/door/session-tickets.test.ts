import { rotated, TakenKeys } from '@ostler/proxy/l7r/listen/ticket-keys.ts'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type ConnectionOptions } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DoorRoom } from '../fixtures/door-room.ts'
import { until } from '../fixtures/world.ts'
import { makeTestAuthority, type TestAuthority } from './certificates.ts'
import { type DoorUnderTest, openDoor, TRUSTING } from './door-under-test.ts'

const PING = 'GET /qvd/ping HTTP/1.1\r\n\r\n'
const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const
const only = (version: (typeof VERSIONS)[number]): ConnectionOptions => ({
  minVersion: version,
  maxVersion: version,
})

/** One request, with what the door gave to take its session up again. */
async function visit(
  door: { readonly port: number },
  tls: ConnectionOptions = {},
): Promise<{ reused: boolean; session: Buffer }> {
  const socket = connect({ host: '127.0.0.1', port: door.port, ...TRUSTING, ...tls })
  let session: Buffer | undefined
  let text = ''
  let gone: string | undefined
  socket.on('session', (given: Buffer) => (session = given))
  socket.on('data', (bytes: Buffer) => (text += bytes.toString()))
  socket.on('error', (error) => (gone = error.message))
  socket.on('close', () => (gone ??= 'closed'))
  socket.write(PING)
  await until('an answer', () => gone !== undefined || text.endsWith('alive!\r\n'))
  const reused = socket.isSessionReused()
  if (gone === undefined && !reused) await until('a session', () => session !== undefined)
  socket.destroy()
  if (gone !== undefined) throw new Error(gone)
  return { reused, session: session ?? Buffer.alloc(0) }
}

describe.each(VERSIONS)('over %s', (version) => {
  const tls = only(version)
  const keys = [new TakenKeys(), new TakenKeys()] as const
  let doors: readonly [DoorUnderTest, DoorUnderTest]
  const rotate = (): void => {
    const next = rotated(keys[0].current())
    for (const each of keys) each.take(next)
  }
  beforeAll(async () => {
    rotate()
    doors = [
      await openDoor({ listen: { ticketKeys: keys[0] } }),
      await openDoor({ listen: { ticketKeys: keys[1] } }),
    ]
  })
  afterAll(async () => {
    for (const door of doors) await door[Symbol.asyncDispose]()
  })

  test('a session is taken up again at every door with the same keys, also when new ones have come', async () => {
    const { session } = await visit(doors[0], tls)
    for (let rotations = 0; rotations < 3; rotations++) {
      for (const door of doors) expect((await visit(door, { ...tls, session })).reused).toBe(true)
      rotate()
    }
    for (const door of doors) {
      const again = await visit(door, { ...tls, session })
      expect(again.reused).toBe(false)
      expect((await visit(door, { ...tls, session: again.session })).reused).toBe(true)
    }
  })

  test('a ticket that somebody else made, or bent, makes a whole handshake', async () => {
    await using other = await openDoor()
    const { session: foreign } = await visit(other, tls)
    expect((await visit(doors[0], { ...tls, session: foreign })).reused).toBe(false)
    const { session } = await visit(doors[0], tls)
    const newest = keys[0].current()[0]?.subarray(0, 16) ?? ''
    const bent = Buffer.from(session)
    const at = bent.indexOf(newest)
    expect(at).toBeGreaterThan(0)
    bent.writeUInt8(bent.readUInt8(at + 40) ^ 1, at + 40)
    expect((await visit(doors[0], { ...tls, session: bent })).reused).toBe(false)
  })

  test('the certificate may change meanwhile', async () => {
    await using door = await openDoor({ listen: { ticketKeys: keys[0], times: { lookEveryMs: 20 } } })
    const { session } = await visit(door, tls)
    const file = join(door.folder, 'cert.pem')
    writeFileSync(file, `${readFileSync(file, 'utf8')}\n`)
    await until('it to be read', () =>
      door.lines.some(({ message }) => message === 'certificates read again'),
    )
    expect((await visit(door, { ...tls, session })).reused).toBe(true)
  })
})

describe('where a client certificate is asked for', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-tickets-'))
  let authority: TestAuthority
  beforeAll(async () => {
    authority = await makeTestAuthority(join(folder, 'ours'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  test.each(VERSIONS)(
    'no session is taken up again, so that each is held against the list, over %s',
    async (version) => {
      const ticketKeys = new TakenKeys()
      await using asked = await openDoor({
        ...{ clients: 'asked', ca: authority.caFile, crl: authority.crlFile },
        listen: { ticketKeys, times: { lookEveryMs: 20 } },
      })
      const issued = await authority.issue('bob')
      const bob = { ...issued, ...only(version) }
      const sessions: Buffer[] = []
      const socket = connect({ host: '127.0.0.1', port: asked.port, ...TRUSTING, ...bob })
      socket.on('session', (session: Buffer) => sessions.push(session))
      let text = ''
      socket.on('data', (bytes: Buffer) => (text += bytes.toString()))
      socket.write(PING)
      await until('an answer', () => text.endsWith('alive!\r\n'))
      socket.destroy()
      for (const session of sessions) {
        const again = connect({ host: '127.0.0.1', port: asked.port, ...TRUSTING, ...bob, session })
        let heard = ''
        again.on('data', (bytes: Buffer) => (heard += bytes.toString()))
        again.write(PING)
        await until('an answer', () => heard.endsWith('alive!\r\n'))
        expect(again.isSessionReused()).toBe(false)
        again.destroy()
      }
      // One from a door that asks for nothing does not help either.
      await using free = await openDoor({ listen: { ticketKeys } })
      const { session } = await visit(free, only(version))
      await authority.revoke(issued)
      const refused = async (): Promise<boolean> =>
        await visit(asked, { ...bob, session }).then(
          () => false,
          () => true,
        )
      await until('the list to be read', refused)
      await using required = await openDoor({
        ...{ clients: 'required', ca: authority.caFile, listen: { ticketKeys } },
      })
      await expect(visit(required, { ...only(version), session })).rejects.toThrow()
    },
  )
})

describe('the crew of a door', () => {
  let room: DoorRoom
  beforeAll(async () => {
    room = await DoorRoom.open({ 'l7r.workers': '2' })
  })
  afterAll(() => room[Symbol.asyncDispose]())
  const served = (): number =>
    room.node
      .output('l7r')
      .split('\n')
      .filter((line) => line.includes('"door open"')).length

  test('takes a session up again at both workers, and at those that SIGHUP brings in', async () => {
    await until('both workers', () => served() >= 2)
    const { session } = await visit(room)
    for (let round = 0; round < 6; round++) expect((await visit(room, { session })).reused).toBe(true)
    process.kill(room.doorPid, 'SIGHUP')
    await until('new workers', () => room.node.output('l7r').includes('workers replaced'))
    for (let round = 0; round < 6; round++) expect((await visit(room, { session })).reused).toBe(true)
  })

  test('makes new keys now and then; a ticket that is too old makes a whole handshake', async () => {
    const hasty = await room.openNode('n2', { 'internal.l7r.ticket_key': '1' })
    const { session } = await visit(hasty)
    await until('the key to be gone', async () => !(await visit(hasty, { session })).reused)
  })

  test('leaves no key in an argument, in an environment or in the log', async () => {
    const { session } = await visit(room)
    const files = [
      `/proc/${room.doorPid}/environ`,
      `/proc/${room.doorPid}/cmdline`,
      `/proc/${room.workerPid}/environ`,
    ]
    const said = files.map((file) => readFileSync(file, 'latin1')).join() + room.node.output('l7r')
    expect(session.length).toBeGreaterThan(0)
    expect(said).not.toMatch(/[A-Za-z0-9+/]{64}/)
  })
})
