import { closeSync, openSync, readSync } from 'node:fs'
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

/** No answer to what we ask is longer. The server is the user's, and may say anything. */
const LONGEST = 1 << 20
const AUTHORITY_BYTES = 4_096

const CHANGE_WINDOW_ATTRIBUTES = 2
const GET_WINDOW_ATTRIBUTES = 3
const QUERY_TREE = 15
const INTERN_ATOM = 16
const GET_PROPERTY = 20
const EVENT_MASK = 1 << 11
const SUBSTRUCTURE_NOTIFY = 1 << 19
const VIEWABLE = 2
const ICONIC = 3
const [DESTROY, UNMAP, MAP] = [17, 18, 19]
const [ERROR, REPLY] = [0, 1]
/** Set in the code of an event that a client sent. */
const SENT = 0x80

/**
 * Watches the top windows of a display and calls `onLast` once when there was one and for five seconds there is none.
 * A window that the user has minimised, or that stands on another of her workspaces, is there.
 * Speaks the few requests of the X11 protocol that this needs (X.Org's protocol specification, sections 8 and 9).
 *
 * @returns a function that ends the watch. When the display goes away or makes no sense the watch ends by itself.
 */
export function watchLastWindow(place: XPlace, onLast: () => void): () => void {
  const socket = connect(place.socket)
  const watch = new WindowWatch(socket, () => {
    socket.destroy()
    onLast()
  })
  // The cookie's file and the server are the user's: whatever she makes of them may end the watch, and not us.
  const heed = (step: () => void): void => {
    try {
      step()
    } catch {
      socket.destroy()
    }
  }
  socket.once('connect', () => heed(() => socket.write(setUp(place.authority))))
  socket.on('data', (bytes: Buffer) => heed(() => watch.take(bytes)))
  socket.on('error', () => socket.destroy())
  socket.once('close', () => watch.stop())
  return () => socket.destroy()
}

/** The client's first message: little endian, protocol 11.0, with the cookie. */
function setUp(authority: string): Buffer {
  const name = Buffer.from('MIT-MAGIC-COOKIE-1')
  const cookie = cookieOf(beginningOf(authority))
  const head = Buffer.alloc(12)
  head.write('l', 0, 'latin1')
  head.writeUInt16LE(11, 2)
  head.writeUInt16LE(name.length, 6)
  head.writeUInt16LE(cookie.length, 8)
  return Buffer.concat([head, padded(name), padded(cookie)])
}

function beginningOf(file: string): Buffer {
  const fd = openSync(file, 'r')
  try {
    const bytes = Buffer.alloc(AUTHORITY_BYTES)
    return bytes.subarray(0, readSync(fd, bytes))
  } finally {
    closeSync(fd)
  }
}

/** What an awaited reply is about. */
type Question = 'atom' | 'tree' | { readonly of: 'attributes' | 'state'; readonly window: number }

/** What is known of a window while windows are counted. */
interface Seen {
  viewable: boolean
  /** Menus and tool tips (override-redirect) do not keep a session. */
  passing: boolean
  iconic: boolean
}

class WindowWatch {
  readonly #socket: Socket
  readonly #onLast: () => void
  #rest: Buffer = Buffer.alloc(0)
  #root: number | undefined
  #wmState: number | undefined
  /** What each awaited reply is about, by sequence number. */
  readonly #awaited = new Map<number, Question>()
  #sequence = 0
  /** Answers that are missing until the windows are counted. */
  #open = 0
  #seen = new Map<number, Seen>()
  /** Windows that their programs have taken away, which leaves them iconic under nxagent. */
  readonly #withdrawn = new Set<number>()
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

