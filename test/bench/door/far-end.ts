import type { Socket } from 'node:net'

/**
 * What stands behind every door of the bench, spoken to in words of sixteen bytes: `P…` is sent back, `B` and a number
 * asks for so many bytes, `U` and a number announces so many and is answered when they are there, `T` and a number
 * asks for so many numbered messages, ten a second.
 */
export const WORD_BYTES = 16
export const MESSAGE_BYTES = 200
export const MESSAGES_PER_SECOND = 10

const CHUNK = Buffer.alloc(65_536, 'x')
const TICK_MS = 5
const TICKS_PER_MESSAGE = 1_000 / MESSAGES_PER_SECOND / TICK_MS

interface Talker {
  readonly socket: Socket
  readonly slot: number
  next: number
  left: number
}

const talkers = new Set<Talker>()
let slots = 0
let tick = 0
let timer: NodeJS.Timeout | undefined

/** Plays the far end on a connection. */
export function playFarEnd(socket: Socket): void {
  let rest: Buffer = Buffer.alloc(0)
  let owed = 0
  let swallow = 0
  socket.on('error', () => socket.destroy())
  const pour = (): void => {
    while (owed > 0) {
      const chunk = owed >= CHUNK.length ? CHUNK : CHUNK.subarray(0, owed)
      owed -= chunk.length
      if (!socket.write(chunk)) return
    }
  }
  const obey = (word: Buffer): void => {
    const count = Number(word.toString('latin1', 1))
    const letter = word.toString('latin1', 0, 1)
    if (letter === 'U') swallow = count
    else if (letter === 'T') talk(socket, count)
    else if (letter === 'P') socket.write(word)
    else if (letter === 'B') {
      owed += count
      pour()
    }
  }
  socket.on('drain', pour)
  socket.on('end', () => socket.end())
  /** Takes what it can of announced bytes; the rest are words. */
  const swallowed = (bytes: Buffer): Buffer => {
    const taken = Math.min(swallow, bytes.length)
    if (taken > 0 && taken === swallow) socket.write(word('P', 0))
    swallow -= taken
    return bytes.subarray(taken)
  }
  socket.on('data', (data: Buffer) => {
    rest = swallowed(rest.length === 0 ? data : Buffer.concat([rest, data]))
    while (rest.length >= WORD_BYTES) {
      const next = rest.subarray(0, WORD_BYTES)
      rest = rest.subarray(WORD_BYTES)
      obey(next)
      rest = swallowed(rest)
    }
  })
}

/** A word of the far end's language. */
export function word(letter: 'P' | 'B' | 'U' | 'T', count: number): Buffer {
  return Buffer.from(letter + String(count).padStart(WORD_BYTES - 1, '0'))
}

/** One timer for all who talk; each has its turn in one tick of twenty. */
function talk(socket: Socket, messages: number): void {
  talkers.add({ socket, slot: slots++ % TICKS_PER_MESSAGE, next: 0, left: messages })
  timer ??= setInterval(turn, TICK_MS)
}

function turn(): void {
  tick = (tick + 1) % TICKS_PER_MESSAGE
  for (const talker of talkers) {
    if (talker.slot !== tick) continue
    const message = Buffer.alloc(MESSAGE_BYTES, 'm')
    message.writeUInt32BE(talker.next++)
    talker.socket.write(message)
    if (--talker.left === 0 || talker.socket.destroyed) talkers.delete(talker)
  }
  if (talkers.size > 0) return
  clearInterval(timer)
  timer = undefined
}
