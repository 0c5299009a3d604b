import { createHash, randomBytes } from 'node:crypto'
import { connect as connectTcp, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'node:tls'
import { addToken } from '../../../proxy/src/store/tokens.ts'
import { DoorRoom } from '../../fixtures/door-room.ts'
import { behave, FAULTS, goWrong } from './faulty-peer.ts'
import { descriptors, MemorySlope, residentKb } from './process-costs.ts'
import { Seeded } from './seeded.ts'

const DESKTOPS = 32
const LANES = 24
/** Of a hundred connections, so many go wrong in their request, or at the display; the others in their stream. */
const IN_REQUEST = 60
const AT_DISPLAY = 20
const STREAM_BYTES = 400
const CASE_MS = 60_000
const RESET_MS = 500
const SETTLE_MS = 40_000

export interface DoorGate {
  readonly connections: number
  readonly alive: boolean
  readonly answersPing: boolean
  readonly descriptorsLeft: number
  readonly seatsTaken: number
  /** Lines of the log that nothing foreseen writes. */
  readonly unforeseen: readonly string[]
  readonly slope: MemorySlope
}

/** A room with desktops of one guest, and the token with which she comes in. */
export interface TokenRoom extends AsyncDisposable {
  readonly room: DoorRoom
  readonly token: string
  readonly ids: readonly number[]
}

/** @param display plays the displays of all desktops. */
export async function openTokenRoom(desktops: number, display: (socket: Socket) => void): Promise<TokenRoom> {
  const room = await DoorRoom.open({ 'l7r.limit.connections_per_address': '0' })
  try {
    await room.addUsers(['guest'], 'not used')
    const ids: number[] = []
    for (let i = 0; i < desktops; i++)
      ids.push((await room.addDesktop('guest', `desktop${i}`, { display })).id)
    const user = await room.db
      .selectFrom('users')
      .select('id')
      .where('login', '=', 'guest')
      .executeTakeFirstOrThrow()
    const token = randomBytes(24).toString('hex')
    const digest = createHash('sha256').update(token).digest()
    await addToken(room.db, { digest, userId: user.id, multiUse: true, seconds: 7 * 86_400 })
    return { room, token, ids, [Symbol.asyncDispose]: () => room[Symbol.asyncDispose]() }
  } catch (error) {
    await room[Symbol.asyncDispose]()
    throw error
  }
}

/** What a native client sends to connect. */
export function connectRequest(id: number, token: string): Buffer {
  return Buffer.from(
    `GET /qvd/connect_to_vm?id=${id}&qvd.client.os=linux HTTP/1.1\r\nHost: localhost\r\n` +
      `Authorization: Bearer ${Buffer.from(token).toString('base64')}\r\n` +
      'Connection: Upgrade\r\nUpgrade: QVD/1.0\r\n\r\n',
  )
}

/** The real door with clients and displays that go wrong at every byte of their dialogue. */
export async function runDoor(count: number, seed: number): Promise<DoorGate> {
  const random = new Seeded(seed)
  let displayGoesWrong = false
  await using place = await openTokenRoom(DESKTOPS, (socket) => {
    if (!displayGoesWrong) return behave(socket, Buffer.alloc(STREAM_BYTES, 'a'))
    displayGoesWrong = false
    socket.resume()
    const said = Buffer.alloc(random.below(STREAM_BYTES), 'd')
    goWrong(socket, random.pick(FAULTS), said, () => void socket.destroy(), random)
  })
  const { room, token, ids } = place
  const slope = new MemorySlope()
  const pid = room.workerPid
  const free = [...ids]

  const one = async (index: number): Promise<void> => {
    const id = free.pop() ?? 0
    const drawn = random.below(100)
    const request = connectRequest(id, token)
    displayGoesWrong ||= drawn < AT_DISPLAY
    const place =
      drawn < AT_DISPLAY
        ? undefined
        : drawn < AT_DISPLAY + IN_REQUEST
          ? { in: 'request' as const, at: index % (request.length + 1) }
          : { in: 'stream' as const, at: random.below(STREAM_BYTES) }
    await visit(room.port, request, place, random)
    free.push(id)
  }
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < count) {
      const index = next++
      await one(index)
      if (index % Math.ceil(count / 20) === 0) slope.note(index, residentKb(pid))
    }
  }
  for (let i = 0; i < LANES; i++) await one(i)
  const before = descriptors(pid)
  await Promise.all(Array.from({ length: LANES }, lane))

  const seats = async (): Promise<number> =>
    (await room.db.selectFrom('seat').select('vm_id').where('state', '<>', 'disconnected').execute()).length
  for (
    let waited = 0;
    waited < SETTLE_MS && (descriptors(pid) > before || (await seats()) > 0);
    waited += 200
  )
    await sleep(200)
  // Before the ping, which is a connection too.
  const descriptorsLeft = Math.max(0, descriptors(pid) - before)
  return {
    connections: count,
    alive: isAlive(pid),
    answersPing: await ping(room.port),
    descriptorsLeft,
    seatsTaken: await seats(),
    unforeseen: room.node
      .output('l7r')
      .split('\n')
      .filter((line) => /unexpected failure|server\.internal|upgrade failed|ERR_|TypeError/.test(line)),
    slope,
  }
}

