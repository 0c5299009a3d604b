import { comesToHold } from '@ostler/kit/poll.ts'
import { writeWhole } from '@ostler/kit/write-file.ts'
import { parseNetworks } from '@ostler/proxy/l7r/listen/networks.ts'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exchangeRaw } from '../fixtures/raw-exchange.ts'
import { makeTestAuthority, type TestAuthority } from './certificates.ts'
import { type DoorUnderTest, openClient, openDoor, TRUSTING } from './door-under-test.ts'

const ECHO = 'GET /qvd/echo HTTP/1.1\n\n'
const PING = 'GET /qvd/ping HTTP/1.1\n\n'

/** What `/qvd/echo` said; `undefined` when the connection closed without a word. */
async function echoOver(socket: Socket | TLSSocket): Promise<Record<string, unknown> | undefined> {
  let text = ''
  let closed = false
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()))
  socket.on('close', () => (closed = true))
  socket.on('error', () => {})
  const whole = (): boolean => text.endsWith('}\n')
  await comesToHold(() => closed || whole(), 20_000, 5)
  socket.destroy()
  return whole() ? (JSON.parse(text.slice(text.indexOf('\r\n\r\n'))) as Record<string, unknown>) : undefined
}

describe('behind a balancer', () => {
  const balancers = parseNetworks('127.0.0.1/32')
  const V1 = 'PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n'
  const V2 = Buffer.from('0d0a0d0a000d0a515549540a21110000c000020700000000', 'hex')

  test.each([
    ['version 1', Buffer.from(V1), '192.0.2.7'],
    [
      'version 2',
      Buffer.from('0d0a0d0a000d0a515549540a2111000cc00002077f000001dc0420fb', 'hex'),
      '192.0.2.7',
    ],
    ['version 2, its own check', Buffer.from('0d0a0d0a000d0a515549540a20000000', 'hex'), '127.0.0.1'],
  ])('%s gives the address, before TLS and without it', async (_, header, address) => {
    for (const plain of [true, false]) {
      await using door = await openDoor({ listen: { balancers, plain } })
      const socket = connectTcp(door.port, '127.0.0.1')
      if (plain) {
        socket.write(Buffer.concat([header, Buffer.from(ECHO)]))
        expect(await echoOver(socket)).toMatchObject({ address })
      } else {
        // Its last byte comes with the first ones of TLS, and the others before.
        socket.write(header)
        const client = connectTls({ socket, ...TRUSTING })
        client.write(ECHO)
        expect(await echoOver(client)).toMatchObject({ address })
      }
    }
  })

  test('a balancer that is none, or none that says what it should, is closed', async () => {
    await using strict = await openDoor({ listen: { balancers, times: { balancerMs: 300 } } })
    for (const bytes of [PING, V2, 'PROXY TCP4 x\r\n', '', V1.slice(0, 20)]) {
      const answer = await exchangeRaw({ host: '127.0.0.1', port: strict.port }, bytes)
      expect(answer).toEqual({ text: '', closed: true })
    }
    await using open = await openDoor({ listen: { plain: true } })
    expect((await open.exchange(`${V1}${PING}`)).text).toMatch(/^HTTP\/1\.1 400 /)
  })
})

