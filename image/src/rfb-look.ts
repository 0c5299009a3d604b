import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'

/** A door of a node, and a desktop behind it. */
export interface Seen {
  readonly host: string
  readonly port: number
  readonly login: string
  readonly password: string
  readonly desktop: number
}

/** What a session shows. */
export interface Picture {
  readonly width: number
  readonly height: number
  /** Different colours of it, counted up to `ENOUGH`. */
  readonly colours: number
}

/** So many tell a desktop from an empty ground; a whole picture is not kept. */
export const ENOUGH = 8
const RAW = 0

/**
 * Opens a desktop as VNC viewers do (docs/displays.md) and looks once at its whole picture.
 *
 * The door's certificate is not asked about: what is sent is good for one desktop, which nobody else has and which ends soon.
 * @throws Error with what the door said instead of opening it.
 */
export async function look(seen: Seen, signal: AbortSignal): Promise<Picture> {
  const socket = connect({ host: seen.host, port: seen.port, rejectUnauthorized: false })
  const bytes = new Bytes(socket, signal)
  try {
    await once(socket, 'secureConnect', { signal })
    const word = Buffer.from(`${seen.login}:${seen.password}`).toString('base64')
    socket.write(
      [
        `GET /qvd/connect_to_vm?id=${seen.desktop} HTTP/1.1`,
        ...[`Host: ${seen.host}:${seen.port}`, `Authorization: Basic ${word}`],
        ...['Connection: Upgrade', 'Upgrade: vnc', '', ''],
      ].join('\r\n'),
    )
    await bytes.upgraded()
    return await firstPicture(socket, bytes)
  } finally {
    socket.destroy()
  }
}

/** RFB 3.8 without a password: what is behind the door has been asked for one already. */
async function firstPicture(socket: TLSSocket, bytes: Bytes): Promise<Picture> {
  await bytes.take(12)
  socket.write('RFB 003.008\n')
  const [kinds = 0] = await bytes.take(1)
  if (!(await bytes.take(kinds)).includes(1)) throw new Error('the display asks for a password')
  socket.write(Buffer.from([1]))
  if ((await bytes.take(4)).readUInt32BE() !== 0) throw new Error('the display lets nobody in')
  socket.write(Buffer.from([1]))
  const head = await bytes.take(24)
  const [width, height] = [head.readUInt16BE(0), head.readUInt16BE(2)]
  const pixel = (head[4] ?? 0) / 8
  await bytes.take(head.readUInt32BE(20))
  const asked = Buffer.alloc(18)
  asked.set([2, 0, 0, 1], 0)
  asked.writeInt32BE(RAW, 4)
  asked.set([3, 0], 8)
  asked.writeUInt16BE(width, 14)
  asked.writeUInt16BE(height, 16)
  socket.write(asked)
  const colours = new Set<number>()
  for (let left = width * height; left > 0;) {
    const [kind = -1] = await bytes.take(1)
    if (kind === 0) left -= await readUpdate(bytes, pixel, colours)
    else if (kind === 3) await bytes.take((await bytes.take(7)).readUInt32BE(3))
    else if (kind !== 2) throw new Error(`the display says ${kind}, which is no update`)
  }
  return { width, height, colours: colours.size }
}

/** @returns how many points have come. */
async function readUpdate(bytes: Bytes, pixel: number, colours: Set<number>): Promise<number> {
  let points = 0
  for (let left = (await bytes.take(3)).readUInt16BE(1); left > 0; left--) {
    const head = await bytes.take(12)
    if (head.readInt32BE(8) !== RAW) throw new Error('the display sends what was not asked for')
    const count = head.readUInt16BE(4) * head.readUInt16BE(6)
    const data = await bytes.take(count * pixel)
    for (let at = 0; at < data.length && colours.size < ENOUGH; at += pixel)
      colours.add(data.readUIntLE(at, pixel))
    points += count
  }
  return points
}

/** What comes from a socket, taken by so many bytes. */
class Bytes {
  readonly #signal: AbortSignal
  #kept: Buffer = Buffer.alloc(0)
  readonly #stream: AsyncIterator<Buffer>

  constructor(socket: TLSSocket, signal: AbortSignal) {
    this.#stream = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>
    this.#signal = signal
    signal.addEventListener('abort', () => socket.destroy(signal.reason as Error), { once: true })
  }

  async take(count: number): Promise<Buffer> {
    const parts = [this.#kept]
    let have = this.#kept.length
    while (have < count) {
      const next = await this.#next()
      parts.push(next)
      have += next.length
    }
    const all = parts.length === 1 ? this.#kept : Buffer.concat(parts, have)
    this.#kept = all.subarray(count)
    return all.subarray(0, count)
  }

  /** Reads the 102s of a desktop that comes up, until its 101. @throws Error with any other answer. */
  async upgraded(): Promise<void> {
    for (;;) {
      const end = this.#kept.indexOf('\r\n\r\n')
      if (end < 0) {
        this.#kept = Buffer.concat([this.#kept, await this.#next()])
        continue
      }
      const head = this.#kept.subarray(0, end).toString('latin1')
      this.#kept = this.#kept.subarray(end + 4)
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1])
      if (status === 101) return
      if (status !== 102) throw new Error(await this.#refusal(head))
    }
  }

  async #refusal(head: string): Promise<string> {
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0)
    const body = (await this.take(Math.min(length, 4_096))).toString('utf8').trim()
    return `${head.split('\r\n')[0] ?? ''}: ${body}`
  }

  async #next(): Promise<Buffer> {
    const next = await this.#stream.next()
    this.#signal.throwIfAborted()
    if (next.done === true) throw new Error('the door closed the connection')
    return next.value
  }
}