  /** @throws Error when the bytes make no sense. */
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
    const length = this.#rest.readUInt8(0) === REPLY ? 32 + 4 * this.#rest.readUInt32LE(4) : 32
    if (length > LONGEST) throw new Error('a message is too long')
    return length
  }

  #begin(message: Buffer): void {
    if (message.readUInt8(0) !== 1) return void this.#socket.destroy() // refused
    const vendor = message.readUInt16LE(24)
    const formats = message.readUInt8(29)
    this.#root = message.readUInt32LE(40 + Math.ceil(vendor / 4) * 4 + formats * 8)
    this.#send(CHANGE_WINDOW_ATTRIBUTES, [this.#root, EVENT_MASK, SUBSTRUCTURE_NOTIFY])
    const name = Buffer.from('WM_STATE')
    this.#ask('atom', INTERN_ATOM, [name.length, name.readUInt32LE(0), name.readUInt32LE(4)])
  }

  #message(message: Buffer): void {
    const code = message.readUInt8(0)
    if (code === REPLY || code === ERROR) return this.#answer(message, code === REPLY)
    const kind = code & ~SENT
    if (kind !== DESTROY && kind !== UNMAP && kind !== MAP) return
    const window = message.readUInt32LE(8)
    // Whoever takes a window away says so to the root (ICCCM 4.1.4); a window manager that hides it does not.
    if (kind === UNMAP && code !== kind) this.#withdrawn.add(window)
    else if (kind !== UNMAP) this.#withdrawn.delete(window)
    // A window that is gone before it could be counted was there all the same.
    if (kind === MAP && message.readUInt8(12) === 0) this.#noteOne()
    this.#countSoon()
  }

  /** A reply, or the error in its place: a window may go while we ask about it. */
  #answer(message: Buffer, isReply: boolean): void {
    const sequence = message.readUInt16LE(2)
    const question = this.#awaited.get(sequence)
    this.#awaited.delete(sequence)
    if (question === undefined) return
    if (question === 'atom') {
      if (isReply) this.#wmState = message.readUInt32LE(8)
      return this.#count()
    }
    if (question === 'tree') return this.#askEach(isReply ? message : undefined)
    const seen = this.#seen.get(question.window)
    if (isReply && seen !== undefined) {
      if (question.of === 'state') seen.iconic = message.length > 32 && message.readUInt32LE(32) === ICONIC
      else [seen.viewable, seen.passing] = [message.readUInt8(26) === VIEWABLE, message.readUInt8(27) !== 0]
    }
    this.#open -= 1
    if (this.#open === 0) this.#counted()
  }

  #countSoon(): void {
    this.#again ??= setTimeout(() => {
      this.#again = undefined
      this.#count()
    }, SETTLE_MS)
  }

  #count(): void {
    if (this.#open > 0) return this.#countSoon()
    this.#ask('tree', QUERY_TREE, [this.#root ?? 0])
  }

  #askEach(tree: Buffer | undefined): void {
    const children = Array.from(
      { length: tree?.readUInt16LE(16) ?? 0 },
      (_, index) => tree?.readUInt32LE(32 + 4 * index) ?? 0,
    )
    this.#seen = new Map(
      children.map((window) => [window, { viewable: false, passing: false, iconic: false }]),
    )
    for (const window of children) {
      this.#open += 1
      this.#ask({ of: 'attributes', window }, GET_WINDOW_ATTRIBUTES, [window])
      if (this.#wmState === undefined) continue
      this.#open += 1
      this.#ask({ of: 'state', window }, GET_PROPERTY, [window, this.#wmState, 0, 0, 1])
    }
    if (this.#open === 0) this.#counted()
  }

  #counted(): void {
    const isOpen = (window: number, { viewable, passing, iconic }: Seen): boolean =>
      !passing && (viewable || (iconic && !this.#withdrawn.has(window)))
    if ([...this.#seen].some(([window, seen]) => isOpen(window, seen))) this.#noteOne()
    // What else comes and goes meanwhile does not begin the time anew.
    else if (this.#seenOne) this.#last ??= setTimeout(this.#onLast, GRACE_MS)
  }

  /** There is a window of a program's, or was a moment ago. */
  #noteOne(): void {
    this.#seenOne = true
    clearTimeout(this.#last)
    this.#last = undefined
  }

  #ask(question: Question, opcode: number, words: readonly number[]): void {
    this.#awaited.set(this.#send(opcode, words), question)
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
