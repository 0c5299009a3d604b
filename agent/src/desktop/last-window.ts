import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { cookieOf } from './x-authority.ts'

export interface XPlace {
  /** The display's unix socket. */
  readonly socket: string
  /** The Xauthority file with its cookie. */
  readonly authority: string
}

/** A splash screen may be gone for a moment before the program's own window comes. */
const GRACE_MS = 5_000
/** Windows often come and go in bursts. */
const SETTLE_MS = 100

const CHANGE_WINDOW_ATTRIBUTES = 2
const GET_WINDOW_ATTRIBUTES = 3
const QUERY_TREE = 15
const EVENT_MASK = 1 << 11
const SUBSTRUCTURE_NOTIFY = 1 << 19
const VIEWABLE = 2
const [DESTROY, UNMAP, MAP] = [17, 18, 19]
const REPLY = 1

/**
 * Watches the top windows of a display and calls `onLast` once when there was one and for five seconds there is none.
 * Speaks the few requests of the X11 protocol that this needs (X.Org's protocol specification, sections 8 and 9).
 *
 * @returns a function that ends the watch. When the display goes away the watch ends by itself.
 */
export function watchLastWindow(place: XPlace, onLast: () => void): () => void {
  const socket = connect(place.socket)
  const watch = new WindowWatch(socket, () => {
    socket.destroy()
    onLast()
  })
  socket.once('connect', () => socket.write(setUp(place.authority)))
  socket.on('data', (bytes: Buffer) => watch.take(bytes))
  socket.on('error', () => socket.destroy())
  socket.once('close', () => watch.stop())
  return () => socket.destroy()
}

/** The client's first message: little endian, protocol 11.0, with the cookie. */
function setUp(authority: string): Buffer {
  const name = Buffer.from('MIT-MAGIC-COOKIE-1')
  const cookie = cookieOf(readFileSync(authority))
  const head = Buffer.alloc(12)
  head.write('l', 0, 'latin1')
  head.writeUInt16LE(11, 2)
  head.writeUInt16LE(name.length, 6)
  head.writeUInt16LE(cookie.length, 8)
  return Buffer.concat([head, padded(name), padded(cookie)])
}

class WindowWatch {
  readonly #socket: Socket
  readonly #onLast: () => void
  #rest: Buffer = Buffer.alloc(0)
  #root: number | undefined
  /** What each awaited reply is for, by sequence number. */
  readonly #awaited = new Map<number, 'tree' | 'attributes'>()
  #sequence = 0
  #open = 0
  #shown = 0
  #seenOne = false
  #again: NodeJS.Timeout | undefined
  #last: NodeJS.Timeout | undefined

  constructor(socket: Socket, onLast: () => void) {
    this.#socket = socket
    this.#onLast = onLast
  }

  stop(): void {
    clearTimeout(this.#again)
    clearTimeout(this.#last)
  }

  take(bytes: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, bytes])
    for (
      let length = this.#nextLength();
      length > 0 && this.#rest.length >= length;
      length = this.#nextLength()
    ) {
      const message = this.#rest.subarray(0, length)
      this.#rest = this.#rest.subarray(length)
      if (this.#root === undefined) this.#begin(message)
      else this.#message(message)
    }
  }

  /** Length of the message that begins the buffer; 0 when that cannot be told yet. */
  #nextLength(): number {
    if (this.#rest.length < 8) return 0
    if (this.#root === undefined) return 8 + 4 * this.#rest.readUInt16LE(6)
    if (this.#rest.length < 32) return 0
    return this.#rest.readUInt8(0) === REPLY ? 32 + 4 * this.#rest.readUInt32LE(4) : 32
  }

  #begin(message: Buffer): void {
    if (message.readUInt8(0) !== 1) return void this.#socket.destroy() // refused
    const vendor = message.readUInt16LE(24)
    const formats = message.readUInt8(29)
    this.#root = message.readUInt32LE(40 + Math.ceil(vendor / 4) * 4 + formats * 8)
    this.#send(CHANGE_WINDOW_ATTRIBUTES, [this.#root, EVENT_MASK, SUBSTRUCTURE_NOTIFY])
    this.#count()
  }

  #message(message: Buffer): void {
    const kind = message.readUInt8(0) & 0x7f
    // A window that is gone before it could be counted was there all the same.
    if (kind === MAP) this.#seenOne = true
    if (kind === DESTROY || kind === UNMAP || kind === MAP) this.#countSoon()
    if (kind !== REPLY && kind !== 0) return
    // A reply, or the error in its place: a window may go while we ask about it.
    const sequence = message.readUInt16LE(2)
    const purpose = this.#awaited.get(sequence)
    this.#awaited.delete(sequence)
    if (purpose === 'tree') this.#askEach(message)
    else if (purpose === 'attributes') {
      this.#open -= 1
      // Menus and tool tips (override-redirect) do not keep a session.
      if (kind === REPLY && message.readUInt8(26) === VIEWABLE && message.readUInt8(27) === 0)
        this.#shown += 1
      if (this.#open === 0) this.#counted()
    }
  }

  #countSoon(): void {
    this.#again ??= setTimeout(() => {
      this.#again = undefined
      this.#count()
    }, SETTLE_MS)
  }

  #count(): void {
    if (this.#open > 0) return this.#countSoon()
    this.#awaited.set(this.#send(QUERY_TREE, [this.#root ?? 0]), 'tree')
  }

  #askEach(tree: Buffer): void {
    this.#shown = 0
    const children = tree.readUInt8(0) === REPLY ? tree.readUInt16LE(16) : 0
    this.#open = children
    for (let index = 0; index < children; index++) {
      const window = tree.readUInt32LE(32 + 4 * index)
      this.#awaited.set(this.#send(GET_WINDOW_ATTRIBUTES, [window]), 'attributes')
    }
    if (children === 0) this.#counted()
  }

  #counted(): void {
    clearTimeout(this.#last)
    if (this.#shown > 0) this.#seenOne = true
    else if (this.#seenOne) this.#last = setTimeout(this.#onLast, GRACE_MS)
  }

  /** Sends a request; returns its sequence number. */
  #send(opcode: number, words: readonly number[]): number {
    const request = Buffer.alloc(4 + 4 * words.length)
    request.writeUInt8(opcode, 0)
    request.writeUInt16LE(1 + words.length, 2)
    words.forEach((word, index) => request.writeUInt32LE(word >>> 0, 4 + 4 * index))
    this.#socket.write(request)
    this.#sequence = (this.#sequence + 1) & 0xffff
    return this.#sequence
  }
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)])
}