describe('limits', () => {
  test('so many connections of one address; one that leaves makes room', async () => {
    await using door = await openDoor({ listen: { perAddress: 3 } })
    using first = await openClient(door)
    using second = await openClient(door)
    using third = await openClient(door)
    await expect(openClient(door)).rejects.toThrow()
    expect(door.lines.map(({ message }) => message)).toEqual(['too many connections of one address'])
    second.socket.destroy()
    const again = await comesToHold(
      () =>
        openClient(door).then(
          (client) => !!client.socket.destroy(),
          () => false,
        ),
      20_000,
      20,
    )
    expect(again).toBe(true)
    expect([first, third].map(({ heard }) => heard.closed)).toEqual([false, false])
  })

  test('behind a balancer it is the client who is counted', async () => {
    const balancers = parseNetworks('127.0.0.1')
    await using door = await openDoor({ listen: { perAddress: 1, plain: true, balancers } })
    const open: Socket[] = []
    const askFrom = async (address: string): Promise<string> => {
      const socket = connectTcp(door.port, '127.0.0.1')
      open.push(socket)
      socket.on('error', () => {})
      socket.write(`PROXY TCP4 ${address} 127.0.0.1 1 2\r\n${PING}`)
      return await new Promise((resolve) => {
        socket.once('data', (chunk: Buffer) => resolve(chunk.toString('latin1').slice(9, 12)))
        socket.once('close', () => resolve('closed'))
      })
    }
    expect(await askFrom('192.0.2.1')).toBe('200')
    expect(await askFrom('192.0.2.2')).toBe('200')
    expect(await askFrom('192.0.2.1')).toBe('closed')
    for (const socket of open) socket.destroy()
  })

  test('of a crowd that comes at once everybody gets in', async () => {
    await using door = await openDoor({ listen: { times: { helloMs: 60_000 } } })
    const clients = await Promise.all(Array.from({ length: 200 }, () => openClient(door)))
    for (const { socket } of clients) socket.write(PING)
    const answered = () => clients.every(({ heard }) => heard.text.endsWith('alive!\r\n'))
    expect(await comesToHold(answered, 50_000, 20)).toBe(true)
    for (const client of clients) client[Symbol.dispose]()
  })

  test('what is no TLS is closed, and those who stop in the middle of it keep nobody out', async () => {
    await using door = await openDoor()
    const crowd = Array.from({ length: 100 }, () => {
      const socket = connectTcp(door.port, '127.0.0.1', () => socket.write(Buffer.from('160301', 'hex')))
      return socket.on('error', () => {})
    })
    const plain = await exchangeRaw({ host: '127.0.0.1', port: door.port }, 'GET / HTTP/1.1\r\n\r\n')
    expect(plain.closed).toBe(true)
    const { text } = await door.exchange(PING, (heard) => heard.endsWith('alive!\r\n'))
    expect(text).toMatch(/^HTTP\/1\.1 200 OK/)
    for (const socket of crowd) socket.destroy()
  })

  test('who says her first words and no more is closed, without a line in the log', async () => {
    await using door = await openDoor()
    const hello = Buffer.from('1603010005010000010000', 'hex')
    for (const bytes of [hello, hello.subarray(0, 7), Buffer.alloc(1)]) {
      const socket = connectTcp({ port: door.port, host: '127.0.0.1', allowHalfOpen: true })
      socket.on('error', () => {}).resume()
      socket.end(bytes)
      expect(await comesToHold(() => socket.readableEnded || socket.destroyed, 20_000, 5)).toBe(true)
      socket.destroy()
    }
    expect(door.lines).toEqual([])
  })

  test('a door that closes leaves no connection', async () => {
    const door = await openDoor()
    using idle = await openClient(door)
    using page = await openClient(door)
    using stream = await openClient(door)
    page.socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    stream.socket.write('GET /qvd/connect_to_vm HTTP/1.1\nConnection: Upgrade\nUpgrade: QVD/1.0\n\n')
    await comesToHold(() => page.heard.text !== '' && stream.heard.text.includes(' 101 '), 20_000, 10)
    await door[Symbol.asyncDispose]()
    const all = [idle, page, stream]
    expect(await comesToHold(() => all.every(({ heard }) => heard.closed), 20_000, 10)).toBe(true)
  })

  test('a port that is taken is named', async () => {
    await using door = await openDoor()
    await expect(openDoor({ listen: { port: door.port } })).rejects.toMatchObject({ code: 'node.portTaken' })
  })
})

