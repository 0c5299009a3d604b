import { connect, type TLSSocket } from 'node:tls'
import { MESSAGE_BYTES, WORD_BYTES, word } from './far-end.ts'

/** The clients of the bench, in a process of its own so that their work is not counted as the door's. */
export interface Door {
  readonly port: number
  /** Numbers of desktops to ask for. */
  readonly ids: readonly number[]
  readonly token: string
}

export type Order =
  | { readonly do: 'open'; readonly sessions: number }
  | { readonly do: 'close' }
  | { readonly do: 'login'; readonly times: number; readonly resumed: boolean }
  | { readonly do: 'ping'; readonly times: number }
  | { readonly do: 'download' | 'upload'; readonly sessions: number; readonly bytes: number }
  | { readonly do: 'listen'; readonly sessions: number; readonly messages: number }

export interface Outcome {
  readonly seconds: number
  readonly p50?: number
  readonly p99?: number
  readonly received?: number
  readonly lost?: number
}

const AT_ONCE = 10
/** The same work for every door: what each would choose by itself differs with its version of OpenSSL. */
const TLS = {
  host: '127.0.0.1',
  rejectUnauthorized: false,
  ciphers: 'TLS_AES_128_GCM_SHA256:ECDHE-ECDSA-AES128-GCM-SHA256',
  ecdhCurve: 'X25519',
} as const

/** An open session: its bytes go to whoever listens last. */
class Session {
  readonly socket: TLSSocket
  listener: (bytes: Buffer) => void = () => {}

  private constructor(socket: TLSSocket) {
    this.socket = socket
  }

  /** Connects, signs in, upgrades and waits for the first echo. */
  static open(door: Door, id: number, session?: Buffer): Promise<Session> {
    return new Promise((resolve, reject) => {
      let head = ''
      let upgraded = false
      const made = connect({ ...TLS, port: door.port, ...(session === undefined ? {} : { session }) })
      made.on('data', (bytes: Buffer) => (upgraded ? own.listener(bytes) : greet(bytes)))
      const own = new Session(made)
      made.setNoDelay(true)
      const failed = (reason: string): void =>
        reject(new Error(`a session did not open: ${reason}, after ${head.slice(-300)}`))
      made.on('error', (error) => failed(error.message))
      made.on('close', () => failed('closed'))
      const greet = (bytes: Buffer): void => {
        head += bytes.toString('latin1')
        if (/^HTTP\/1\.1 [2-5]/m.test(head)) return failed('refused')
        if (!/^HTTP\/1\.1 101/m.test(head) || !head.endsWith('\r\n\r\n')) return
        upgraded = true
        own.listener = () => resolve(own)
        made.write(word('P', 1))
      }
      made.write(
        `GET /qvd/connect_to_vm?id=${id} HTTP/1.1\r\nHost: localhost\r\n` +
          `Authorization: Bearer ${Buffer.from(door.token).toString('base64')}\r\n` +
          'Connection: Upgrade\r\nUpgrade: QVD/1.0\r\n\r\n',
      )
    })
  }

  /** Says something and waits for so many bytes. */
  exchange(said: Buffer, count: number): Promise<void> {
    return new Promise((resolve) => {
      let got = 0
      this.listener = (bytes) => {
        got += bytes.length
        if (got >= count) resolve()
      }
      this.socket.write(said)
    })
  }
}

let door: Door = { port: 0, ids: [], token: '' }
const open: Session[] = []

process.on('message', ({ to, order }: { to: Door; order: Order }) => {
  door = to
  obey(order).then(
    (outcome) => process.send?.({ outcome }),
    (error: unknown) => process.send?.({ failed: error instanceof Error ? error.message : String(error) }),
  )
})

async function obey(order: Order): Promise<Outcome> {
  const began = performance.now()
  const said = await perform(order)
  return { seconds: (performance.now() - began) / 1_000, ...said }
}

async function perform(order: Order): Promise<Partial<Outcome>> {
  switch (order.do) {
    case 'open':
      await inLanes(order.sessions, async () => void open.push(await Session.open(door, nextId(open.length))))
      return {}
    case 'close':
      for (const { socket } of open.splice(0)) socket.destroy()
      return {}
    case 'login':
      return await logIn(order.times, order.resumed)
    case 'ping':
      return await ping(order.times)
    case 'download':
      await Promise.all(
        some(order.sessions).map((each) => each.exchange(word('B', order.bytes), order.bytes)),
      )
      return {}
    case 'upload':
      await Promise.all(some(order.sessions).map((each) => upload(each, order.bytes)))
      return {}
    case 'listen':
      return await listen(some(order.sessions), order.messages)
  }
}

let started = 0
function nextId(index: number): number {
  started += 1
  return door.ids[(index < door.ids.length ? started : index) % door.ids.length] ?? 0
}

function some(count: number): Session[] {
  if (open.length < count) throw new Error(`only ${open.length} of ${count} sessions are open`)
  return open.slice(0, count)
}

async function inLanes(times: number, once: () => Promise<void>): Promise<void> {
  let left = times
  const lane = async (): Promise<void> => {
    while (left-- > 0) await once()
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane))
}

/** Whole logins, each ended at once. */
async function logIn(times: number, resumed: boolean): Promise<Partial<Outcome>> {
  let ticket: Buffer | undefined
  if (resumed) {
    const first = await Session.open(door, nextId(0))
    ticket = first.socket.getSession()
    first.socket.destroy()
  }
  let again = 0
  await inLanes(times, async () => {
    const { socket } = await Session.open(door, nextId(0), ticket)
    if (socket.isSessionReused()) again += 1
    socket.destroy()
  })
  return { received: again }
}

async function ping(times: number): Promise<Partial<Outcome>> {
  const [session] = some(1)
  const took: number[] = []
  for (let i = 0; i < times; i++) {
    const began = performance.now()
    await session?.exchange(word('P', i), WORD_BYTES)
    took.push((performance.now() - began) * 1_000)
  }
  took.sort((a, b) => a - b)
  return { p50: took[times >> 1] ?? 0, p99: took[Math.floor(times * 0.99)] ?? 0 }
}

const CHUNK = Buffer.alloc(65_536, 'u')

async function upload(session: Session, bytes: number): Promise<void> {
  const done = session.exchange(word('U', bytes), WORD_BYTES)
  for (let left = bytes; left > 0; left -= CHUNK.length) {
    const more = session.socket.write(CHUNK.subarray(0, Math.min(left, CHUNK.length)))
    if (!more) await new Promise((resolve) => session.socket.once('drain', resolve))
  }
  await done
}

const SILENCE_MS = 20_000

/** Listens to numbered messages and counts what is missing or out of order. */
async function listen(sessions: readonly Session[], messages: number): Promise<Partial<Outcome>> {
  let received = 0
  let lost = 0
  await new Promise<void>((resolve) => {
    const silence = setTimeout(resolve, SILENCE_MS)
    const heard = (): void => {
      if (received < sessions.length * messages) return void silence.refresh()
      clearTimeout(silence)
      resolve()
    }
    for (const session of sessions) {
      let expected = 0
      let rest: Buffer = Buffer.alloc(0)
      session.listener = (bytes) => {
        let all: Buffer = rest.length === 0 ? bytes : Buffer.concat([rest, bytes])
        while (all.length >= MESSAGE_BYTES) {
          if (all.readUInt32BE(0) !== expected++) lost += 1
          received += 1
          all = all.subarray(MESSAGE_BYTES)
        }
        rest = Buffer.from(all)
        heard()
      }
      session.socket.write(word('T', messages))
    }
  })
  return { received, lost: lost + sessions.length * messages - received }
}