/** One client, until her connection is closed. `goneWrong` says where she goes wrong; `undefined`: the display does. */
function visit(
  port: number,
  request: Buffer,
  goneWrong: { readonly in: 'request' | 'stream'; readonly at: number } | undefined,
  random: Seeded,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const raw = connectTcp({ port, host: '127.0.0.1' })
    const socket = connect({ socket: raw, rejectUnauthorized: false })
    // A reset fails on a connection that is being shut down, and does then not close it.
    raw.on('error', () => socket.destroy())
    const kind = random.pick(FAULTS)
    let head = ''
    const timer = setTimeout(() => {
      reject(new Error(`a connection was not closed: ${JSON.stringify({ kind, goneWrong, head })}`))
      socket.destroy()
    }, CASE_MS)
    socket.on('error', () => socket.destroy())
    const closed = (): void => {
      clearTimeout(timer)
      resolve()
    }
    socket.once('close', closed)
    // A TLS socket whose connection is reset below it does not always say that it is closed.
    const reset = (): void => {
      raw.once('close', closed)
      raw.resetAndDestroy()
      setTimeout(() => socket.destroy(), RESET_MS)
      setTimeout(() => {
        if (socket.destroyed && raw.destroyed) closed()
      }, 2 * RESET_MS)
    }
    const wrong = (said: Buffer): void => goWrong(socket, kind, said, reset, random)
    socket.once('secureConnect', () => {
      if (goneWrong?.in === 'request') return wrong(request.subarray(0, goneWrong.at))
      const read = (data: Buffer): void => {
        head += data.toString('latin1')
        if (!/^HTTP\/1\.1 101/m.test(head) || !head.includes('\r\n\r\n')) return
        socket.off('data', read)
        if (goneWrong !== undefined) return wrong(Buffer.alloc(goneWrong.at, 'c'))
        behave(socket, Buffer.alloc(STREAM_BYTES, 'b'))
        socket.write(Buffer.alloc(STREAM_BYTES, 'b'))
        // A display that was somebody else's turn is in order and would stay.
        setTimeout(() => socket.end(), 300)
      }
      socket.on('data', read)
      socket.on('end', () => socket.end())
      socket.write(request)
    })
    if (goneWrong?.in === 'request') socket.resume()
  })
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

function ping(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () =>
      socket.write('GET /qvd/ping HTTP/1.1\r\nHost: localhost\r\n\r\n'),
    )
    socket.once('data', (data: Buffer) => {
      resolve(data.toString('latin1').startsWith('HTTP/1.1 200'))
      socket.destroy()
    })
    socket.once('error', () => resolve(false))
    socket.once('close', () => resolve(false))
  })
}