describe('client certificates', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ostler-authority-'))
  let authority: TestAuthority
  let asked: DoorUnderTest
  let required: DoorUnderTest
  let ann: { cert: string; key: string }

  beforeAll(async () => {
    authority = await makeTestAuthority(join(folder, 'ours'))
    const options = { ca: authority.caFile, crl: authority.crlFile, listen: { times: { lookEveryMs: 50 } } }
    asked = await openDoor({ ...options, clients: 'asked' })
    required = await openDoor({ ...options, clients: 'required' })
    ann = await authority.issue('ann', 'email:ann@example.org,otherName:msUPN;UTF8:ann@corp,DNS:ann')
  })
  afterAll(async () => {
    await asked[Symbol.asyncDispose]()
    await required[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true })
  })

  /** The certificate that the door saw: `null` for none, `closed` when it did not let us in. */
  async function seenBy(door: DoorUnderTest, tls: ConnectionOptions = {}): Promise<unknown> {
    const socket = connectTls({ host: '127.0.0.1', port: door.port, ...TRUSTING, ...tls })
    socket.on('error', () => {})
    socket.write(ECHO)
    const said = await echoOver(socket)
    return said === undefined ? 'closed' : said['certificate']
  }
  /** After the files have changed: the door looks now and then. `who`: her common name, or `closed`. */
  async function comesToSee(door: DoorUnderTest, tls: ConnectionOptions, who: string): Promise<void> {
    let seen: string | undefined
    const look = async (): Promise<boolean> => {
      const said = await seenBy(door, tls)
      seen = said === 'closed' ? said : (said as { commonName: string } | null)?.commonName
      return seen === who
    }
    await comesToHold(look, 20_000, 50)
    expect(seen).toBe(who)
  }
  const lastLine = (door: DoorUnderTest) => door.lines.findLast(({ level }) => level === 'warn')

  test.each(['TLSv1.2', 'TLSv1.3'] as const)('a good one says who she is, over %s', async (version) => {
    const expected = {
      commonName: 'ann',
      names: ['ann@example.org', 'ann@corp'],
      fingerprint: new X509Certificate(ann.cert).fingerprint256.replaceAll(':', '').toLowerCase(),
    }
    const tls = { ...ann, minVersion: version, maxVersion: version }
    expect(await seenBy(asked, tls)).toEqual(expected)
    expect(await seenBy(required, tls)).toEqual(expected)
  })

  test('without one: let in where it is asked for, refused with a line in the log where it is required', async () => {
    expect(await seenBy(asked)).toBeNull()
    expect(await seenBy(required)).toBe('closed')
    expect(lastLine(required)).toMatchObject({
      message: 'client certificate refused',
      fields: { address: '127.0.0.1', reason: 'no certificate' },
    })
  })

  test("one of somebody else's authority counts as none", async () => {
    const other = await makeTestAuthority(join(folder, 'other'))
    const stranger = await other.issue('ann')
    expect(await seenBy(asked, stranger)).toBeNull()
    expect(await seenBy(required, stranger)).toBe('closed')
  })

  test('a revoked one is refused as soon as the list says so, also for a session that is taken up again', async () => {
    const bob = await authority.issue('bob')
    for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
      const tls = { ...bob, minVersion: version, maxVersion: version }
      const socket = connectTls({ host: '127.0.0.1', port: asked.port, ...TRUSTING, ...tls })
      const sessions: Buffer[] = []
      socket.on('session', (session) => sessions.push(session))
      socket.write(ECHO)
      expect(await echoOver(socket)).toMatchObject({ certificate: { commonName: 'bob' } })
      bobsSessions.push(...sessions)
    }
    await authority.revoke(bob)
    await comesToSee(asked, bob, 'closed')
    await comesToSee(required, bob, 'closed')
    expect(bobsSessions.length).toBeGreaterThan(0)
    for (const session of bobsSessions) expect(await seenBy(asked, { ...bob, session })).toBe('closed')
    expect(lastLine(asked)?.fields['reason']).toBe('it is revoked')
    expect(await seenBy(asked, ann)).toMatchObject({ commonName: 'ann' })
  })
  const bobsSessions: Buffer[] = []

  test('a list that has expired lets no certificate in, and the log says what to do', async () => {
    await authority.writeList(-1)
    await comesToSee(asked, ann, 'closed')
    await comesToSee(required, ann, 'closed')
    expect(lastLine(asked)?.fields['reason']).toBe(
      'the list of revoked certificates has expired: put a new one at path.l7r.ssl.crl',
    )
    expect(await seenBy(asked)).toBeNull()
    await authority.writeList()
    await comesToSee(asked, ann, 'ann')
  })

  test('a list that cannot be read leaves the old one in force', async () => {
    await authority.writeList()
    writeFileSync(authority.crlFile, 'nonsense')
    const said = () =>
      asked.lines.some(({ message }) => message.startsWith('the new certificates are not used'))
    expect(await comesToHold(said, 20_000, 20)).toBe(true)
    await authority.writeList()
  })

  test('authorities and lists that hkd has out of the database win over the files, and their end leads back', async () => {
    const other = await makeTestAuthority(join(folder, 'given'))
    const [stranger, gone] = [await other.issue('stranger'), await other.issue('gone')]
    await other.revoke(gone)
    const read = (path: string): string => readFileSync(path, 'utf8')
    const own = { key: read(join(asked.folder, 'key.pem')), cert: read(join(asked.folder, 'cert.pem')) }
    const given = { ...own, ca: read(other.caFile), crl: read(other.crlFile) }
    expect(await seenBy(asked, stranger)).toBeNull()
    writeWhole(join(asked.folder, 'given.json'), JSON.stringify(given), { mode: 0o400 })
    await comesToSee(asked, stranger, 'stranger')
    expect(await seenBy(asked, gone)).toBe('closed')
    expect(await seenBy(asked, ann)).toBeNull()
    rmSync(join(asked.folder, 'given.json'))
    await comesToSee(asked, ann, 'ann')
    expect(await seenBy(asked, stranger)).toBeNull()
  })

  test.each([
    ['no authority', {}, 'path.l7r.ssl.ca must be set'],
    [
      'an authority that is not there',
      { ca: '/nowhere/ca.pem' },
      'path.l7r.ssl.ca: /nowhere/ca.pem cannot be read',
    ],
    [
      'a list that is not there',
      { crl: '/nowhere/crl.pem' },
      'path.l7r.ssl.crl: /nowhere/crl.pem cannot be read',
    ],
    ['a list that is none', { crl: '/etc/hostname' }, 'path.l7r.ssl.crl holds no list'],
  ])('a door with %s does not open', async (_, files, problem) => {
    const ca = Object.keys(files).length === 0 || 'ca' in files ? {} : { ca: authority.caFile }
    const opened = openDoor({ clients: 'asked', ...ca, ...files })
    await expect(opened).rejects.toMatchObject({ code: 'config.invalid' })
    await expect(opened).rejects.toThrow(problem)
  })
})
