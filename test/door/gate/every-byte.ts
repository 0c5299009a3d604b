import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'node:tls'
import { connectRequest, openTokenRoom } from './real-door.ts'
import { Seeded } from './seeded.ts'

/** A stream is this again and again: a length that shares no factor with any buffer. */
const PATTERN = new Seeded(7).bytes(1_048_573)
const TWICE = Buffer.concat([PATTERN, PATTERN])
const LARGEST_WRITE = 120_000
const STALL_MS = 250
/** Of a thousand reads, so many are followed by a stall. */
const STALLS = 4
const SILENCE_MS = 120_000

export interface ByteGate {
  readonly bytes: number
  readonly stalls: number
  readonly seconds: number
}

/**
 * Sends a known pattern both ways through the real door over many sessions at once, to readers that stall, and
 * compares every byte.
 * @param way at the door of the desktops' own node, or at another node's.
 * @throws Error at the first byte that is not what was sent, and when a stream stops.
 */
export async function runBytes(
  total: number,
  sessions: number,
  seed: number,
  way: 'direct' | 'hop' = 'direct',
): Promise<ByteGate> {
  const each = Math.ceil(total / sessions / 2)
  const began = performance.now()
  let displays = 0
  const atDisplays: Promise<number>[] = []
  await using place = await openTokenRoom(sessions, (socket) => {
    const random = new Seeded(seed + 1_000 + displays++)
    const both = exchange(socket, each, random)
    both.catch(() => {}) // heard below, once all are open
    atDisplays.push(both)
  })
  const { port } = way === 'direct' ? place.room : await place.room.openNode('n2')
  const stalls = await Promise.all(
    place.ids.map(async (id, index) => {
      const client = await open(port, connectRequest(id, place.token))
      return await exchange(client, each, new Seeded(seed + index))
    }),
  )
  const more = await Promise.all(atDisplays)
  return {
    bytes: each * sessions * 2,
    stalls: [...stalls, ...more].reduce((sum, count) => sum + count, 0),
    seconds: (performance.now() - began) / 1_000,
  }
}

/** Sends and takes so many bytes of the pattern; returns how often it stalled. */
export async function exchange(socket: Duplex, bytes: number, random: Seeded): Promise<number> {
  const [stalls] = await Promise.all([take(socket, bytes, random), give(socket, bytes, random)])
  return stalls
}

async function give(socket: Duplex, bytes: number, random: Seeded): Promise<void> {
  for (let sent = 0; sent < bytes;) {
    const size = Math.min(1 + random.below(LARGEST_WRITE), bytes - sent)
    const from = sent % PATTERN.length
    // A copy: a WebSocket masks in place what it is given.
    const more = socket.write(Buffer.from(TWICE.subarray(from, from + size)))
    sent += size
    if (!more) await drained(socket)
  }
}

function drained(socket: Duplex): Promise<void> {
  return new Promise((resolve, reject) => {
    const gone = (): void => reject(new Error('a stream was closed while it was written to'))
    socket.once('close', gone)
    socket.once('drain', () => {
      socket.off('close', gone)
      resolve()
    })
  })
}

function take(socket: Duplex, bytes: number, random: Seeded): Promise<number> {
  return new Promise((resolve, reject) => {
    let taken = 0
    let stalls = 0
    const fail = (reason: string): void => {
      clearTimeout(silence)
      reject(new Error(`${reason} after ${taken} of ${bytes} bytes`))
      socket.destroy()
    }
    const silence = setTimeout(() => fail('a stream stopped'), SILENCE_MS)
    socket.on('error', (error) => fail(error.message))
    socket.once('close', () => fail('a stream was closed'))
    socket.on('data', (data: Buffer) => {
      silence.refresh()
      for (let at = 0; at < data.length;) {
        const from = (taken + at) % PATTERN.length
        const size = Math.min(data.length - at, PATTERN.length)
        if (!data.subarray(at, at + size).equals(TWICE.subarray(from, from + size)))
          return fail('other bytes than were sent')
        at += size
      }
      taken += data.length
      if (taken >= bytes) {
        clearTimeout(silence)
        return resolve(stalls)
      }
      if (random.below(1_000) >= STALLS) return
      stalls += 1
      socket.pause()
      void sleep(random.below(STALL_MS)).then(() => socket.resume())
    })
    socket.resume()
  })
}

/** Opens a session and returns it at the end of the response's head. */
function open(port: number, request: Buffer): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
    let head = Buffer.alloc(0)
    const failed = (): void => reject(new Error(`no stream: ${head.toString('latin1')}`))
    socket.on('error', failed)
    socket.on('close', failed)
    socket.write(request)
    const read = (data: Buffer): void => {
      head = Buffer.concat([head, data])
      const start = head.indexOf('HTTP/1.1 101')
      const end = start === -1 ? -1 : head.indexOf('\r\n\r\n', start)
      if (end === -1) return
      socket.off('data', read)
      socket.off('close', failed)
      socket.pause()
      if (end + 4 < head.length) socket.unshift(head.subarray(end + 4))
      resolve(socket)
    }
    socket.on('data', read)
  })
}
